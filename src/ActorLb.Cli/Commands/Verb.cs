using System.CommandLine;
using System.CommandLine.Completions;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;

namespace ActorLb.Cli.Commands;

/// <summary>What a command needs to run.</summary>
internal sealed record Call(AdminClient Client, Screen Screen, ParseResult Parsed, bool Json)
{
    /// <summary>Shows an answer: as it arrived, or as a table.</summary>
    public void Show<T>(Answer<T> answer, Action<T, Screen> table)
    {
        if (Json) Screen.Json(answer.Json);
        else table(answer.Value, Screen);
    }

    /// <summary>Warns on standard error about what an answer lacks, so that nobody takes the table or the JSON for complete.</summary>
    public void Tell(SilentNode[] silent, string what = "is missing here")
    {
        foreach (var node in silent) Screen.Error($"{Printable.Of(node.Node)} {what}: {Printable.Of(node.Reason)}");
    }

    public static string Escape(string text) => Uri.EscapeDataString(text);
}

/// <summary>Creates commands that all end the same way: with an exit code for the result, and the reason on standard error.</summary>
/// <param name="names">Values that can be completed at a place such as POOL.</param>
internal sealed class Verb(TargetOptions target, Screen screen, Func<ParseResult, string, IEnumerable<string>> names)
{
    public Command Create(string name, string description, Func<Call, CancellationToken, Task> run, params ReadOnlySpan<Symbol> symbols) =>
        Create(name, description, async (call, cancel) => { await run(call, cancel); return ExitCodes.Done; }, symbols);

    public Command Create(string name, string description, Func<Call, CancellationToken, Task<int>> run, params ReadOnlySpan<Symbol> symbols)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            if (symbol is Argument argument)
            {
                // An argument that already has its word is not the next one.
                argument.CompletionSources.Add(context =>
                    context.ParseResult.GetResult(argument)?.Tokens is [var word, ..] && word.Value != context.WordToComplete ? [] : Items(context, argument.Name));
                command.Add(argument);
                continue;
            }
            var option = (Option)symbol;
            if (option.HelpName is { } place) option.CompletionSources.Add(context => Items(context, place));
            command.Add(option);
        }
        command.SetAction((parsed, cancel) => RunAsync(parsed, run, cancel));
        return command;
    }

    private IEnumerable<CompletionItem> Items(CompletionContext context, string place) =>
        names(context.ParseResult, place).Select(n => new CompletionItem(n));

    private async Task<int> RunAsync(ParseResult parsed, Func<Call, CancellationToken, Task<int>> run, CancellationToken cancel)
    {
        bool json = parsed.GetValue(target.Json), watch = parsed.GetValue(target.Watch);
        try
        {
            using var client = target.Connect(parsed);
            client.OnlyAsks = watch;
            return watch
                ? await Watching.RunAsync(
                    screen, inPlace: !json, (frame, stop) => TryAsync(new Call(client, frame, parsed, json), run, stop), TimeProvider.System, cancel)
                : await TryAsync(new Call(client, screen, parsed, json), run, cancel);
        }
        catch (UsageException e)
        {
            screen.Error(e.Message);
            return ExitCodes.Usage;
        }
    }

    private static async Task<int> TryAsync(Call call, Func<Call, CancellationToken, Task<int>> run, CancellationToken cancel)
    {
        try
        {
            return await run(call, cancel);
        }
        catch (RefusedException e)
        {
            if (call.Json) call.Screen.Json(e.Json);
            call.Screen.Error(e.Message);
            return ExitCodes.Refused;
        }
        catch (UnreachableException e)
        {
            call.Screen.Error(e.Message);
            return ExitCodes.Unreachable;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested && !call.Client.OnlyAsks)
        {
            call.Screen.Error("interrupted: the node may or may not have carried it out");
            return ExitCodes.Unreachable;
        }
    }
}
