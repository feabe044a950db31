using System.CommandLine;
using System.CommandLine.Help;
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
            BenchCommand.Create(),
        };
        // -h is the host of `bench`, as in other MQTT tools, and help everywhere else.
        foreach (HelpOption help in root.Options.OfType<HelpOption>())
        {
            foreach (string alias in (string[])["-h", "/h", "/?"]) help.Aliases.Remove(alias);
        }
        if (arguments is not ["bench", ..]) arguments = [.. arguments.Select(a => a == "-h" ? "--help" : a)];

        // Commands handle signals themselves: a node drains, a bench reports.
        return root.Parse(arguments).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }
}
