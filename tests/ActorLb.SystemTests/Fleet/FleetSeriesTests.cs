using System.Diagnostics;
using ActorLb.Testing;

namespace ActorLb.SystemTests.Fleet;

/// <summary>
/// The faults again and again, for figures. By hand, on a machine with nothing else to do:
/// <c>tests/run.sh --project SystemTests -- -explicit only -class ActorLb.SystemTests.Fleet.FleetSeriesTests -showLiveOutput</c>.
/// </summary>
[Collection(FleetGroup.Name)]
public sealed class FleetSeriesTests
{
    private const int Runs = 20;

    [Fact(Explicit = true)]
    public async Task Kill_OfEachNodeInTurn()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 300));
        List<double> longest = [], open = [], fresh = [];
        int moved = 0, lateMoved = 0;
        for (int run = 0; run < Runs; run++)
        {
            await fleet.WhenSettledAsync();
            var victim = fleet.Nodes[run % fleet.Nodes.Count];
            FleetNodeProcess[] rest = [.. fleet.Nodes.Where(n => n != victim)];
            long start = Stopwatch.GetTimestamp();
            await victim.KillAsync();
            var opened = WhenOpenAsync(rest, start);
            // New clients come while nobody owns their shards, and stay.
            using var late = new FleetClients();
            foreach (string id in TestFleet.Ids($"late-{run}", 60))
            {
                late.Add(await TestFleet.OpenAsync(rest[0], id));
                fresh.Add(late[^1].Took.TotalMilliseconds);
            }

            while (!opened.IsCompleted)
            {
                var (found, took) = await TestFleet.VisitAsync(rest, placed.Keys);
                moved += found.Count(f => placed[f.Key] != f.Value);
                longest.Add(took.TotalMilliseconds);
            }

            open.Add((await opened).TotalSeconds);
            await fleet.WhenSettledAsync();
            var (again, _) = await TestFleet.VisitAsync([rest[1]], late.Select(l => l.Id));
            lateMoved += late.Count(l => again[l.Id] != l.Broker);
            await victim.StartAsync();
        }

        Tell($"kill -9, {Runs} runs: {moved} times a mapping had moved, {lateMoved} times that of a client that came meanwhile", ("longest CONNECT, ms", longest), ("of a new client, ms", fresh), ("last shard open again, s", open));
        Assert.Equal((0, 0), (moved, lateMoved));
    }

    [Fact(Explicit = true)]
    public async Task Leave_OfEachNodeInTurn()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 10_000));
        string[] some = [.. placed.Keys.Where((_, i) => i % 40 == 0)];
        List<double> longest = [], left = [];
        int moved = 0;
        for (int run = 0; run < Runs; run++)
        {
            await fleet.WhenSettledAsync();
            var leaver = fleet.Nodes[run % fleet.Nodes.Count];
            FleetNodeProcess[] rest = [.. fleet.Nodes.Where(n => n != leaver)];
            long start = Stopwatch.GetTimestamp();
            var stop = StopAsync();
            do
            {
                var (found, took) = await TestFleet.VisitAsync(rest, some);
                moved += found.Count(f => placed[f.Key] != f.Value);
                longest.Add(took.TotalMilliseconds);
            }
            while (!stop.IsCompleted);

            left.Add(await stop);
            await leaver.StartAsync();

            async Task<double> StopAsync()
            {
                await leaver.StopAsync();
                return Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }

        await fleet.WhenSettledAsync();
        foreach (var node in fleet.Nodes)
            moved += (await TestFleet.VisitAsync([node], placed.Keys)).Brokers.Count(f => placed[f.Key] != f.Value);
        Tell($"planned leave with 10,000 clients in the map, {Runs} runs: {moved} mappings moved", ("longest CONNECT, ms", longest), ("from SIGTERM to the end, s", left));
        Assert.Equal(0, moved);
    }

    [Fact(Explicit = true)]
    public async Task Split_OfOneNode()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { InNamespaces = true });
        List<double> rejoined = [];
        for (int run = 0; run < Runs; run++)
        {
            await fleet.WhenSettledAsync();
            int one = run % 3;
            int[] others = [.. Enumerable.Range(0, 3).Where(n => n != one)];
            foreach (int other in others)
                await fleet.Network.CutAsync(one, other);
            await Wait.UntilAsync(
                async () => (await fleet.Nodes[one].MetricsAsync())["actorlb_fleet_detached"] == 1
                    && (await fleet.Nodes[others[0]].MetricsAsync())["actorlb_fleet_members"] == 2,
                () => fleet.Nodes[one].Process.Output);
            foreach (int other in others)
                await fleet.Network.HealAsync(one, other);
            long start = Stopwatch.GetTimestamp();
            await Wait.UntilAsync(
                async () => (await fleet.Nodes[one].MetricsAsync())["actorlb_fleet_members"] == 3, () => fleet.Nodes[one].Process.Output);
            rejoined.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        Tell($"split of one from two, {Runs} runs", ("a member again after the heal, s", rejoined));
    }

    /// <returns>When every shard was open on one of these nodes.</returns>
    private static async Task<TimeSpan> WhenOpenAsync(FleetNodeProcess[] nodes, long start)
    {
        while (true)
        {
            var pages = await Task.WhenAll(nodes.Select(n => n.MetricsAsync()));
            if (pages.Sum(p => p["actorlb_fleet_shards_open"]) == 64)
                return Stopwatch.GetElapsedTime(start);
            await Task.Delay(50);
        }
    }

    private static void Tell(string what, params (string Name, List<double> Values)[] figures)
    {
        TestContext.Current.TestOutputHelper!.WriteLine(what);
        foreach (var (name, values) in figures)
        {
            double[] sorted = values.Order().ToArray();
            TestContext.Current.TestOutputHelper.WriteLine($"  {name}: median {sorted[sorted.Length / 2]:f1}, most {sorted[^1]:f1}");
        }
    }
}
