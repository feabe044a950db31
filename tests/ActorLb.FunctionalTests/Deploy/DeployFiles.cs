using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Deploy;

/// <summary>The files with which the balancer is put somewhere, and the tools that judge them.</summary>
internal static class DeployFiles
{
    public static string At(params string[] path) => RepositoryRoot.File(["deploy", .. path]);

    public static Task<string> ReadAsync(params string[] path) => File.ReadAllTextAsync(At(path), TestContext.Current.CancellationToken);

    /// <summary>What a program prints that has to succeed.</summary>
    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var result = await ProcessHost.RunAsync(program, arguments, SystemPath.Environment);
        Assert.True(result.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: exit code {result.ExitCode}\n{result.Output}");
        return result.Output;
    }

    /// <summary>Has the program judge a configuration for another machine, with the folders that this one lacks in its folder instead.</summary>
    /// <param name="folders">Such as <c>/run/secrets</c>: its files are those that the configuration names.</param>
    public static async Task AcceptedAsync(string configuration, TempFolder folder, IReadOnlyDictionary<string, string> files, params string[] folders)
    {
        foreach (string absent in folders)
        {
            string present = folder[Path.GetFileName(absent)];
            Directory.CreateDirectory(present);
            foreach ((string name, string text) in files) await File.WriteAllTextAsync(Path.Combine(present, name), text.Replace(absent, present, StringComparison.Ordinal));
            configuration = configuration.Replace(absent, present, StringComparison.Ordinal);
        }
        var result = await ProcessHost.RunAsync(
            ActorLbProcess.Program, ["check", "--portable", "-c", folder.Write("lb.conf", configuration)],
            new Dictionary<string, string?>(StringComparer.Ordinal) { ["ACTORLB_NODE"] = "lb1", ["ACTORLB_ADDRESS"] = "lb1:7946" });
        Assert.True(result.ExitCode == 0, $"{result.Output}\n{configuration}");
        Assert.DoesNotContain("warning", result.Output, StringComparison.OrdinalIgnoreCase);
    }
}
