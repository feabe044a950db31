namespace ActorLb.Testing.Processes;

/// <summary>Debian keeps what only root uses out of the path of everybody else, and a test may run with such a path.</summary>
internal static class SystemPath
{
    public static IReadOnlyDictionary<string, string?> Environment { get; } = new Dictionary<string, string?>(StringComparer.Ordinal)
    {
        ["PATH"] = System.Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin",
    };
}
