using System.CommandLine;
using System.CommandLine.Invocation;
using ActorLb.Cli.Commands;
using ActorLb.Cli.Output;

namespace ActorLb.Cli;

/// <summary>All commands, and how words become one of them: the same one-shot and at the prompt.</summary>
internal sealed class CommandTree
{
    // A client id may begin with '@', which is no file of more arguments.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    private readonly Screen _screen;

    /// <param name="withoutCommand">What runs when only options are given.</param>
    public CommandTree(Screen screen, Func<ParseResult, CancellationToken, Task<int>> withoutCommand)
    {
        _screen = screen;
        var verb = new Verb(Target, screen);
        Root = new RootCommand("pbm operates ActorLb: one command, or a prompt when none is given.")
        {
            ClusterCommands.Create(verb), ShardingCommands.Create(verb), PoolCommands.Create(verb), StickyCommands.Create(verb),
            SessionCommands.Create(verb),
        };
        foreach (Command group in NodeCommands.Create(verb)) Root.Add(group);
        Target.AddTo(Root);
        Root.SetAction(withoutCommand);
    }

    public RootCommand Root { get; }

    public TargetOptions Target { get; } = new();

    public ParseResult Parse(IReadOnlyList<string> words) => Root.Parse(words, Parsing);

    /// <summary>Runs what was parsed; the exit code.</summary>
    public async Task<int> RunAsync(ParseResult parsed, CancellationToken cancel)
    {
        if (parsed.Action is ParseErrorAction)
        {
            Command at = parsed.CommandResult.Command;
            IEnumerable<string> known = at.Subcommands.Select(c => c.Name).Concat(Target.Names).Concat(at.Options.Select(o => o.Name));
            foreach (string message in parsed.Errors.Select(e => e.Message).Distinct()) _screen.Error(message);
            foreach (string word in parsed.UnmatchedTokens)
            {
                if (Nearest.Find(word, known) is { } nearest) _screen.Error($"did you mean '{nearest}'?");
            }
            string path = string.Join(' ', PathOf(parsed.CommandResult.Command));
            _screen.Error($"see: {path} --help");
            return ExitCodes.Usage;
        }
        return await parsed.InvokeAsync(new InvocationConfiguration { Output = _screen.Output, ProcessTerminationTimeout = null }, cancel);
    }

    private static IEnumerable<string> PathOf(Command command)
    {
        Command? parent = command.Parents.OfType<Command>().FirstOrDefault();
        return parent is null ? ["pbm"] : PathOf(parent).Append(command.Name);
    }
}
