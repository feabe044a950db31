using System.Diagnostics;
using ActorLb.Testing;

namespace ActorLb.SystemTests.Fleet;

/// <summary>Nodes and the store come and go; the clients find their brokers all the time.</summary>
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
        var ids = TestFleet.Ids("c", 600);
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
        var start = Stopwatch.GetTimestamp();
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
    public async Task Etcd_StoppedWipedAndRestarted_BalancingGoesOn()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 400));
        var epoch = (await fleet.Nodes[0].MetricsAsync())["actorlb_fleet_epoch"];

        // Down for longer than the lease lives: nodes cannot renew it and go on.
        fleet.Etcd.Members[0].Kill();
        await TestFleet.UntilAsync(
            async () => await fleet.SumAsync("actorlb_fleet_store_up") == 0, () => "the nodes do not notice that the store is gone");
        var longest = await WatchAsync(fleet, fleet.Nodes, placed, Task.Delay(TimeSpan.FromSeconds(4), TestContext.Current.CancellationToken));
        var during = await TestFleet.PlaceAsync([fleet.Nodes[0]], TestFleet.Ids("new", 100));
        TestFleet.AssertSame(during, (await TestFleet.VisitAsync([fleet.Nodes[1]], during.Keys)).Brokers);

        fleet.Etcd.Members[0].Wipe();
        fleet.Etcd.Members[0].Start();
        var back = WatchAsync(fleet, fleet.Nodes, placed, fleet.WhenSettledAsync(whileVisited: true));
        longest = TimeSpan.FromTicks(Math.Max(longest.Ticks, (await back).Ticks));
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        foreach (var node in fleet.Nodes)
        {
            TestFleet.AssertSame(placed, (await TestFleet.VisitAsync([node], placed.Keys)).Brokers);
            TestFleet.AssertSame(during, (await TestFleet.VisitAsync([node], during.Keys)).Brokers);
        }

        Assert.True((await fleet.Nodes[0].MetricsAsync())["actorlb_fleet_epoch"] >= epoch, "the epoch went back");
        TestContext.Current.TestOutputHelper!.WriteLine($"longest CONNECT around the wipe: {longest.TotalMilliseconds:f0} ms");

        // The store is a store again: what an operator wants through one node holds on the others.
        await fleet.Nodes[2].ChangeAsync(HttpMethod.Post, $"backends/{fleet.Brokers[0].EndPoint}/drain");
        await fleet.UntilAdminAsync(fleet.Brokers[0], "drain");
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task EtcdLeader_OfThreeKilled_CostsNoMappingAndNoChange()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { EtcdMembers = 3 });
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 300));

        (await fleet.Etcd.LeaderAsync()).Kill();
        var start = Stopwatch.GetTimestamp();
        // While there is no leader the answer is an honest "unavailable"; an operator asks again.
        var change = TestFleet.UntilAsync(
            async () => await fleet.Nodes[1].TryChangeAsync(HttpMethod.Post, $"backends/{fleet.Brokers[2].EndPoint}/drain") is null,
            () => "no change is accepted after the leader's death");
        var longest = await WatchAsync(fleet, [fleet.Nodes[2], fleet.Nodes[0], fleet.Nodes[1]], placed, change);
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"longest CONNECT: {longest.TotalMilliseconds:f0} ms; the change held after {Stopwatch.GetElapsedTime(start).TotalMilliseconds:f0} ms");
        Assert.InRange(longest, TimeSpan.Zero, LongestConnect);
        await fleet.UntilAdminAsync(fleet.Brokers[2], "drain");
        await fleet.WhenSettledAsync();
        TestFleet.AssertSame(placed, (await TestFleet.VisitAsync(fleet.Nodes, placed.Keys)).Brokers);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task LinkCut_BetweenNodesInNamespaces_NoClientMovesAndNoConnectTakesOverASecond()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { InNamespaces = true });
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 300));
        await fleet.WhenSettledAsync();

        // Longer than the pings need to find out, which close the connections: then the two dial each other in vain.
        await fleet.Network.CutAsync(0, 1);
        var longest = await WatchAsync(fleet, fleet.Nodes, placed, Task.Delay(TimeSpan.FromSeconds(8), TestContext.Current.CancellationToken));
        var live = await Task.WhenAll(fleet.Nodes.Select(async n => (await n.MetricsAsync())["actorlb_fleet_live_nodes"]));
        Assert.Equal([2, 2, 3], live);
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
        fleet.Etcd.Members[0].Kill();
        fleet.Etcd.Members[0].Start();
        await fleet.Etcd.Members[0].WhenReadyAsync();
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

    /// <summary>Goes on visiting with all clients, through all these nodes, until something has come to its end, and once more.</summary>
    /// <returns>The longest that a CONNECT took.</returns>
    private static async Task<TimeSpan> WatchAsync(
        TestFleet fleet, IReadOnlyList<FleetNodeProcess> through, Dictionary<string, int> placed, Task until)
    {
        var longest = TimeSpan.Zero;
        var turn = 0;
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
