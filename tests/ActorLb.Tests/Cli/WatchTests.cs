using System.CommandLine;
using System.Text.Json;
using ActorLb.Cli;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Admin;
using ActorLb.Tests.Admin;

namespace ActorLb.Tests.Cli;

/// <summary><c>--watch</c>: the answer in place of the one before, or one document a line, until Ctrl-C.</summary>
public sealed class WatchTests
{
    [Fact]
    public async Task Json_IsOneDocumentALine_AndCtrlCEndsWith0()
    {
        await using var node = await AdminNode.StartAsync();
        (int code, string[] frames, _) = await WatchAsync(3, isTerminal: false, "--host", node.Address.ToString(), "pool", "list", "--watch", "--json");
        Assert.Equal(0, code);
        Assert.Equal(3, frames.Length);
        Assert.All(frames, f =>
        {
            Assert.Equal(1, f.Count(c => c == '\n'));
            Assert.Equal(2, JsonSerializer.Deserialize(f, AdminJson.Wire.PoolList)!.Pools.Length);
        });
    }

    [Fact]
    public async Task Terminal_ShowsNoMoreThanFits_AndClearsWhatWasThere()
    {
        await using var node = await AdminNode.StartAsync();
        (int code, string[] frames, _) = await WatchAsync(2, isTerminal: true, "--host", node.Address.ToString(), "actor", "tree", "--watch");
        Assert.Equal(0, code);
        Assert.All(frames, f =>
        {
            Assert.StartsWith("\u001b[Hupdated every second; Ctrl-C ends. ", f, StringComparison.Ordinal);
            Assert.EndsWith("\u001b[K\n\u001b[J", f, StringComparison.Ordinal);
            string[] lines = f.Split('\n')[..^1];
            Assert.Equal(9, lines.Length);
            Assert.All(lines, l => Assert.EndsWith("\u001b[K", l, StringComparison.Ordinal));
            Assert.Matches(@"^\.\.\. \d+ more lines", lines[^1]);
        });
    }

    /// <summary>A node that is not there may come, and one that refuses may have it a second later.</summary>
    [Fact]
    public async Task Failure_IsShown_AndItGoesOn()
    {
        (int code, string[] frames, string errors) = await WatchAsync(2, isTerminal: true, "--host", "127.0.0.1:1", "node", "info", "--watch");
        Assert.Equal(0, code);
        Assert.All(frames, f => Assert.Contains("pbm: http://127.0.0.1:1/: connection refused", f, StringComparison.Ordinal));
        Assert.Empty(errors);

        await using var node = await AdminNode.StartAsync();
        (code, frames, errors) = await WatchAsync(2, isTerminal: false, "--host", node.Address.ToString(), "pool", "show", "none", "--watch", "--json");
        Assert.Equal(0, code);
        Assert.All(frames, f => Assert.Equal("unknown", JsonSerializer.Deserialize(f, AdminJson.Wire.AdminError)!.Error));
        Assert.Contains("no pool 'none'", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--watch is only for commands that show something", "pool", "drain", "127.0.0.1:1")]
    [InlineData("--watch is only for commands that show something", "session", "kick", "x")]
    [InlineData("--watch cannot be used here", "cluster", "tail", "-f")]
    public async Task Change_IsNotRepeated(string reason, params string[] command)
    {
        await using var node = await AdminNode.StartAsync();
        (int code, string[] frames, string errors) = await WatchAsync(1, isTerminal: false, ["--host", node.Address.ToString(), .. command, "--watch"]);
        Assert.Equal(ExitCodes.Usage, code);
        Assert.Empty(frames);
        Assert.Contains(reason, errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reader_ThatGoesAway_EndsIt()
    {
        await using var node = await AdminNode.StartAsync();
        using var output = new StringWriter();
        var tree = new CommandTree(new Screen(output, output, isTerminal: false, emit: _ => false), (_, _) => Task.FromResult(0));
        Assert.Equal(0, await tree.RunAsync(tree.Parse(["--host", node.Address.ToString(), "pool", "list", "--watch"]), TestContext.Current.CancellationToken));
    }

    /// <summary>Ctrl-C comes once there are so many frames.</summary>
    private static async Task<(int Code, string[] Frames, string Errors)> WatchAsync(int frames, bool isTerminal, params string[] words)
    {
        using var output = new StringWriter();
        using var errors = new StringWriter();
        using var interrupt = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var shown = new List<string>();
        var screen = new Screen(output, errors, isTerminal, () => 200, () => 10, frame =>
        {
            shown.Add(frame);
            if (shown.Count == frames) interrupt.Cancel();
            return true;
        });
        var tree = new CommandTree(screen, (_, _) => Task.FromResult(0));
        var parsed = tree.Parse(words);
        Assert.Empty(parsed.Errors);
        return (await tree.RunAsync(parsed, interrupt.Token), [.. shown], errors.ToString());
    }
}
