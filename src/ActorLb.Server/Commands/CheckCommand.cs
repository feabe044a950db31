using System.CommandLine;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;

namespace ActorLb.Server.Commands;

internal static class CheckCommand
{
    public static Command Create()
    {
        Option<string> file = ConfigurationFile.Option();
        var command = new Command("check", "Check a configuration file and tell all its errors.") { file };
        command.SetAction(result => Check(result.GetValue(file)!));
        return command;
    }

    private static int Check(string path)
    {
        if (ConfigurationFile.Load(path) is not { } options) return 1;
        string[] problems = [.. TlsProblems(options)];
        foreach (string problem in problems) Console.Error.WriteLine($"error: {problem}");
        if (problems.Length > 0) return 1;
        Console.WriteLine($"{path}: the configuration is valid ({Count(options.Listeners.Count, "listener")}, {Count(options.Pools.Count, "pool")})");
        return 0;
    }

    /// <summary>What only OpenSSL can judge: certificates, keys, cipher lists.</summary>
    public static IEnumerable<string> TlsProblems(ActorLbOptions options)
    {
        foreach (ListenerOptions listener in options.Listeners.Values)
        {
            if (listener.Tls is { } tls && Problem(() => TlsServerContext.Build(tls, listener.WebSocket is not null, TimeProvider.System).Dispose()) is { } problem) yield return problem;
        }
        foreach (PoolOptions pool in options.Pools.Values)
        {
            if (pool.Tls is { } tls && Problem(() => TlsClientContext.Build(tls).Dispose()) is { } problem) yield return problem;
        }
    }

    private static string Count(int count, string noun) => $"{count} {noun}{(count == 1 ? "" : "s")}";

    private static string? Problem(Action build)
    {
        try
        {
            build();
            return null;
        }
        catch (TlsConfigurationException e)
        {
            return e.Message;
        }
    }
}
