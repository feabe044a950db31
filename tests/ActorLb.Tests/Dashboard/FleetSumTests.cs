using ActorLb.Protocol.Admin;
using ActorLb.Server.Dashboard;

namespace ActorLb.Tests.Dashboard;

public sealed class FleetSumTests
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Backend_IsTheSumOfTheNodes_AndSaysWhereItTakesNobody()
    {
        var there = Of("b:1", connections: 4, answers: 1, seconds: 0.4) with
        {
            Blocks = ["unhealthy"],
            LastError = new BackendErrorInfo(Noon.AddSeconds(5), "refused"),
        };
        NodeSample[] samples = [Sample("lb-2", there), Sample("lb-1", Of("b:1", connections: 6, answers: 3, seconds: 0.2), self: true)];

        var pool = Assert.Single(FleetSum.Pools(samples));
        var backend = Assert.Single(pool.Backends);

        Assert.Equal((10, 4L), (backend.Connections, backend.Failures));
        Assert.Equal(0.15, backend.Connack!.Value, 6);
        Assert.Equal([("lb-2", 4), ("lb-1", 6)], backend.Nodes.Select(n => (n.Name, n.Count)));
        var block = Assert.Single(backend.Blocks);
        Assert.Equal(("unhealthy", "lb-2"), (block.Block, Assert.Single(block.Nodes)));
        Assert.Equal("refused", backend.LastError!.Text);
        // Each node has answered once: nothing is known of the rate.
        Assert.Null(backend.Connects);
    }

    [Fact]
    public void Rates_AreOverTheNodesOwnTime_AndOfOneProcess()
    {
        var before = Statistics("lb-1", Of("b:1", connections: 1)) with { Uptime = 10, Connects = 100, CpuSeconds = 3 };
        var now = Statistics("lb-1", Of("b:1", connections: 1) with { Connects = 30 }) with { Uptime = 12, Connects = 150, CpuSeconds = 4 };

        var node = FleetSum.NodeOf(new NodeSample(Member("lb-1", true), now, before, TimeSpan.Zero, null));
        Assert.Equal((25.0, 0.5), (node.Connects, node.Cpu));
        Assert.Null(FleetSum.NodeOf(new NodeSample(Member("lb-1", true), now, null, TimeSpan.Zero, null)).Connects);
        var backend = FleetSum.Pools([new NodeSample(Member("lb-1", true), now, before, TimeSpan.Zero, null)])[0].Backends[0];
        Assert.Equal(10.0, backend.Connects);
    }

    [Fact]
    public void Drain_BeganWithWhatAllNodesHadThen()
    {
        var one = Of("b:1", connections: 10) with { Admin = "drain", DrainedFrom = 100, DrainLeft = 50 };
        // A node that came later does not remember, and has what it has.
        var two = Of("b:1", connections: 5) with { Admin = "drain", DrainedFrom = null, DrainLeft = 51 };
        var backend = FleetSum.Pools([Sample("lb-1", one, self: true), Sample("lb-2", two)])[0].Backends[0];
        Assert.Equal((105, 51.0, 15), (backend.DrainedFrom, backend.DrainLeft, backend.Connections));
    }

    [Fact]
    public void Node_ThatIsSilent_KeepsItsPlace()
    {
        var node = FleetSum.NodeOf(new NodeSample(Member("lb-3"), null, null, null, "it has not answered within 5 s"));
        Assert.Equal(("lb-3", null, "it has not answered within 5 s", null), (node.Name, node.Age, node.Problem, node.Connects));
        Assert.Empty(FleetSum.Pools([new NodeSample(Member("lb-3"), null, null, null, "silent")]));
    }

    [Fact]
    public void History_LiesTheNewestSamplesBesideEachOther()
    {
        var sum = Assert.Single(FleetSum.Backends([History("lb-1", 1, 2, 3), History("lb-2", 10)]));
        Assert.Equal([1, 2, 13], sum.Connections);
    }

    [Fact]
    public void Events_AreTheNewestOfAll_InTheirOrder()
    {
        static NodeSample Heard(string name, int second)
        {
            var sample = Sample(name, Of("b:1", 0));
            NodeEvent[] events = [.. Enumerable.Range(0, 30).Select(i => new NodeEvent(i, Noon.AddSeconds(second + 2 * i), name, "k", "t"))];
            return sample with { Newest = sample.Newest! with { Events = events } };
        }

        var events = FleetSum.Events([Heard("lb-2", 1), Heard("lb-1", 0)]);
        Assert.Equal(40, events.Length);
        Assert.Equal(events.OrderBy(e => e.Time), events);
        Assert.Equal(("lb-2", 29L), (events[^1].Node, events[^1].Number));
    }

    private static NodeHistoryInfo History(string node, params int[] connections) => new(node, 5, [], [], [], [], [], [new BackendHistoryInfo("p", "b:1", connections)]);

    private static ClusterMember Member(string name, bool self = false) => new(name, null, null, "up", self, Coordinator: false, 0, null);

    private static NodeSample Sample(string name, BackendStatistics backend, bool self = false) =>
        new(Member(name, self), Statistics(name, backend), null, TimeSpan.Zero, null);

    private static NodeStatistics Statistics(string name, BackendStatistics backend) => new(
        name, "1", "ready", Noon, 1, 0, 10, 0, 0, 0, 0, 1, 0, [], [new PoolStatistics("p", "sticky", [backend])], [], [], []);

    private static BackendStatistics Of(string name, int connections, long answers = 0, double seconds = 0) =>
        new(name, "up", [], 1, Backup: false, connections, 0, Noon, 10, 2, answers, seconds, null, null, null, Local: false);
}
