using System.Diagnostics;
using ActorLb.Testing;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Fleet;

/// <summary>Nodes die, hang, leave and come back; the clients find their brokers all the time.</summary>
[Collection(FleetGroup.Name)]
public sealed class FleetFaultTests
{
    private static readonly TimeSpan LongestConnect = TimeSpan.FromSeconds(1);

    /// <summary>Half of the drain time that a node has by default: what a leave may take of it.</summary>
    private static readonly TimeSpan LongestLeave = TimeSpan.FromSeconds(15);

    [Fact]
    [Trait("speed", "slow")]
    public async Task NodeKilled_EveryMappingSurvives_AndNoConnectTakesASecond()
    {
        await using var fleet = await TestFleet.StartAsync();
        string[] ids = TestFleet.Ids("c", 600);
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, ids);
        // The sixth invariant is one of assignments that the copies have.
        await fleet.WhenSettledAsync();

        await fleet.Nodes[1].KillAsync();
        FleetNodeProcess[] rest = [fleet.Nodes[0], fleet.Nodes[2]];
        var longest = await WatchAsync(fleet, rest, placed, fleet.WhenSettledAsync(whileVisited: true));
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        TestContext.Current.TestOutputHelper!.WriteLine($"longest CONNECT after kill -9: {longest.TotalMilliseconds:f0} ms");

