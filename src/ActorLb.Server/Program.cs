using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Reflection;
using ActorLb.Protocol.CommandLine;
using ActorLb.Server.Commands;

namespace ActorLb.Server;

internal static class Program
{
    private const int UsageError = 2;

    public static string Version { get; } =
        typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>Shows what is wrong with the command line and where its help is, rather than the whole help.</summary>
    private static int Complain(ParseResult parsed)
    {
        var at = parsed.CommandResult.Command;
        string command = $"actorlb {Examples.PathOf(at)}".TrimEnd();
        string? unknown = at.Subcommands.Count > 0 ? parsed.UnmatchedTokens.FirstOrDefault(w => !w.StartsWith('-')) : null;
        string? nearest = unknown is null ? null : NearestName.Find(unknown, at.Subcommands.Select(c => c.Name));
        var complaints = unknown is null
            ? parsed.Errors.Select(e => UsageText.Of(e.Message)).Distinct()
            : [$"no command '{unknown}'; {(nearest is null ? $"known: {string.Join(", ", at.Subcommands.Select(c => c.Name))}" : $"did you mean '{nearest}'?")}"];
        foreach (string complaint in complaints) Console.Error.WriteLine($"{command}: {complaint}");
        Console.Error.WriteLine($"see: {command} --help");
        return UsageError;
    }

    /// <summary>All commands.</summary>
    internal static RootCommand Tree()
    {
        var root = new RootCommand("ActorLb balances MQTT clients over a cluster of brokers.")
        {
            RunCommand.Create(),
            CheckCommand.Create(),
            SignalCommands.CreateReload(),
            SignalCommands.CreateStop(),
            SignalCommands.CreateUpgrade(),
            ShowConfigCommand.Create(),
            ImportCommand.Create(),
            BenchCommand.Create(),
            DemoCommand.Create(),
            CompletionCommand.Create(),
        };
        // -h is the host of `bench`, as in other MQTT tools, and help everywhere else.
        foreach (var help in root.Options.OfType<HelpOption>())
        {
            foreach (string alias in (string[])["-h", "/h", "/?"]) help.Aliases.Remove(alias);
            if (help.Action is HelpAction action) help.Action = new Examples.Help(action);
        }
        foreach (var version in root.Options.OfType<VersionOption>()) version.Aliases.Add("-V");
        return root;
    }

    private static Task<int> Main(string[] arguments)
    {
        if (arguments is ["help", ..]) arguments = [.. arguments[1..], "--help"];
        if (arguments is not ["bench", ..]) arguments = [.. arguments.Select(a => a == "-h" ? "--help" : a)];

        var parsed = Tree().Parse(arguments);
        if (parsed.Action is ParseErrorAction && arguments.Length > 0) return Task.FromResult(Complain(parsed));

        // Commands handle signals themselves: a node drains, a bench reports.
        return parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }
}
