namespace ActorLb.Server.Hosting.Upgrade;

/// <summary>How this program was started, as far as its arguments: for another process of it. A link in it is followed when that starts.</summary>
internal static class OwnCommand
{
    /// <summary>The program; and the assembly, where it is run by <c>dotnet</c>. Asked for early: files may be replaced later.</summary>
    public static string[] Words { get; } = Find();

    private static string[] Find()
    {
        string program = Environment.ProcessPath!;
        if (Path.GetFileNameWithoutExtension(program) == "dotnet") return [program, Path.GetFullPath(Environment.GetCommandLineArgs()[0])];
        try
        {
            // As it was called, and not what that led to: the next version may stand behind the same link.
            string called = File.ReadAllText("/proc/self/cmdline").Split('\0')[0];
            return [called.Contains('/') ? Path.GetFullPath(called) : program];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [program];
        }
    }
}
