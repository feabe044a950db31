using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Routing;

/// <summary>Clients that return to a backend which this node has found failing, and backends that recover while nobody comes.</summary>
public sealed class GraceTests
{
    private const string Failing = "max-fails = 1, fail-timeout = 1h";

    /// <summary>Far below connect-timeout, far above a loaded machine's second.</summary>
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData("", true)]
    [InlineData("health.grace = off\n", false)]
    public async Task HungBroker_FoundFailing_GetsAShortTryOfAMappedClientAtMost(string settings, bool tried)
    {
        await using var hung = FakeBroker.Start(FakeBroker.Accepting);
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await StickyAsync(hung, other, settings);
        using (await node.OpenAsync("returns"))
            Assert.Equal((1, 0), (hung.Accepted, other.Accepted));
        hung.Script = FakeBroker.Silent;
        node.Backend(hung).ReportFailure(Environment.TickCount64);

        var watch = Stopwatch.StartNew();
        using var client = await node.OpenAsync("returns");
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, Short);
        await node.UntilAsync(() => (hung.Accepted, other.Accepted) == (tried ? 2 : 1, 1));
    }

    [Fact]
    public async Task HungBroker_TwoProbesWithoutAnAnswer_IsNotTriedByItsClients()
    {
        await using var hung = FakeBroker.Start(FakeBroker.Accepting);
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await StickyAsync(hung, other, "health { probe = mqtt, interval = 100ms, timeout = 100ms, rise = 1, fall = 2 }\n");
        await node.UntilAsync(() => node.Backend(hung).Health == HealthState.Up && node.Backend(other).Health == HealthState.Up);
        using (await node.OpenAsync("returns"))
        {
        }

        hung.Script = FakeBroker.Silent;
        await node.UntilAsync(() => node.Backend(hung).Health == HealthState.Down);
        long connects = node.Backend(hung).Connects;
        using var client = await node.OpenAsync("returns");
        Assert.Equal(connects, node.Backend(hung).Connects);
        Assert.Equal(1, node.Backend(other).Active);
    }

    /// <summary>One 503 is enough, whatever fall is, and those who have their session there go elsewhere at once.</summary>
    [Fact]
    public async Task Broker_ThatSaysItTakesNobody_LosesMappedClientsAtOnce()
    {
        string status = "200 OK";
        await using var dashboard = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadSomeAsync(stop);
            await connection.SendAsync(System.Text.Encoding.ASCII.GetBytes($"HTTP/1.1 {Volatile.Read(ref status)}\r\n\r\nbody"), stop);
        });
        await using var leaving = FakeBroker.Start(FakeBroker.Accepting);
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await StickyAsync(
            leaving, other, $"health {{ probe = http, port = {dashboard.EndPoint.Port}, interval = 100ms, rise = 1, fall = 1000 }}\n");
        await node.UntilAsync(() => node.Backend(leaving).Health == HealthState.Up && node.Backend(other).Health == HealthState.Up);
        using (await node.OpenAsync("returns"))
            Assert.Equal((1, 0), (leaving.Accepted, other.Accepted));
        Volatile.Write(ref status, "503 Service Unavailable");
        await node.UntilAsync(() => node.Backend(leaving).Health == HealthState.Down && node.Backend(other).Health == HealthState.Down);

        // All say so here: nobody is left, and no one is tried by grace.
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("returns")));
        Assert.Equal((1, 0), (leaving.Accepted, other.Accepted));
    }

    [Fact]
    public async Task QuietNode_BrokerBackByItsProbes_IsNotOutByMaxFailsAnyMore()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            $"backends = [{{ address = \"{broker.EndPoint}\", {Failing} }}, \"{other.EndPoint}\"], health {{ probe = mqtt, interval = 100ms, rise = 1 }}");
        await node.UntilAsync(() => node.Backend(broker).Health == HealthState.Up);
        node.Backend(broker).ReportFailure(Environment.TickCount64);
        await node.UntilAsync(() => node.Backend(broker).Blocks == BackendBlocks.None);
        Assert.Equal(0, node.Backend(broker).Connects);
        await node.Log.LineAsync(l => l.Text == $"pool p, backend {broker.EndPoint} gets clients again after a failure");
    }

    private static Task<TestNode> StickyAsync(FakeBroker first, FakeBroker second, string settings) => TestNode.StartAsync(
        $"balance = sticky, place = round-robin, connect-timeout = 10m\n{settings}backends = [{{ address = \"{first.EndPoint}\", {Failing} }}, \"{second.EndPoint}\"]");
}
