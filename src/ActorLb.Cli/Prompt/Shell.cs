using System.CommandLine;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;

namespace ActorLb.Cli.Prompt;

/// <summary>
/// The prompt: one command per line. On a terminal it has editing; otherwise it reads a script and runs it over one connection, and
/// the exit code is the highest of its commands'.
/// </summary>
internal sealed class Shell(CommandTree tree, Screen screen, Interruption interruption)
{
    /// <param name="options">The program's options, which apply to every line.</param>
    public async Task<int> RunAsync(ParseResult parsed, IReadOnlyList<string> options)
    {
        AdminClient client;
        try
        {
            client = tree.Target.Connect(parsed);
        }
        catch (UsageException e)
        {
            screen.Error(e.Message);
            return ExitCodes.Usage;
        }
        using (client)
        {
            return Console.IsInputRedirected
                ? await RunScriptAsync(options)
                : await RunTerminalAsync(client, options);
        }
    }

    private async Task<int> RunScriptAsync(IReadOnlyList<string> options)
    {
        int worst = ExitCodes.Done;
        while (Console.In.ReadLine() is { } line)
        {
            var cancel = interruption.Begin();
            if (await RunLineAsync(line, options, cancel) is not { } code) break;
            worst = Math.Max(worst, code);
            // Ctrl-C is meant for the whole script, not for one line of it.
            if (cancel.IsCancellationRequested) break;
        }
        return worst;
    }

    private async Task<int> RunTerminalAsync(AdminClient client, IReadOnlyList<string> options)
    {
        var history = new LineHistory(LineHistory.DefaultPath);
        var names = new KnownNames(client, TimeProvider.System);
        tree.Names = (_, place) => names.OfAsync(place).GetAwaiter().GetResult();
        var editor = new LineEditor(Console.Out, history, new Completion(tree).Find);
        string prompt = await GreetAsync(client, interruption.Begin());
        interruption.End();
        while (editor.ReadLine(prompt) is { } line)
        {
            history.Add(line.Trim());
            int? code = await RunLineAsync(line, options, interruption.Begin());
            interruption.End();
            if (code is null) break;
        }
        return ExitCodes.Done;
    }

    private async Task<string> GreetAsync(AdminClient client, CancellationToken cancel)
    {
        try
        {
            var node = (await client.GetAsync("node", AdminJson.Wire.NodeInfo, cancel)).Value;
            screen.Line($"{Printable.Of(node.Name)} at {client.Address}, ActorLb {Printable.Of(node.Version)}; help lists the commands, Ctrl-D exits");
            return $"pbm {Printable.Of(node.Name)}> ";
        }
        catch (Exception e) when (e is RefusedException or UnreachableException or OperationCanceledException)
        {
            // The node may become reachable later, or the operator may only want the help.
            screen.Error(e.Message);
            return "pbm> ";
        }
    }

    /// <returns>The line's exit code; null when it ends the prompt.</returns>
    private async Task<int?> RunLineAsync(string line, IReadOnlyList<string> options, CancellationToken cancel)
    {
        if (line.TrimStart().StartsWith('#')) return ExitCodes.Done;
        if (Words.Split(line, out string? problem) is not { } words)
        {
            screen.Error(problem!);
            return ExitCodes.Usage;
        }
        switch (words)
        {
            case []: return ExitCodes.Done;
            case ["exit" or "quit"]: return null;
        }
        var parsed = tree.Parse([.. options, .. words]);
        if (parsed.CommandResult.Command == tree.Root && !words.Contains("--help") && parsed.Errors.Count == 0)
        {
            screen.Error("unknown command; help lists them");
            return ExitCodes.Usage;
        }
        return await tree.RunAsync(parsed, cancel);
    }
}
