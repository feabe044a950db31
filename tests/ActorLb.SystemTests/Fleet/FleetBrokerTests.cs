using System.Diagnostics;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Fleet;

/// <summary>Real brokers behind a fleet, one of which dies.</summary>
[Collection(FleetGroup.Name)]
public sealed class FleetBrokerTests
{
    private const int Clients = 90;

    [Fact]
    [Trait("speed", "slow")]
    public async Task BrokerKilled_EachOfItsClientsMovesOnce_AndAllNodesAgree()
    {
        var brokers = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Mosquitto.StartAsync()));
        try
        {
            await using var fleet = await TestFleet.StartAsync(new TestFleetOptions
            {
                Backends = [.. brokers.Select(b => b.EndPoint)],
                Pool = "health { probe = tcp, interval = 500ms, timeout = 400ms, rise = 1, fall = 2 }",
            });
            string[] ids = TestFleet.Ids("c", Clients);
            await VisitAsync(fleet, ids, 0);
            var placed = Where(brokers);
            Assert.Equal(Clients, placed.Count);

            brokers[1].Process.Signal(9);
            await brokers[1].Process.WaitForExitAsync();

            // At once, through other nodes than before, and again and again through all.
            for (int turn = 1; turn <= 6; turn++)
                await VisitAsync(fleet, ids, turn);
            var moved = Where([brokers[0], brokers[2]], 0, 2);
            Assert.Equal(Clients, moved.Count);
            Assert.All(moved, m => Assert.True(placed[m.Key] == m.Value || placed[m.Key] == 1, $"{m.Key}: {placed[m.Key]} -> {m.Value}"));

            // The broker is back, its sessions are not: nobody moves a second time.
            var dead = brokers[1].EndPoint;
            await brokers[1].DisposeAsync();
            brokers[1] = await Mosquitto.StartAsync(new MosquittoOptions { Listeners = [new MosquittoListener(EndPoint: dead)] });
            string told = "";
            await Wait.UntilAsync(
                async () =>
                {
                    var pools = await Task.WhenAll(fleet.Nodes.Select(n => n.GetAsync("pools/p")));
                    told = string.Join('\n', pools);
                    return pools.All(p => p.GetProperty("backends").EnumerateArray().All(b => b.GetProperty("health").GetString() == "up"))
                        && !told.Contains("fleet-unhealthy", StringComparison.Ordinal);
                },
                () => $"not every node sees that the broker is back: {told}\n{string.Join("\n\n", fleet.Nodes.Select(n => n.Process.Output))}");
            for (int turn = 7; turn <= 9; turn++)
                await VisitAsync(fleet, ids, turn);
            Assert.Empty(brokers[1].Accepted.Where(c => c.Id.StartsWith("c-", StringComparison.Ordinal)));
            Assert.Equal(moved, Where([brokers[0], brokers[2]], 0, 2));

            // New ones come to it, as it has no connections.
            await Wait.UntilAsync(
                async () =>
                {
                    await VisitAsync(fleet, TestFleet.Ids($"new-{Guid.NewGuid():N}", 12), 0);
                    return brokers[1].Accepted.Any(c => c.Id.StartsWith("new-", StringComparison.Ordinal));
                },
                () => "no new client comes to the broker that is back");
        }
        finally
        {
            foreach (var broker in brokers)
                await broker.DisposeAsync();
        }
    }

    /// <summary>A process that stands still: the kernel takes connections for it, and nothing is answered.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task BrokerFrozen_IsOutOnEveryNode_WithinItsFailedProbes_AndTheLogHasWhatItOwed()
    {
        await using var frozen = await Mosquitto.StartAsync();
        await using var good = await Mosquitto.StartAsync();
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions
        {
            Nodes = 2,
            Backends = [frozen.EndPoint, good.EndPoint],
            Pool = "health { probe = mqtt, interval = 1s, timeout = 500ms, rise = 1, fall = 2 }",
        });
        await VisitAsync(fleet, TestFleet.Ids("c", 10), 0);
        frozen.Process.Signal(ProcessHost.SigStop);
        try
        {
            foreach (var node in fleet.Nodes)
            {
                await Wait.UntilAsync(
                    async () => (await node.GetAsync("pools/p")).GetProperty("backends").EnumerateArray().Single(b => b.GetProperty("backend").GetString() == $"{frozen.EndPoint}")
                        .GetProperty("health").GetString() == "down",
                    () => $"{node.Name} does not find the broker down: {node.Process.Output}");
                await node.Process.WaitForLineAsync($"backend {frozen.EndPoint} is down: no CONNACK within 0.5 s");
                // The histogram of its probes: two that took the whole time-out, the last two. No third was needed.
                string metrics = await node.Http.GetStringAsync("/metrics");
                double Probes(string le) => double.Parse(
                    metrics.Split('\n').Single(l => l.StartsWith($"actorlb_probe_seconds_bucket{{pool=\"p\",backend=\"{frozen.EndPoint}\",le=\"{le}\"}}", StringComparison.Ordinal)).Split(' ')[1],
                    System.Globalization.CultureInfo.InvariantCulture);
                Assert.InRange(Probes("+Inf") - Probes("0.25"), 2, 4);
            }

            await VisitAsync(fleet, TestFleet.Ids("after", 6), 0);
        }
        finally
        {
            frozen.Process.Signal(ProcessHost.SigCont);
        }
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task NodeAndBrokerKilled_ClientsMoveAtOnce()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 2 });
        var placed = await TestFleet.PlaceAsync([fleet.Nodes[0]], TestFleet.Ids("c", Clients));
        Assert.Contains(1, placed.Values);

        // Whoever could move the broker's clients is dead for as long as its lease lives; what this node remembers is the dead broker.
        await fleet.Nodes[1].KillAsync();
        await fleet.Brokers[1].DisposeAsync();
        var (moved, longest) = await TestFleet.VisitAsync([fleet.Nodes[0]], placed.Keys);
        Assert.InRange(longest, TimeSpan.Zero, TimeSpan.FromSeconds(1));
        Assert.All(moved, m => Assert.True(m.Value != 1 && (placed[m.Key] == 1 || placed[m.Key] == m.Value), $"{m.Key}: {placed[m.Key]} -> {m.Value}"));

        await fleet.WhenSettledAsync();
        var (after, _) = await TestFleet.VisitAsync([fleet.Nodes[0]], placed.Keys);
        Assert.All(after, a => Assert.NotEqual(1, a.Value));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task ConcurrentClients_OfAllNodes_WhileABrokerDies_AreLinearizable()
    {
        await using var fleet = await TestFleet.StartAsync();
        string[] ids = TestFleet.Ids("c", Clients);
        var history = new AssignmentHistory();
        var diedAt = new Dictionary<int, long>();
        using var end = new CancellationTokenSource();

        // Each client is asked for by several at once, through different nodes, for the first time too.
        var asking = Enumerable.Range(0, 6).Select(async worker =>
        {
            var random = new Random(worker);
            for (int n = 0; !end.IsCancellationRequested; n++)
                await history.AskAsync(fleet.Nodes[(worker + n) % 3], ids[n < Clients ? n : random.Next(Clients)]);
        }).ToArray();
        await Wait.UntilAsync(() => history.Count > 10 * Clients || asking.Any(a => a.IsCompleted), () => "the clients do not get on");

        // From the first moment in which it may refuse: clients move while it is still closing.
        diedAt[1] = Stopwatch.GetTimestamp();
        await fleet.Brokers[1].DisposeAsync();
        int before = history.Count;
        await Wait.UntilAsync(() => history.Count > before + (20 * Clients) || asking.Any(a => a.IsCompleted), () => "the clients do not get on");
        await end.CancelAsync();
        await Task.WhenAll(asking);

        // A lookup that fell back on a machine without time is not the map's word; each costs at most a move and a move back.
        var contradictions = history.Contradictions(diedAt);
        double fallbacks = await fleet.SumAsync("actorlb_sticky_lookups_total{outcome=\"fallback\"}");
        TestContext.Current.TestOutputHelper!.WriteLine($"{history.Count} answers, {fallbacks} lookups fell back, {contradictions.Count} contradictions");
        Assert.True(contradictions.Count <= 2 * fallbacks, string.Join('\n', contradictions));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task BrokerTakenOutOfTheFiles_ItsClientsMove_TheOthersStay()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 2 });
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", Clients));
        Assert.Contains(1, placed.Values);

        // One node after the other, as an operator does it: in between the two know different brokers.
        for (int reloaded = 0; reloaded < 2; reloaded++)
        {
            await fleet.Nodes[reloaded].ReloadAsync(text => text.Replace($", \"{fleet.Brokers[1].EndPoint}\"", "", StringComparison.Ordinal));
            var (moved, longest) = await TestFleet.VisitAsync([fleet.Nodes[reloaded]], placed.Keys);
            Assert.InRange(longest, TimeSpan.Zero, TimeSpan.FromSeconds(1));
            Assert.All(moved, m => Assert.True(m.Value != 1 && (placed[m.Key] == 1 || placed[m.Key] == m.Value), $"{m.Key}: {placed[m.Key]} -> {m.Value}"));
            placed = moved;
        }

        TestFleet.AssertSame(placed, (await TestFleet.VisitAsync(fleet.Nodes, placed.Keys)).Brokers);
    }

    /// <summary>By client, the one broker to which it came.</summary>
    private static SortedDictionary<string, int> Where(IReadOnlyList<Mosquitto> brokers, params int[] numbers)
    {
        var where = new SortedDictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < brokers.Count; i++)
        {
            int number = numbers.Length == 0 ? i : numbers[i];
            foreach (string? id in brokers[i].Accepted.Select(c => c.Id).Where(id => id.StartsWith("c-", StringComparison.Ordinal)).Distinct())
                Assert.True(where.TryAdd(id, number), $"{id} came to the brokers {where.GetValueOrDefault(id)} and {number}");
        }

        return where;
    }

    /// <summary>Every client connects, is accepted and leaves, through the node that the turn gives it.</summary>
    private static Task VisitAsync(TestFleet fleet, string[] ids, int turn) => Parallel.ForEachAsync(
        ids.Select((id, i) => (id, fleet.Nodes[(i + turn) % fleet.Nodes.Count])), new ParallelOptions { MaxDegreeOfParallelism = 4 },
        async (visit, _) =>
        {
            using var client = await RawClient.ConnectAsync(visit.Item2.Front);
            await client.SendAsync(ConnectBytes.V311(visit.id));
            Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        });
}
