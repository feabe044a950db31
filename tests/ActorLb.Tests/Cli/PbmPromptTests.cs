using System.Text.Json;
using ActorLb.Protocol.Admin;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;
using ActorLb.Tests.Admin;

namespace ActorLb.Tests.Cli;

/// <summary>The program's prompt, and what it prints until it is interrupted.</summary>
public sealed class PbmPromptTests
{
    private static readonly string Pbm = Path.Combine(AppContext.BaseDirectory, "pbm");

    [Fact]
    public async Task Prompt_ThroughAPipe_RunsEveryLine_ExitsWithTheWorst()
    {
        await using var node = await AdminNode.StartAsync();
        await using var pbm = ProcessHost.Start(Pbm, ["--host", node.Address.ToString()]);
        await pbm.Input.WriteAsync($"# a script\n\nnode info\npool drain \"{node.Two.EndPoint}\"\npool show nowhere\nhelp sticky\n\"open\nlistener list\n");
        pbm.Input.Close();
        Assert.Equal(2, await pbm.WaitForExitAsync());
        Assert.Contains("configuration", pbm.Output, StringComparison.Ordinal);
        Assert.Contains("no: draining", pbm.Output, StringComparison.Ordinal);
        Assert.Contains("no pool 'nowhere'", pbm.Output, StringComparison.Ordinal);
        Assert.Contains("pbm sticky [command]", pbm.Output, StringComparison.Ordinal);
        Assert.Contains("not closed", pbm.Output, StringComparison.Ordinal);
        Assert.Contains(node.Mqtt.ToString(), pbm.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tail_PrintsEventsUntilInterrupted()
    {
        await using var node = await AdminNode.StartAsync();
        node.Node.Events.Publish("marked", "here");
        await using var pbm = ProcessHost.Start(Pbm, ["--host", node.Address.ToString(), "cluster", "tail", "-n", "1", "-f"]);
        await pbm.WaitForLineAsync("lb-1 marked: here");
        node.Node.Events.Publish("later", "there");
        await pbm.WaitForLineAsync("lb-1 later: there");
        pbm.Signal(ProcessHost.SigInt);
        Assert.Equal(0, await pbm.WaitForExitAsync());
    }

    [Fact]
    public async Task Tail_OfPastEvents_Ends()
    {
        await using var node = await AdminNode.StartAsync();
        foreach (string text in (string[])["one", "two", "three"]) node.Node.Events.Publish("marked", text);
        var tail = await RunAsync(node, "cluster", "tail", "-n", "2");
        Assert.Equal(0, tail.ExitCode);
        Assert.Equal(2, tail.Lines.Count);
        Assert.EndsWith("lb-1 marked: three", tail.Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Prompt_OnATerminal_EditsCompletesAndRemembers()
    {
        await using var node = await AdminNode.StartAsync();
        using var state = new TempFolder();
        // script(1) gives the program a terminal and hands it what is written here; the shell makes room for the program, whose exit
        // code counts.
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["XDG_STATE_HOME"] = state.Path,
            ["TERM"] = "xterm",
            ["SHELL"] = "/bin/sh",
        };
        await using var pbm = ProcessHost.Start("script", ["-qefc", $"exec {Pbm} --host {node.Address}", "/dev/null"], environment);
        await PromptAsync(pbm, 0);
        // Tab completes the group, the verb and the node's pool.
        await pbm.Input.WriteAsync("poo\tsh\tem\t\r");
        int shown = await LineAsync(pbm, l => l.Contains(node.Two.EndPoint.ToString(), StringComparison.Ordinal), 0);
        // Ctrl-C, a key once the prompt is back, drops the line; the arrow brings the last one back, and typing changes it.
        await PromptAsync(pbm, shown);
        await pbm.Input.WriteAsync("bad\u0003\u001b[A --json\r");
        shown = await LineAsync(pbm, l => l.Contains("{\"pool\":{\"name\":\"emqx\"", StringComparison.Ordinal), shown);
        await PromptAsync(pbm, shown);
        await pbm.Input.WriteAsync("\u0004");
        int code = await pbm.WaitForExitAsync();
        Assert.Equal((0, pbm.Output), (code, pbm.Output));
        Assert.Equal(["pool show emqx", "pool show emqx --json"], await File.ReadAllLinesAsync(state["pbm/history"]));
    }

    /// <summary>Waits for a prompt with nothing typed, after that line.</summary>
    private static Task<int> PromptAsync(ProcessHost pbm, int from) => LineAsync(pbm, l => l.EndsWith("pbm lb-1> ", StringComparison.Ordinal), from);

    /// <returns>How many lines there are up to the one that fits.</returns>
    private static async Task<int> LineAsync(ProcessHost pbm, Func<string, bool> fits, int from)
    {
        string line = await pbm.WaitForLineAsync(fits, from: from);
        return Enumerable.Range(from, pbm.Lines.Count - from).First(i => pbm.Lines[i] == line) + 1;
    }

    private static Task<ProcessResult> RunAsync(AdminNode node, params IEnumerable<string> command) =>
        ProcessHost.RunAsync(Pbm, ["--host", node.Address.ToString(), .. command]);
}