        // Under its name it comes back as another run, and takes its part without moving anybody.
        await fleet.Nodes[1].StartAsync();
        longest = await WatchAsync(fleet, fleet.Nodes, placed, fleet.WhenSettledAsync(whileVisited: true));
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);

        // The replicas of the dead are owners of their own: a second death costs nothing either.
        await fleet.WhenSettledAsync();
        await fleet.Nodes[0].KillAsync();
        await WatchAsync(fleet, [fleet.Nodes[1], fleet.Nodes[2]], placed, fleet.WhenSettledAsync(whileVisited: true));
        await fleet.TellFallbacksAsync();
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task NodeStopped_AsPlanned_ChangesNoMapping()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 600));

        // No settling here: what was just assigned is handed over too.
        var leaver = fleet.Nodes[0].Process;
        long start = Stopwatch.GetTimestamp();
        var took = TimeSpan.Zero;
        var stop = StopAsync();
        FleetNodeProcess[] rest = [fleet.Nodes[1], fleet.Nodes[2]];
        var longest = await WatchAsync(fleet, rest, placed, stop);
        var result = await stop;
        Assert.True(result.ExitCode == 0, result.Output);
        Assert.DoesNotContain("have not taken all shards", leaver.Output, StringComparison.Ordinal);
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        await fleet.WhenSettledAsync();
        var (after, _) = await TestFleet.VisitAsync(rest, placed.Keys);
        TestFleet.AssertSame(placed, after);
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"longest CONNECT during the leave: {longest.TotalMilliseconds:f0} ms; it took {took.TotalSeconds:f1} s");
        Assert.InRange(took, TimeSpan.Zero, LongestLeave);
        await fleet.TellFallbacksAsync();

        async Task<ProcessResult> StopAsync()
        {
            var ended = await fleet.Nodes[0].StopAsync();
            took = Stopwatch.GetElapsedTime(start);
            return ended;
        }
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task NodeWithTheCoordinatorKilled_EveryMappingSurvives_AndNoConnectTakesASecond()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 400));
        await fleet.WhenSettledAsync();
        string name = await fleet.CoordinatorAsync();
        var coordinator = fleet.Nodes.Single(n => n.Name == name);
        FleetNodeProcess[] rest = [.. fleet.Nodes.Where(n => n != coordinator)];

        await coordinator.KillAsync();
        var longest = await WatchAsync(fleet, rest, placed, fleet.WhenSettledAsync(whileVisited: true));
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);

        // New clients of a lost shard are placed at once, and found through every node.
        var late = await TestFleet.PlaceAsync([rest[0]], TestFleet.Ids("late", 60));
        TestFleet.AssertSame(late, (await TestFleet.VisitAsync([rest[1]], late.Keys)).Brokers);
        TestContext.Current.TestOutputHelper!.WriteLine($"longest CONNECT after the coordinator's kill -9: {longest.TotalMilliseconds:f0} ms");
    }

    /// <summary>Shorter than the failure detector's patience, longer than it, and longer than the removal takes.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task NodeFrozen_ForSeconds_ComesBack_AndNoClientMoves()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 300));
        FleetNodeProcess[] rest = [fleet.Nodes[0], fleet.Nodes[2]];
        foreach (int seconds in (int[])[1, 4, 15])
        {
            await fleet.WhenSettledAsync();
            var longest = await WatchAsync(fleet, rest, placed, fleet.Nodes[1].FreezeAsync(TimeSpan.FromSeconds(seconds)));
            Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
            await WatchAsync(fleet, fleet.Nodes, placed, fleet.WhenSettledAsync(whileVisited: true));
            foreach (var node in fleet.Nodes)
                await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync([node], placed.Keys)).Brokers);
        }
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Split_TwoAndOne_BothSidesServe_AndTheMinorityComesBack()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { InNamespaces = true });
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 300));
        await fleet.WhenSettledAsync();

        // What one side of a split can know of the other side's clients is what it has seen of them itself.
        foreach (var node in fleet.Nodes)
            await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync([node], placed.Keys)).Brokers);

        await fleet.Network.CutAsync(0, 1);
        await fleet.Network.CutAsync(0, 2);
        var longest = await WatchAsync(fleet, fleet.Nodes, placed, Wait.UntilAsync(
            async () => await DetachedAsync(fleet.Nodes[0]) && !await DetachedAsync(fleet.Nodes[1]) && !await DetachedAsync(fleet.Nodes[2]),
            () => $"the side of one is not detached: {fleet.Nodes[0].Process.Output}"));
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        using (var held = new FleetClients())
        {
            // Both sides take new clients; those that are connected are learnt after the split.
            foreach (string id in TestFleet.Ids("apart", 30))
                held.Add(await TestFleet.OpenAsync(fleet.Nodes[0], id));
            await TestFleet.PlaceAsync([fleet.Nodes[1]], TestFleet.Ids("majority", 30));

            await fleet.Network.HealAsync(0, 1);
            await fleet.Network.HealAsync(0, 2);
            longest = await WatchAsync(fleet, fleet.Nodes, placed, fleet.WhenSettledAsync(whileVisited: true));
            Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
            await Wait.UntilAsync(
                async () => (await TestFleet.VisitAsync([fleet.Nodes[2]], held.Select(h => h.Id))).Brokers.All(
                    f => held.Single(h => h.Id == f.Key).Broker == f.Value),
                () => "the sessions of the minority are not learnt");
        }

        foreach (var node in fleet.Nodes)
            await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync([node], placed.Keys)).Brokers);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Split_OneAndOne_BothSidesServe_AndBecomeOneFleetAgain()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 2, InNamespaces = true });
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 200));
        await fleet.WhenSettledAsync();

        // Longer than the failure detector needs and each side takes to be a fleet by itself.
        await fleet.Network.CutAsync(0, 1);
        var longest = await WatchAsync(
            fleet, fleet.Nodes, placed, Task.Delay(TimeSpan.FromSeconds(12), TestContext.Current.CancellationToken));
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        await fleet.Network.HealAsync(0, 1);
        longest = await WatchAsync(fleet, fleet.Nodes, placed, fleet.WhenSettledAsync(whileVisited: true));
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        foreach (var node in fleet.Nodes)
            await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync([node], placed.Keys)).Brokers);
    }

    /// <summary>Whichever of two nodes dies, the other goes on as a fleet, and the dead one joins it when it is started again.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task NodeOfTwoKilled_TheOtherGoesOn()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 2 });
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 200));
        // The oldest first, then the one that was left, which is the oldest now, and at last the younger.
        foreach (int killed in (int[])[0, 1, 1])
        {
            await fleet.WhenSettledAsync();
            await fleet.Nodes[killed].KillAsync();
            var longest = await WatchAsync(fleet, [fleet.Nodes[1 - killed]], placed, fleet.WhenSettledAsync(whileVisited: true));
            Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
            await fleet.Nodes[killed].StartAsync();
            longest = await WatchAsync(fleet, fleet.Nodes, placed, fleet.WhenSettledAsync(whileVisited: true));
            Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        }
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Start_FirstSeedMissing_TheOthersFormTheFleet_AndItJoinsLater()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Starts = false });
        await fleet.Nodes[2].StartAsync();
        // A node serves before there is a fleet.
        await TestFleet.VisitAsync([fleet.Nodes[2]], TestFleet.Ids("early", 5));
        await fleet.Nodes[1].StartAsync();
        await fleet.WhenSettledAsync();
        await fleet.Nodes[0].StartAsync();
        await fleet.WhenSettledAsync();
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task RollingRestart_UnderLoad_ChangesNoMapping()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 300));
        foreach (var node in fleet.Nodes)
        {
            FleetNodeProcess[] rest = [.. fleet.Nodes.Where(n => n != node)];
            var longest = await WatchAsync(fleet, rest, placed, StopAsync(node));
            Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
            await node.StartAsync();
            longest = await WatchAsync(fleet, fleet.Nodes, placed, fleet.WhenSettledAsync(whileVisited: true));
            Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        }

        static async Task StopAsync(FleetNodeProcess node)
        {
            var result = await node.StopAsync();
            Assert.True(result.ExitCode == 0, result.Output);
        }
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Join_UnderLoad_TakesItsShareOfShards_AndMovesNoClient()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 300));
        var joining = fleet.Add("lb-4");
        fleet.Nodes.Add(joining);
        await joining.StartAsync();
        var longest = await WatchAsync(fleet, fleet.Nodes, placed, fleet.WhenSettledAsync(whileVisited: true));
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        Assert.InRange((await joining.MetricsAsync())["actorlb_fleet_shards_open"], 8, 17);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task LinkCut_BetweenNodesInNamespaces_NoClientMovesAndNoConnectTakesOverASecond()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { InNamespaces = true });
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 300));
        await fleet.WhenSettledAsync();

        // Longer than the failure detector needs, so that the fleet decides who stays a member.
        await fleet.Network.CutAsync(0, 1);
        var longest = await WatchAsync(fleet, fleet.Nodes, placed, Task.Delay(TimeSpan.FromSeconds(12), TestContext.Current.CancellationToken));
        TestContext.Current.TestOutputHelper!.WriteLine($"longest CONNECT with the link cut: {longest.TotalMilliseconds:f0} ms");
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);

        await fleet.Network.HealAsync(0, 1);
        longest = await WatchAsync(fleet, fleet.Nodes, placed, fleet.WhenSettledAsync(whileVisited: true));
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        await fleet.WhenSettledAsync();
        foreach (var node in fleet.Nodes)
            await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync([node], placed.Keys)).Brokers);
        await fleet.TellFallbacksAsync();
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task AdminChange_ThroughOneNode_HoldsOnAll_AndAfterEverythingWasRestarted()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 90));
        await fleet.Nodes[0].ChangeAsync(HttpMethod.Post, $"backends/{fleet.Brokers[0].EndPoint}/drain");
        await fleet.Nodes[1].ChangeAsync(HttpMethod.Post, $"backends/{fleet.Brokers[1].EndPoint}/down");
        await fleet.Nodes[2].ChangeAsync(HttpMethod.Put, $"backends/{fleet.Brokers[2].EndPoint}/weight", new { weight = 7 });
        await HoldsAsync();

        // Who belongs to the drained one keeps it, who belonged to the one that is down moves, new ones go to what is left.
        var (after, _) = await TestFleet.VisitAsync(fleet.Nodes, placed.Keys);
        Assert.All(after, a => Assert.Equal(placed[a.Key] == 1 ? 2 : placed[a.Key], a.Value));
        Assert.All((await TestFleet.VisitAsync(fleet.Nodes, TestFleet.Ids("new", 60))).Brokers, n => Assert.Equal(2, n.Value));

        await Task.WhenAll(fleet.Nodes.Select(n => n.KillAsync()));
        await Task.WhenAll(fleet.Nodes.Select(n => n.StartAsync()));
        await fleet.WhenSettledAsync();
        await HoldsAsync();
        Assert.All((await TestFleet.VisitAsync(fleet.Nodes, TestFleet.Ids("newer", 60))).Brokers, n => Assert.Equal(2, n.Value));

        async Task HoldsAsync()
        {
            await fleet.UntilAdminAsync(fleet.Brokers[0], "drain");
            await fleet.UntilAdminAsync(fleet.Brokers[1], "down");
            await fleet.UntilAsync(fleet.Brokers[2], b => b.GetProperty("weight").GetInt32() == 7, "has the weight 7");
        }
    }

    private static async Task<bool> DetachedAsync(FleetNodeProcess node) => (await node.MetricsAsync())["actorlb_fleet_detached"] == 1;

    /// <summary>Goes on visiting with all clients, through all these nodes, until something has come to its end, and once more.</summary>
    /// <returns>The longest that a CONNECT took.</returns>
    private static async Task<TimeSpan> WatchAsync(
        TestFleet fleet, IReadOnlyList<FleetNodeProcess> through, Dictionary<string, int> placed, Task until)
    {
        var longest = TimeSpan.Zero;
        int turn = 0;
        bool ended;
        do
        {
            ended = until.IsCompleted;
            turn++;
            var (found, took) = await TestFleet.VisitAsync([.. through.Skip(turn % through.Count), .. through.Take(turn % through.Count)], placed.Keys);
            await fleet.AssertSameAsync(placed, found);
            longest = took > longest ? took : longest;
        }
        while (!ended);
        await until;
        return longest;
    }
}
