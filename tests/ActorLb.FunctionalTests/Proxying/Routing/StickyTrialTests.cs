using System.Diagnostics;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Routing;

public sealed class StickyTrialTests
{
    [Fact]
    public async Task StickyPool_BrokerThatIsBack_GetsNewClientsAgain()
    {
        await using var steady = FakeBroker.Start(FakeBroker.Accepting);
        var address = Ports.FreeEndPoint();
        await using var node = await TestNode.StartAsync(
            $"balance = sticky, place = least-connections, backends = [{{ address = \"{steady.EndPoint}\" }}, {{ address = \"{address}\", max-fails = 1, fail-timeout = 1s }}]");

        // Nobody listens there: after the first failure it is out.
        var clients = new List<IDisposable>();
        for (int i = 0; i < 4; i++)
            clients.Add(await node.OpenAsync($"early-{i}"));
        Assert.Equal(4, steady.Open);
        await using var back = FakeBroker.Start(FakeBroker.Accepting, address);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; back.Accepted == 0; i++)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Wait.Patience, "no new client comes to the broker that is back");
            (await node.OpenAsync($"late-{i}")).Dispose();
        }

        clients.ForEach(c => c.Dispose());
    }
}
