using System.CommandLine;
using System.Reflection;
using ActorLb.Server.Commands;

namespace ActorLb.Server;

internal static class Program
{
    public static string Version { get; } =
        typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";

    private static Task<int> Main(string[] arguments)
    {
        var root = new RootCommand("ActorLb balances MQTT clients over a cluster of brokers.")
        {
            RunCommand.Create(),
            CheckCommand.Create(),
            SignalCommands.CreateReload(),
            SignalCommands.CreateStop(),
            ShowConfigCommand.Create(),
        };
        return root.Parse(arguments).InvokeAsync();
    }
}
