using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Proxying.Routing;
using ActorLb.Standalone;
using ActorLb.Sticky;
using ActorLb.Supervision;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;
using ActorLb.Tests.Hosting;
using Akka.Actor;

namespace ActorLb.Tests.Standalone;

public sealed class StandaloneOperationsTests
{
    /// <summary>An order without a deadline clears that of the previous order.</summary>
    [Fact]
    public async Task Drain_WithADeadline_BecomesDown_UnlessTakenBack()
    {
        await using var system = new VirtualSystem();
        Pool pool = new(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")), system.Time);
        var backends = pool.Snapshot.Backends.ToArray();
        (var node, var drains) = Start(system, backends);
        var cancel = TestContext.Current.CancellationToken;
        foreach (var backend in backends)
            Assert.Null(await node.SetStateAsync(pool, backend, AdminState.Drain, TimeSpan.FromSeconds(60), cancel));
        Assert.Null(await node.SetStateAsync(pool, backends[0], AdminState.Drain, deadline: null, cancel));

        Assert.Null(backends[0].DrainLeft);
        Assert.InRange(backends[1].DrainLeft!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(60));
        system.Advance(TimeSpan.FromSeconds(59));
        await SettledAsync(drains);
        Assert.Equal([AdminState.Drain, AdminState.Drain], backends.Select(b => b.AdminState));
        system.Advance(TimeSpan.FromSeconds(2));
        await SettledAsync(drains);
        Assert.Equal([AdminState.Drain, AdminState.Down], backends.Select(b => b.AdminState));
        Assert.Null(backends[1].DrainLeft);
    }

    [Fact]
    public async Task Drain_OverAFailureOfItsActor_KeepsItsDeadline()
    {
        await using var system = new VirtualSystem();
        Pool pool = new(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")), system.Time);
        var backends = pool.Snapshot.Backends.ToArray();
        (var node, var drains) = Start(system, backends);
        var cancel = TestContext.Current.CancellationToken;
        await node.SetStateAsync(pool, backends[0], AdminState.Drain, TimeSpan.FromSeconds(60), cancel);
        await node.SetStateAsync(pool, backends[1], AdminState.Drain, deadline: null, cancel);
        system.Advance(TimeSpan.FromSeconds(30));

        // The caller gets the failure.
        await Assert.ThrowsAsync<NullReferenceException>(() => node.SetStateAsync(pool, null!, AdminState.Up, deadline: null, cancel));
        await SettledAsync(drains);
        system.Advance(TimeSpan.FromMilliseconds(100));
        await SettledAsync(drains);
        system.Advance(TimeSpan.FromSeconds(29));
        await SettledAsync(drains);
        Assert.Equal([AdminState.Drain, AdminState.Drain], backends.Select(b => b.AdminState));
        system.Advance(TimeSpan.FromSeconds(1));
        await SettledAsync(drains);

        Assert.Equal([AdminState.Down, AdminState.Drain], backends.Select(b => b.AdminState));
    }

    /// <summary>The file may have changed meanwhile.</summary>
    [Fact]
    public async Task Drain_EndedByAReload_NeverBecomesDown()
    {
        await using var system = new VirtualSystem();
        Pool pool = new(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1", down: true)), system.Time);
        var backend = pool.Snapshot.Backends[0];
        (var node, var drains) = Start(system, [backend]);
        await node.SetStateAsync(pool, backend, AdminState.Drain, TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        pool.Apply(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")));

        system.Advance(TimeSpan.FromSeconds(61));
        await SettledAsync(drains);
        Assert.Equal(AdminState.Up, backend.AdminState);
    }

    [Fact]
    public async Task DrainAtPace_Paused_HoldsItsDeadline_OverAFailureOfItsActorToo()
    {
        await using var system = new VirtualSystem();
        Pool pool = new(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")), system.Time);
        var backend = pool.Snapshot.Backends[0];
        (var node, var drains) = Start(system, pool.Snapshot.Backends.ToArray());
        var cancel = TestContext.Current.CancellationToken;
        Assert.Contains("not drained at a rate", (await node.SetDrainPausedAsync(pool, backend, paused: true, cancel))!.Reason, StringComparison.Ordinal);
        Assert.Null(await node.DrainAtPaceAsync(pool, backend, 50, TimeSpan.FromSeconds(60), cancel));
        long ordered = backend.Pacing!.Ordered;
        system.Advance(TimeSpan.FromSeconds(20));
        Assert.Null(await node.SetDrainPausedAsync(pool, backend, paused: true, cancel));
        await Assert.ThrowsAsync<NullReferenceException>(() => node.SetStateAsync(pool, null!, AdminState.Up, deadline: null, cancel));
        system.Advance(TimeSpan.FromMinutes(5));
        await SettledAsync(drains);
        system.Advance(TimeSpan.FromMinutes(5));
        await SettledAsync(drains);
        Assert.Equal((AdminState.Drain, 40.0), (backend.AdminState, Math.Round(backend.DrainLeft!.Value.TotalSeconds)));

        // A new rate continues the same drain.
        Assert.Null(await node.SetDrainPausedAsync(pool, backend, paused: false, cancel));
        Assert.Equal(new PacedDrain(50, IsPaused: false, ordered), backend.Pacing);
        system.Advance(TimeSpan.FromSeconds(41));
        await SettledAsync(drains);
        Assert.Equal((AdminState.Down, null), (backend.AdminState, backend.Pacing));
        Assert.NotNull(await node.SetDrainPausedAsync(pool, backend, paused: true, cancel));
    }

    /// <summary>Once it answers, it has processed all earlier messages.</summary>
    private static async Task SettledAsync(IActorRef actor) =>
        await actor.Ask<ActorIdentity>(new Identify(1), Wait.Patience);

    private static (StandaloneOperations Node, IActorRef Drains) Start(VirtualSystem system, Backend[] backends)
    {
        var slots = new BackendSlots();
        // Never used here.
        var sticky = new LocalStickyMap(new byte[16], TimeSpan.FromHours(1), 1000, slots, system.Time);
        var drains = system.System.ActorOf(ActorProps.Of(() => new DrainActor(() => backends, system.Time)), "drains");
        return (new StandaloneOperations(
            "lb-1", "production", new StickyOptions(TimeSpan.FromHours(1), 1000), sticky, new LocalBackendSlots(slots, new BackendDirectory()),
            () => true, () => false, drains), drains);
    }
}
