namespace ActorLb.Testing;

/// <summary>Where the sources lie, for scripts and example files that tests run from there.</summary>
internal static class RepositoryRoot
{
    public static string Path { get; } = Find();

    public static string File(params ReadOnlySpan<string> parts) => System.IO.Path.Combine([Path, .. parts]);

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (System.IO.File.Exists(System.IO.Path.Combine(folder.FullName, "ActorLb.sln")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"No ActorLb.sln above {AppContext.BaseDirectory}.");
    }
}
