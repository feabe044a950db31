using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Operations;
using ActorLb.Proxying;
using ActorLb.Sticky;
using ActorLb.Tests.Balancing;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Operations;

public sealed class LoneNodeTests
{
    /// <summary>An order without a deadline takes back the deadline of the one before.</summary>
    [Fact]
    public async Task Drain_WithADeadline_BecomesDown_UnlessTakenBack()
    {
        var time = new FakeTimeProvider();
        var slots = new BackendSlots();
        using var sticky = new LocalStickyMap(new byte[16], TimeSpan.FromHours(1), 1000, slots, time);
        var node = new LoneNode(
            "lb-1", "production", new StickyOptions(TimeSpan.FromHours(1), 1000), sticky, new LocalBackendSlots(slots, new BackendDirectory()), () => true, () => false, time);
        Pool pool = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"));
        Backend[] backends = pool.Snapshot.Backends.ToArray();
        CancellationToken cancel = TestContext.Current.CancellationToken;
        foreach (Backend backend in backends)
            Assert.Null(await node.SetStateAsync(pool, backend, AdminState.Drain, TimeSpan.FromSeconds(60), cancel));
        Assert.Null(await node.SetStateAsync(pool, backends[0], AdminState.Drain, deadline: null, cancel));

        Assert.Null(backends[0].DrainLeft);
        Assert.InRange(backends[1].DrainLeft!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(60));
        time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal([AdminState.Drain, AdminState.Drain], backends.Select(b => b.AdminState));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal([AdminState.Drain, AdminState.Down], backends.Select(b => b.AdminState));
        Assert.Null(backends[1].DrainLeft);
    }
}
