using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Proxying.Routing;

/// <summary>
/// A reactor's sessions that wait until a backend may have another CONNECT (connects-per-second): first come, first served, over all
/// reactors. Who belongs to a certain backend (sticky, hash) waits for that one; the others for whichever has room first. A session in a
/// queue holds the links itself, so that to come, to leave and to be served cost no allocation.
/// </summary>
/// <param name="reactor">Whose.</param>
internal sealed class ConnectQueue(Reactor reactor)
{
    /// <summary>Served in one turn of the loop: relayed traffic goes on in between.</summary>
    private const int ServedAtOnce = 64;

    /// <summary>How often the queues are looked at in any case (milliseconds): a backend may have gone, or a reload have changed its rate.</summary>
    private const int Look = 100;

    private readonly Dictionary<Pool, PoolQueue> _pools = [];
    private int _reactors = 1;
    private long _entered;

    /// <summary>Sessions that wait on this reactor.</summary>
    public int Count { get; private set; }

    /// <summary>Times that a session began to wait.</summary>
    public long Entered => Volatile.Read(ref _entered);

    /// <summary>When to look again (the reactor's clock).</summary>
    public long DueAt { get; private set; } = long.MaxValue;

    /// <param name="Line">Of the pool or the backend.</param>
    private sealed record Queue(WaitingLine Line)
    {
        public SessionList Sessions { get; } = new();
    }

    private sealed class PoolQueue(Pool pool)
    {
        public Pool Pool { get; } = pool;

        public Queue Any { get; } = new(pool.Line);

        public Dictionary<Backend, Queue> ByBackend { get; } = [];

        public int Count;
    }

    /// <summary>Puts a session behind those that came before it.</summary>
    /// <param name="backend">For which it waits; null for whichever has room first.</param>
    /// <param name="reactors">How many there are: always the same.</param>
    public void Enter(Session session, Backend? backend, int reactors)
    {
        var setup = session.Setup!;
        var pool = session.Pool.Pool;
        _reactors = reactors;
        if (!_pools.TryGetValue(pool, out var queues)) _pools.Add(pool, queues = new PoolQueue(pool));
        var queue = queues.Any;
        if (backend is not null && !queues.ByBackend.TryGetValue(backend, out queue)) queues.ByBackend.Add(backend, queue = new Queue(backend.Pace.Line));
        if (setup.Ticket == 0) setup.Ticket = pool.NextTicket();
        setup.WaitsFor = backend;
        setup.QueuedAt = reactor.Now;
        setup.IsQueued = true;
        queue!.Sessions.AddByTicket(session);
        queue.Line.Enter();
        queues.Count++;
        Count++;
        _entered++;
        SetHead(queue);
        DueAt = Math.Min(DueAt, reactor.Now);
    }

    /// <summary>The session waits no longer, whatever became of it.</summary>
    public void Leave(Session session)
    {
        if (session.Setup is not { IsQueued: true } setup) return;
        var queues = _pools[session.Pool.Pool];
        var queue = setup.WaitsFor is { } backend ? queues.ByBackend[backend] : queues.Any;
        queue.Sessions.Remove(session);
        queue.Line.Leave();
        queues.Count--;
        Count--;
        SetHead(queue);
        long waited = reactor.Now - setup.QueuedAt;
        setup.Waited += waited;
        // The time for retries is for what backends take.
        setup.FirstTryAt += waited;
        setup.IsQueued = false;
        setup.WaitsFor = null;
        setup.Withdraw();
        reactor.ClearDeadline(session);
        if (Count == 0) DueAt = long.MaxValue;
    }

    /// <summary>Has those go on whose turn it is.</summary>
    public void Serve()
    {
        int left = ServedAtOnce;
        long due = reactor.Now + Look;
        foreach (var queues in _pools.Values)
        {
            while (left > 0 && queues.Count > 0 && Next(queues, ref due) is { } session)
            {
                left--;
                reactor.Resume(session);
                if (session.Setup is not { IsQueued: true }) continue;
                // Another reactor had the token.
                due = reactor.Now + 1;
                break;
            }
        }
        DueAt = Count == 0 ? long.MaxValue : left == 0 ? reactor.Now : due;
    }

    /// <summary>The first of those that can go on.</summary>
    /// <param name="due">Moved forward to when another look is worth while.</param>
    private Session? Next(PoolQueue queues, ref long due)
    {
        long now = Stopwatch.GetTimestamp();
        var next = queues.Any.Sessions.Oldest;
        if (next is not null && !MayGo(queues.Pool, next, now, ref due)) next = null;
        foreach ((var backend, var queue) in queues.ByBackend)
        {
            if (queue.Sessions.Oldest is not { } head)
            {
                if ((backend.Blocks & BackendBlocks.Removed) != BackendBlocks.None) queues.ByBackend.Remove(backend);
                continue;
            }
            if (next is not null && next.Setup!.Ticket < head.Setup!.Ticket) continue;
            var room = new Room(now, head.Setup!.Ticket, queues.Pool.Line.First);
            // One that is not to go there any more need not wait for it either.
            if (!BackendChoice.MayTake(head, backend) || room.IsAt(backend)) next = head;
            else due = Math.Min(due, TimeOf(backend, now));
        }
        return next;
    }

    /// <summary>Whether a backend has room for a session that waits for any; or none is left that could.</summary>
    private bool MayGo(Pool pool, Session session, long now, ref long due)
    {
        var snapshot = pool.Snapshot;
        var room = new Room(now, session.Setup!.Ticket, pool.Line.First);
        return MayGo(snapshot.Primaries, session, room, ref due) ?? MayGo(snapshot.Backups, session, room, ref due) ?? true;
    }

    /// <returns>Null when none of them takes clients.</returns>
    private bool? MayGo(ReadOnlySpan<Backend> candidates, Session session, Room room, ref long due)
    {
        bool? may = null;
        foreach (var backend in candidates)
        {
            if (!backend.IsEligible(reactor.Now, newClient: true) || session.Setup!.HasTried(backend)) continue;
            if (room.IsAt(backend)) return true;
            may = false;
            due = Math.Min(due, TimeOf(backend, room.Now));
        }
        return may;
    }

    /// <summary>When a backend's next token is there (the reactor's clock): soon, when it is and somebody else's turn.</summary>
    private long TimeOf(Backend backend, long now) =>
        reactor.Now + Math.Clamp(((backend.Pace.NextAt - now) * 1000 / Stopwatch.Frequency) + 1, 1, Look);

    private void SetHead(Queue queue) =>
        queue.Line.SetHead(reactor.Index, _reactors, queue.Sessions.Oldest?.Setup!.Ticket ?? WaitingLine.Nobody);
}
