using ActorLb.Balancing;
using ActorLb.Fleet.Spread;
using ActorLb.FunctionalTests.Proxying;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Hosting;

/// <summary>Drains and rebalances at a rate, on a node by itself.</summary>
public sealed class PacedClosingTests
{
    private const string Sticky = "balance = sticky\n";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(4, "", "")]
    [InlineData(5, "", "E0019C")]
    [InlineData(5, "node.server-reference = \"mqtt2.example.com:8883\"", "E01B9C191C00166D717474322E6578616D706C652E636F6D3A38383833")]
    public async Task Drain_AtARate_ClosesAllAndTheyGoElsewhere(int version, string more, string farewell)
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All) + Sticky, more: more);
        var clients = await OpenAsync(node, 20, version);
        Assert.Equal(10, node.Backend(brokers[0]).Active);

        Assert.Null(await node.Node.Fleet.DrainAtPaceAsync(PoolOf(node), node.Backend(brokers[0]), 1000, deadline: null, Cancel));
        await node.UntilAsync(() => node.Node.ProgressOf(PoolOf(node), node.Backend(brokers[0]))!.State == "done");
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.EndsWith("is empty: its drain is complete, 10 sessions were closed", StringComparison.Ordinal)));
        var progress = node.Node.ProgressOf(PoolOf(node), node.Backend(brokers[0]))!;
        Assert.Equal((10, 0, 1000, 10), (progress.Closed, progress.Left, progress.Rate, node.Backend(brokers[1]).Active));

        for (int i = 0; i < clients.Length; i++)
        {
            // Even places: the first ten came to one broker each in turn.
            if (i % 2 == 1) continue;
            Assert.Equal(farewell, Convert.ToHexString((await clients[i].ReadToEndAsync()).Bytes));
            clients[i].Dispose();
            clients[i] = await node.OpenAsync($"c{i}", version);
        }
        await node.UntilClosedAsync(CloseReason.Drained, 10);
        Assert.Equal((0, 20), (node.Backend(brokers[0]).Active, node.Backend(brokers[1]).Active));
        foreach (var client in clients) client.Dispose();

        // Once it is up again nothing keeps them from it, and nobody is closed.
        Assert.Null(await node.Node.Fleet.SetStateAsync(PoolOf(node), node.Backend(brokers[0]), AdminState.Up, deadline: null, Cancel));
        Assert.Null(node.Node.ProgressOf(PoolOf(node), node.Backend(brokers[0])));
        using var fresh = await node.OpenAsync("fresh", version);
        Assert.Equal(1, node.Backend(brokers[0]).Active);
    }

    [Theory]
    [InlineData("keep", 0)]
    [InlineData("suppress", 1)]
    public async Task Drain_AtARate_TreatsTheWillAsADrainDoes(string will, int disconnects)
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All), more: $"node.will = {will}");
        using var client = await node.OpenAsync("c");
        var connection = await brokers[0].NextConnectionAsync();
        Assert.Null(await node.Node.Fleet.DrainAtPaceAsync(PoolOf(node), node.Backend(brokers[0]), 100, deadline: null, Cancel));
        await client.ReadToEndAsync();
        await connection.Ended;
        // MQTT 3.1.1 section 3.14: what takes the Will back.
        Assert.Equal(disconnects == 1, connection.Received.AsSpan().EndsWith((byte[])[0xE0, 0]));
    }

    [Fact]
    public async Task Drain_PausedAndResumed_ClosesNobodyMeanwhile()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All));
        var clients = await OpenAsync(node, 40, 4);
        var backend = node.Backend(brokers[0]);
        Assert.Null(await node.Node.Fleet.DrainAtPaceAsync(PoolOf(node), backend, 20, TimeSpan.FromMinutes(10), Cancel));
        await node.UntilAsync(() => backend.Active < 18);
        Assert.Null(await node.Node.Fleet.SetDrainPausedAsync(PoolOf(node), backend, paused: true, Cancel));
        Assert.Equal("paused", node.Node.ProgressOf(PoolOf(node), backend)!.State);
        // A step may be under way; the graph ends with the next tick, and then nobody closes.
        await node.UntilAsync(() => Supervision.ActorTree.Read(node.Node.ActorSystems).All(a => a.Type != "ActorGraphInterpreter"));
        int left = backend.Active;
        var deadline = backend.DrainLeft;
        // Nothing tells of what does not happen: more than one step's time.
        await Task.Delay(1200, Cancel);
        Assert.Equal((left, deadline), (backend.Active, backend.DrainLeft));
        Assert.True(left > 0);

        Assert.Null(await node.Node.Fleet.SetDrainPausedAsync(PoolOf(node), backend, paused: false, Cancel));
        await node.UntilAsync(() => node.Node.ProgressOf(PoolOf(node), backend) is { Closed: 20, State: "done" });
        Assert.Equal(
            ["drain_begun", "drain_paused", "drain_resumed", "drain_done"],
            (await EventsAsync(node, "drain_done")).Where(k => k.StartsWith("drain_", StringComparison.Ordinal)));
        foreach (var client in clients) client.Dispose();
        await node.UntilClosedAsync(CloseReason.Drained, 20);
    }

    [Fact]
    public async Task Drain_AtARate_OfTheLastBackend_IsRefused_AndWaitsWhileNoOtherTakesClients()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All));
        var clients = await OpenAsync(node, 2, 4);
        Backend one = node.Backend(brokers[0]), other = node.Backend(brokers[1]);
        Assert.Null(await node.Node.Fleet.SetStateAsync(PoolOf(node), other, AdminState.Down, deadline: null, Cancel));
        var refusal = await node.Node.Fleet.DrainAtPaceAsync(PoolOf(node), one, 100, deadline: null, Cancel);
        Assert.Contains("no other backend of pool p takes new clients", refusal!.Reason, StringComparison.Ordinal);
        Assert.Equal(AdminState.Up, one.AdminState);

        Assert.Null(await node.Node.Fleet.SetStateAsync(PoolOf(node), other, AdminState.Up, deadline: null, Cancel));
        Assert.Null(await node.Node.Fleet.DrainAtPaceAsync(PoolOf(node), one, 100, deadline: null, Cancel));
        Assert.Null(await node.Node.Fleet.SetStateAsync(PoolOf(node), other, AdminState.Down, deadline: null, Cancel));
        Assert.Equal("waiting", node.Node.ProgressOf(PoolOf(node), one)!.State);
        // Nothing tells of what does not happen: more than one step's time.
        await Task.Delay(1500, Cancel);
        Assert.Equal(1, one.Active);
        Assert.Null(await node.Node.Fleet.SetStateAsync(PoolOf(node), other, AdminState.Up, deadline: null, Cancel));
        await node.UntilAsync(() => one.Active == 0);
        foreach (var client in clients) client.Dispose();
    }

    [Fact]
    public async Task Drain_AtARate_OverAReloadThatTakesTheBackendOut_EndsAndItsSessionsStay()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All));
        var clients = await OpenAsync(node, 3, 4);
        var gone = node.Backend(brokers[0]);
        Assert.Null(await node.Node.Fleet.DrainAtPaceAsync(PoolOf(node), gone, 0.01, deadline: null, Cancel));
        // A reload that does not name it otherwise leaves it.
        await node.ReloadAsync(TestNode.Text(TestNode.Backends(brokers.All) + "connect-timeout = 3s\n"));
        Assert.Equal((AdminState.Drain, 0.01), (gone.AdminState, gone.Pacing!.Rate));
        await node.ReloadAsync(TestNode.Text(TestNode.Backends(brokers[1], brokers[2])));
        await node.UntilAsync(() => Supervision.ActorTree.Read(node.Node.ActorSystems).All(a => a.Type != "ActorGraphInterpreter"));
        await clients[0].SendAsync(ConnectBytes.Publish("t", "on"u8));
        Assert.NotEmpty(await clients[0].ReadAsync(1));
        foreach (var client in clients) client.Dispose();
    }

    /// <summary>A backend is back, and empty: half of the sessions go there, each is closed once at most, and the map has them there before.</summary>
    [Theory]
    [InlineData(Sticky)]
    [InlineData("balance = least-connections\n")]
    public async Task Rebalance_MovesFromOverFullToUnderFullAndNobodyTwice(string balance)
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All) + balance);
        var pool = PoolOf(node);
        Backend full = node.Backend(brokers[0]), empty = node.Backend(brokers[1]);
        Assert.Null(await node.Node.Fleet.SetStateAsync(pool, empty, AdminState.Down, deadline: null, Cancel));
        var clients = (await OpenAsync(node, 100, 5)).ToDictionary(c => Array.IndexOf(_opened!, c));
        Assert.Null(await node.Node.Fleet.SetStateAsync(pool, empty, AdminState.Up, deadline: null, Cancel));

        using var end = new CancellationTokenSource();
        int[] closed = new int[100];
        var returning = clients.Select(c => ReturnAsync(node, c.Key, c.Value, closed, end.Token)).ToArray();
        Assert.Null(await node.Node.Rebalances.BeginAsync(pool, 100));
        await node.UntilAsync(() => node.Node.ProgressOf(pool)!.State == "done", () => $"{node.Node.ProgressOf(pool)}: {full.Active}, {empty.Active}");

        var progress = node.Node.ProgressOf(pool)!;
        Assert.InRange(full.Active, 49, 51);
        Assert.InRange(empty.Active, 49, 51);
        Assert.Equal(100, full.Active + empty.Active);
        Assert.InRange(progress.Closed, 49, 51);
        Assert.Equal(0, progress.Left);
        Assert.Equal(progress.Closed, closed.Sum());
        Assert.True(closed.Max() == 1, string.Join(' ', closed));
        await node.UntilClosedAsync(CloseReason.Rebalanced, progress.Closed);
        await end.CancelAsync();
        await Task.WhenAll(returning);
    }

    [Fact]
    public async Task Rebalance_PausedStoppedAndOfNothing()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All) + "balance = least-connections\n");
        var pool = PoolOf(node);
        Assert.Contains("not being rebalanced", (await node.Node.Rebalances.SetPausedAsync(pool, paused: true))!.Reason, StringComparison.Ordinal);
        Assert.Contains("not being rebalanced", (await node.Node.Rebalances.StopAsync(pool))!.Reason, StringComparison.Ordinal);
        Backend full = node.Backend(brokers[0]), empty = node.Backend(brokers[1]);
        Assert.Null(await node.Node.Fleet.SetStateAsync(pool, empty, AdminState.Down, deadline: null, Cancel));
        Assert.Contains("fewer than two backends", (await node.Node.Rebalances.BeginAsync(pool, 1))!.Reason, StringComparison.Ordinal);
        var clients = await OpenAsync(node, 10, 4);
        Assert.Null(await node.Node.Fleet.SetStateAsync(pool, empty, AdminState.Up, deadline: null, Cancel));
        // Each order is awaited where the closings are made: of two that follow at once, only the last may be seen there.
        Assert.Null(await node.Node.Rebalances.BeginAsync(pool, 0.01));
        _ = await EventsAsync(node, "rebalance_begun");
        Assert.Equal(("running", 5), (node.Node.ProgressOf(pool)!.State, node.Node.ProgressOf(pool)!.Left));
        Assert.Null(await node.Node.Rebalances.SetPausedAsync(pool, paused: true));
        Assert.Equal("paused", node.Node.ProgressOf(pool)!.State);
        _ = await EventsAsync(node, "rebalance_paused");
        Assert.Null(await node.Node.Rebalances.SetPausedAsync(pool, paused: false));
        _ = await EventsAsync(node, "rebalance_resumed");
        Assert.Null(await node.Node.Rebalances.StopAsync(pool));
        Assert.Null(node.Node.ProgressOf(pool));
        Assert.Equal(
            ["rebalance_begun", "rebalance_paused", "rebalance_resumed", "rebalance_stopped"],
            (await EventsAsync(node, "rebalance_stopped")).Where(k => k.StartsWith("rebalance_", StringComparison.Ordinal)));
        foreach (var client in clients) client.Dispose();
    }

    private RawClient[]? _opened;

    private static Pool PoolOf(TestNode node) => node.Node.Pools.Single().Pool;

    private async Task<RawClient[]> OpenAsync(TestNode node, int count, int version)
    {
        _opened = new RawClient[count];
        for (int i = 0; i < count; i++)
            _opened[i] = await node.OpenAsync($"c{i}", version);
        return _opened;
    }

    /// <summary>A client that comes back at once whenever it is closed.</summary>
    private static async Task ReturnAsync(TestNode node, int number, RawClient client, int[] closed, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            try
            {
                if (await client.Socket.ReceiveAsync(new byte[64], end) > 0) continue;
            }
            catch (OperationCanceledException)
            {
                break;
            }
            Interlocked.Increment(ref closed[number]);
            client.Dispose();
            client = await node.OpenAsync($"c{number}", 5);
        }
        client.Dispose();
    }

    /// <summary>The kinds of the events so far, up to one that must come.</summary>
    private static async Task<List<string>> EventsAsync(TestNode node, string last)
    {
        using var watch = node.Node.Events.TryWatch(256)!;
        using var patience = new CancellationTokenSource(Wait.Patience);
        var kinds = new List<string>();
        while (!kinds.Contains(last)) kinds.Add((await watch.Events.ReadAsync(patience.Token)).Kind);
        return kinds;
    }
}
