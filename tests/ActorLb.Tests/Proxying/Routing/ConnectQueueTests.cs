using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;

namespace ActorLb.Tests.Proxying.Routing;

public sealed class ConnectQueueTests : IDisposable
{
    private readonly EpollReactor _reactor = BareServices.ReactorOf(BareServices.Create());
    private readonly Pool _pool = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"));
    private readonly UpstreamPool _upstream;

    public ConnectQueueTests() => _upstream = new UpstreamPool(_pool, null, null);

    public void Dispose() => _reactor.Dispose();

    private Session Create() => new(_reactor) { Pool = _upstream, Setup = new Setup() };

    [Fact]
    public void EnterAndLeave_CountsAndHeads_AreThoseOfWhoIsLeft()
    {
        var backend = _pool.Snapshot.Backends[0];
        Session[] any = [.. Enumerable.Range(0, 5).Select(_ => Create())], own = [.. Enumerable.Range(0, 5).Select(_ => Create())];
        for (int i = 0; i < 5; i++)
        {
            _reactor.Queue.Enter(any[i], null, 1);
            _reactor.Queue.Enter(own[i], backend, 1);
        }

        Assert.Equal((10, 5, 5), (_reactor.Queue.Count, _pool.Line.Count, backend.Pace.Line.Count));
        Assert.Equal((1, 2), (_pool.Line.First, backend.Pace.Line.First));
        _reactor.Queue.Leave(any[0]);
        _reactor.Queue.Leave(own[1]);
        _reactor.Queue.Leave(own[0]);
        _reactor.Queue.Leave(own[0]);
        Assert.Equal((3, 6), (_pool.Line.First, backend.Pace.Line.First));
        // Who waits for another now keeps its place among all.
        _reactor.Queue.Enter(own[0], _pool.Snapshot.Backends[1], 1);
        Assert.Equal(2, _pool.Snapshot.Backends[1].Pace.Line.First);
        foreach (var session in any.Concat(own)) _reactor.Queue.Leave(session);
        Assert.Equal((0, 0, 0), (_reactor.Queue.Count, _pool.Line.Count, backend.Pace.Line.Count));
        Assert.Equal((WaitingLine.Nobody, WaitingLine.Nobody), (_pool.Line.First, backend.Pace.Line.First));
        Assert.Equal(long.MaxValue, _reactor.Queue.DueAt);
    }

    [Fact]
    public void EnterAndLeave_AllocateNothing()
    {
        var backend = _pool.Snapshot.Backends[0];
        Session[] sessions = [.. Enumerable.Range(0, 100).Select(_ => Create())];
        Assert.Equal(0, Allocations.Least(() =>
        {
            foreach (var session in sessions) _reactor.Queue.Enter(session, session.Slot % 2 == 0 ? backend : null, 1);
            foreach (var session in sessions) _reactor.Queue.Leave(session);
        }));
    }
}
