using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using ActorLb.Cli.Commands;
using ActorLb.Cli.Output;
using ActorLb.Cli.Prompt;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Cli;

/// <summary>All commands and their parser, the same for one-shot use and at the prompt.</summary>
internal sealed class CommandTree
{
    // A client id may begin with '@', which must not be read as a response file.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    private readonly Screen _screen;

    /// <param name="withoutCommand">Runs when only options are given.</param>
    public CommandTree(Screen screen, Func<ParseResult, CancellationToken, Task<int>> withoutCommand)
    {
        _screen = screen;
        var verb = new Verb(Target, screen, NamesOf);
        Names = AskForNames;
        Root = new RootCommand("pbm operates ActorLb: it runs one command, or opens a prompt when none is given.")
        {
            ClusterCommands.Create(verb), ShardingCommands.Create(verb), PoolCommands.Create(verb), StickyCommands.Create(verb),
            SessionCommands.Create(verb), BanCommands.Create(verb), ActorCommands.Create(verb),
        };
        foreach (var group in NodeCommands.Create(verb)) Root.Add(group);
        Root.Add(Help());
        Root.Add(CompletionOf());
        Target.AddTo(Root);
        foreach (var help in Root.Options.OfType<HelpOption>())
        {
            if (help.Action is HelpAction action) help.Action = new Examples.Help(action);
        }
        foreach (var version in Root.Options.OfType<VersionOption>()) version.Aliases.Add("-V");
        Root.SetAction(withoutCommand);
    }

    /// <summary>Wraps the help to the terminal, like all other output.</summary>
    private void FitHelp()
    {
        foreach (var help in Root.Options.OfType<HelpOption>())
        {
            if (help.Action is Examples.Help action) action.MaxWidth = _screen.Width;
        }
    }

    public RootCommand Root { get; }

    public TargetOptions Target { get; } = new();

    /// <summary>The names that can be completed at a place such as POOL. The prompt caches those that it has fetched.</summary>
    public Func<ParseResult, string, IEnumerable<string>> Names { get; set; }

    public ParseResult Parse(IReadOnlyList<string> words) => Root.Parse(words, Parsing);

    /// <summary>A line as a shell would pass it, for completion.</summary>
    public ParseResult ParseLine(string line) => Root.Parse(line, Parsing);

    /// <summary>Runs what was parsed and returns the exit code.</summary>
    public async Task<int> RunAsync(ParseResult parsed, CancellationToken cancel)
    {
        if (parsed.Action is ParseErrorAction)
        {
            foreach (string message in Complaints(parsed)) _screen.Error(message);
            _screen.Error($"see: {PathOf(parsed.CommandResult.Command)} --help");
            return ExitCodes.Usage;
        }
        FitHelp();
        return await parsed.InvokeAsync(new InvocationConfiguration { Output = _screen.Output, ProcessTerminationTimeout = null }, cancel);
    }

    /// <summary>The library's help also calls this, without a command line: no node is asked then.</summary>
    private IEnumerable<string> NamesOf(ParseResult parsed, string place) => parsed.RootCommandResult.Command == Root ? Names(parsed, place) : [];

    private IEnumerable<string> AskForNames(ParseResult parsed, string place)
    {
        try
        {
            using var client = Target.Connect(parsed);
            return new KnownNames(client, TimeProvider.System).OfAsync(place).GetAwaiter().GetResult();
        }
        catch (UsageException)
        {
            return [];
        }
    }

    private Command CompletionOf()
    {
        var shell = new Argument<string>("SHELL") { Description = string.Join(" or ", CompletionScript.Shells) };
        shell.AcceptOnlyFromAmong(CompletionScript.Shells);
        var command = new Command("completion", "Print the shell code for completion; use it with eval \"$(pbm completion bash)\"") { shell };
        command.SetAction(parsed => _screen.Document(CompletionScript.For("pbm", parsed.GetValue(shell)!)));
        return command;
    }

    private Command Help()
    {
        var about = new Argument<string[]>("COMMAND") { HelpName = "COMMAND", Description = "the command; without one, all are listed", Arity = ArgumentArity.ZeroOrMore };
        about.CompletionSources.Add(context => Below(context.ParseResult.GetValue(about) ?? [], context.WordToComplete));
        var help = new Command("help", "Show help for a command, or list all commands") { about };
        help.SetAction((parsed, cancel) =>
        {
            string[] words = parsed.GetValue(about) ?? [];
            return RunAsync(Parse(IsCommand(words) ? [.. words, "--help"] : words), cancel);
        });
        return help;
    }

    private bool IsCommand(string[] words)
    {
        Command? at = Root;
        foreach (string word in words) at = at?.Subcommands.FirstOrDefault(c => c.Name == word);
        return at is not null;
    }

    /// <summary>The commands that can follow these words; the last word may be incomplete.</summary>
    private IEnumerable<CompletionItem> Below(string[] words, string begun)
    {
        Command at = Root;
        foreach (string word in begun.Length > 0 && words is [.. var whole, _] ? whole : words)
        {
            if (at.Subcommands.FirstOrDefault(c => c.Name == word) is not { } next) return [];
            at = next;
        }
        return at.Subcommands.Select(c => new CompletionItem(c.Name));
    }

    /// <summary>An unknown command is reported alone: other errors, such as missing arguments, only follow from it.</summary>
    private IEnumerable<string> Complaints(ParseResult parsed)
    {
        var at = parsed.CommandResult.Command;
        string[] commands = [.. at.Subcommands.Select(c => c.Name)];
        string[] unknown = [.. parsed.UnmatchedTokens];
        if (unknown.FirstOrDefault(w => !w.StartsWith('-')) is { } word && commands.Length > 0)
        {
            string? nearest = NearestName.Find(word, commands);
            string known = nearest is null ? $"known: {string.Join(", ", commands)}" : $"did you mean '{nearest}'?";
            return [$"no command '{word}' of {PathOf(at)}; {known}"];
        }
        string[] options = [.. Target.Names, .. at.Options.Select(o => o.Name)];
        return parsed.Errors.Select(e => UsageText.Of(e.Message)).Distinct()
            .Concat(unknown.Select(w => NearestName.Find(w, options)).OfType<string>().Select(o => $"did you mean '{o}'?"));
    }

    private static string PathOf(Command command) => $"pbm {Examples.PathOf(command)}".TrimEnd();
}
