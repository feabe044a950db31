using System.CommandLine;
using ActorLb.Configuration;

namespace ActorLb.Server.Commands;

internal static class CheckCommand
{
    public static Command Create()
    {
        var command = new Command("check", "Check a configuration file, which may be a pipe such as /dev/stdin, and tell all its errors.");
        Func<ParseResult, string> file = ConfigurationFile.AddTo(command);
        command.SetAction(result => Check(file(result)));
        return command;
    }

    private static int Check(string path)
    {
        if (ConfigurationFile.LoadWithFiles(path, pipes: true) is not { } options) return 1;
        Console.WriteLine($"{path}: the configuration is valid ({Count(options.Listeners.Count, "listener")}, {Count(options.Pools.Count, "pool")})");
        return 0;
    }

    private static string Count(int count, string noun) => $"{count} {noun}{(count == 1 ? "" : "s")}";
}
