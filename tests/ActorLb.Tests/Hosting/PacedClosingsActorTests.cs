using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Fleet.Spread;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Supervision;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;
using ActorLb.Tests.Proxying;
using Akka.Actor;

namespace ActorLb.Tests.Hosting;

/// <summary>What is at work, and what is said of it; without reactors no session ends.</summary>
public sealed class PacedClosingsActorTests : IAsyncDisposable
{
    private readonly VirtualSystem _system = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly TempFolder _folder = new();
    private readonly List<string> _events = [];
    private readonly Pool _pool;
    private readonly FleetOrders _orders;
    private readonly Rebalances _rebalances;
    private readonly ClosingCounts _counts;
    private bool _knowsAll = true;
    private volatile bool _fails;

    public PacedClosingsActorTests()
    {
        _pool = new Pool(
            Pools.Options(BalanceKind.LeastConnections, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")), _system.Time,
            e => { lock (_events) _events.Add(e.Kind.ToString()); });
        _orders = FleetOrders.InFolder(_folder.Path, _system.Time, _system.Log);
        _rebalances = new Rebalances(() => _orders);
        _counts = new ClosingCounts(_system.Time);
    }

    private Backend One => _pool.Snapshot.Backends[0];

    public async ValueTask DisposeAsync()
    {
        await _system.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Drain_IsOneAtATime_PausedResumedAndDoneOnce_AndGoesOnAfterAFailure()
    {
        for (int i = 0; i < 5; i++) Assert.True(One.TryAcquire());
        var actor = Start();
        var drain = new PacedDrain(50, IsPaused: false, Ordered: 1);
        One.SetAdminState(AdminState.Drain, pacing: drain);
        await LookAsync(actor);
        await LookAsync(actor);
        Assert.Equal(1, Graphs());

        One.SetAdminState(AdminState.Drain, pacing: drain with { IsPaused = true });
        await _system.UntilAsync(() => Graphs() == 0, 0.1);
        One.SetAdminState(AdminState.Drain, pacing: drain);
        await LookAsync(actor);
        Assert.Equal(1, Graphs());

        _fails = true;
        await LookAsync(actor);
        await _system.UntilAsync(() => ActorRestarts.Of(_system.System).CountOf(actor.Path) == 1 && Graphs() == 1, 0.1);
        // The last one goes, and the fleet's other nodes have none.
        for (int i = 0; i < 5; i++) One.Release();
        await _system.UntilAsync(() => Count("DrainDone") == 1, 0.1);
        await LookAsync(actor);
        await LookAsync(actor);
        Assert.Equal((1, 0), (Count("DrainDone"), Graphs()));
        One.SetAdminState(AdminState.Up);
        await LookAsync(actor);
        Assert.Equal(0, Graphs());
    }

    /// <summary>Sessions of other nodes: this one waits with them.</summary>
    [Fact]
    public async Task Drain_OfWhatOtherNodesHave_IsDoneWhenTheyHaveClosedTheirs()
    {
        One.SetRemoteActive(7, 1);
        var actor = Start();
        One.SetAdminState(AdminState.Drain, pacing: new PacedDrain(50, IsPaused: false, Ordered: 1));
        await LookAsync(actor);
        for (int i = 0; i < 30; i++) _system.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal((1, 0), (Graphs(), Count("DrainDone")));
        One.SetRemoteActive(0, 1);
        await _system.UntilAsync(() => Count("DrainDone") == 1, 0.1);
    }

    /// <summary>A node that starts into a drain has no sessions, and has not heard yet of those of the others.</summary>
    [Fact]
    public async Task Drain_OnANodeThatHasNotHeardOfTheOthers_IsNotSaidToBeDone()
    {
        _knowsAll = false;
        var actor = Start();
        One.SetAdminState(AdminState.Drain, pacing: new PacedDrain(50, IsPaused: false, Ordered: 1));
        for (int i = 0; i < 30; i++) _system.Advance(TimeSpan.FromMilliseconds(100));
        await LookAsync(actor);
        Assert.Equal(0, Count("DrainDone"));
        Assert.Equal("running", ClosingProgress.Of(_pool, One, _counts, _ => 0, knowsAll: false)?.State);
        _knowsAll = true;
        await _system.UntilAsync(() => Count("DrainDone") == 1, 0.1);
    }

    [Fact]
    public async Task Rebalance_OfWhatIsEven_IsDoneAfterAMoment()
    {
        var actor = Start();
        Assert.Null(await _rebalances.BeginAsync(_pool, 50));
        await LookAsync(actor);
        await _system.UntilAsync(() => Count("RebalanceDone") == 1, 0.1);
        Assert.Equal((0, 0), (_rebalances.Find("emqx")!.Closed, _rebalances.Find("emqx")!.Left));
        // Another node says so a moment later, with what it knew.
        await _orders.SetAsync("rebalance/emqx", (_rebalances.Find("emqx")! with { Closed = 1 }).Encode());
        await LookAsync(actor);
        Assert.Equal((1, 1), (Count("RebalanceBegun"), Count("RebalanceDone")));
    }

    /// <summary>All that could be moved is younger than the order: it ends, and says how many are too many.</summary>
    [Fact]
    public async Task Rebalance_WithNobodyWhomItMayMove_EndsAndSaysSo()
    {
        for (int i = 0; i < 10; i++) Assert.True(One.TryAcquire());
        var actor = Start();
        Assert.Null(await _rebalances.BeginAsync(_pool, 50));
        await LookAsync(actor);
        await _system.UntilAsync(() => Count("RebalanceDone") == 1, 0.1);
        Assert.Equal((0, 5), (_rebalances.Find("emqx")!.Closed, _rebalances.Find("emqx")!.Left));
    }

    [Fact]
    public async Task Rebalance_WhileNobodyElseTakesClients_Waits()
    {
        for (int i = 0; i < 10; i++) Assert.True(One.TryAcquire());
        var actor = Start();
        Assert.Null(await _rebalances.BeginAsync(_pool, 50));
        _pool.Snapshot.Backends[1].SetAdminState(AdminState.Down);
        await LookAsync(actor);
        for (int i = 0; i < 300; i++)
        {
            _system.Advance(TimeSpan.FromMilliseconds(100));
            if (i % 10 == 0) await LookAsync(actor);
        }
        Assert.Equal(RebalanceState.Running, _rebalances.Find("emqx")!.State);
        Assert.Equal("waiting", ClosingProgress.Of(_pool, _rebalances.Find("emqx")!, _counts).State);
        Assert.Null(await _rebalances.StopAsync(_pool));
        await _system.UntilAsync(() => Graphs() == 0 && Count("RebalanceStopped") == 1, 0.1);
    }

    private IActorRef Start() => _system.System.ActorOf(
        ActorProps.Of(() => new PacedClosingsActor([], BareServices.Create(), PoolsOrFail, _rebalances, _counts, () => _knowsAll, _system.Time)), "paced-closings");

    private Pool[] PoolsOrFail()
    {
        if (!_fails) return [_pool];
        _fails = false;
        throw new InvalidOperationException("test");
    }

    private int Graphs() => ActorTree.Read([_system.System]).Count(a => a.Type == "ActorGraphInterpreter");

    private int Count(string kind)
    {
        lock (_events) return _events.Count(k => k == kind);
    }

    /// <summary>When it answers, it has looked.</summary>
    private static async Task LookAsync(IActorRef actor)
    {
        actor.Tell(PacedClosingsActor.Look.Instance);
        await actor.Ask<ActorIdentity>(new Identify(1), Wait.Patience);
    }
}
