namespace ActorLb.Testing.Processes;

/// <summary>The peers written for Node.js, with the packages that <c>tests/run.sh</c> installs beside them.</summary>
internal static class NodeScript
{
    private static readonly string Folder = RepositoryRoot.File("tests", "ActorLb.Testing", "aedes");

    public static ProcessHost Start(string script, params IEnumerable<string> arguments)
    {
        if (!Directory.Exists(Path.Combine(Folder, "node_modules")))
        {
            throw new DirectoryNotFoundException(
                $"The npm packages of the test peers are missing: run tests/run.sh once, or (cd {Folder} && npm install --no-package-lock).");
        }

        return ProcessHost.Start("node", [Path.Combine(Folder, script), .. arguments]);
    }
}
