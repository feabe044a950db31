namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>How this program was started, without its arguments, to start another process of it. A link is followed again at that
/// time.</summary>
internal static class OwnCommand
{
    /// <summary>The program, and the assembly when run by <c>dotnet</c>. Read early, since files may be replaced later.</summary>
    public static string[] Words { get; } = Find();

    private static string[] Find()
    {
        string program = Environment.ProcessPath!;
        if (Path.GetFileNameWithoutExtension(program) == "dotnet") return [program, Path.GetFullPath(Environment.GetCommandLineArgs()[0])];
        try
        {
            // As it was called, without resolving links: the next version may be behind the same link.
            string called = File.ReadAllText("/proc/self/cmdline").Split('\0')[0];
            return [called.Contains('/') ? Path.GetFullPath(called) : program];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [program];
        }
    }
}
