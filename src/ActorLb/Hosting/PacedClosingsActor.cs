using System.Runtime.ExceptionServices;
using ActorLb.Balancing;
using ActorLb.Fleet.Spread;
using ActorLb.Operations;
using ActorLb.Protocol.CommandLine;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Supervision;
using Akka.Actor;
using Akka.Streams;
using Akka.Streams.Dsl;

namespace ActorLb.Hosting;

/// <summary>
/// Carries out this node's part of the drains and rebalances at a pace: a graph for each that is at work. What is to be done stands in the
/// orders, which outlive this actor, this node and a fleet's any other: it looks at them when they change, and now and then.
/// </summary>
internal sealed class PacedClosingsActor : SupervisedActor
{
    /// <summary>
    /// From hearing of an order to the first session closed: by then the other nodes have heard of it, and place nobody there who would have
    /// to be closed again.
    /// </summary>
    public static readonly TimeSpan Delay = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private readonly IReadOnlyList<Reactor> _reactors;
    private readonly NodeServices _services;
    private readonly Func<IEnumerable<Pool>> _pools;
    private readonly Rebalances _rebalances;
    private readonly ClosingCounts _counts;
    private readonly Func<bool> _knowsAll;
    private readonly TimeProvider _time;

    private readonly Dictionary<long, PacedClosing> _atWork = [];

    // By order: when this actor heard of it, and the time before which sessions may be moved for it.
    private readonly Dictionary<long, (long Heard, long Before)> _heard = [];
    private readonly HashSet<long> _done = [];
    private readonly Dictionary<string, RebalanceOrder> _seen = new(StringComparer.Ordinal);

    /// <param name="counts">Of what all nodes have closed.</param>
    /// <param name="knowsAll">Whether this node has heard how many sessions every other one has: a node that starts knows of none.</param>
    public PacedClosingsActor(
        IReadOnlyList<Reactor> reactors, NodeServices services, Func<IEnumerable<Pool>> pools, Rebalances rebalances, ClosingCounts counts,
        Func<bool> knowsAll, TimeProvider time)
    {
        _reactors = reactors;
        _services = services;
        _pools = pools;
        _rebalances = rebalances;
        _counts = counts;
        _knowsAll = knowsAll;
        _time = time;
    }

    /// <summary>Orders may have changed.</summary>
    public sealed record Look
    {
        public static readonly Look Instance = new();
    }

    private sealed record Ended(PacedClosing Closing, Exception? Failure);

    protected override void Begin()
    {
        Timers.StartPeriodicTimer(Look.Instance, Look.Instance, LookEvery);
        OnLook();
    }

    protected override bool On(object message)
    {
        switch (message)
        {
            case Look:
                OnLook();
                return true;
            case Ended ended:
                OnEnded(ended);
                return true;
            default:
                return false;
        }
    }

    private void OnLook()
    {
        var active = new HashSet<long>();
        Pool[] pools = [.. _pools()];
        foreach (var pool in pools)
        {
            foreach (var backend in pool.Snapshot.Backends.ToArray())
            {
                if (backend.Pacing is { } drain) LookAt(pool, backend, drain, active);
            }
        }
        foreach (var order in _rebalances.All)
        {
            if (Array.Find(pools, p => p.Name == order.Pool) is { } pool) LookAt(pool, order, active);
        }
        ReportRebalances(pools);
        _counts.SetActive(active);
        foreach (long gone in _heard.Keys.Where(id => !active.Contains(id)).ToArray()) _heard.Remove(gone);
        _done.RemoveWhere(id => !active.Contains(id));
    }

    private void LookAt(Pool pool, Backend backend, PacedDrain drain, HashSet<long> active)
    {
        long id = DrainClosing.IdOf(pool, backend, drain);
        active.Add(id);
        Hear(id, drain.Ordered);
        if (drain.IsPaused || _atWork.ContainsKey(id)) return;
        if (backend.Load > 0)
        {
            Start(new DrainClosing(pool, backend, drain, new SessionSweep(_reactors, _services, _time), _counts, _time, new Random()));
        }
        else if (_knowsAll() && _time.GetElapsedTime(_heard[id].Heard) >= Delay && _done.Add(id))
        {
            pool.Raise(backend, PoolEventKind.DrainDone, _counts.Of(id).ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
    }

    private void LookAt(Pool pool, RebalanceOrder order, HashSet<long> active)
    {
        active.Add(order.Id);
        Hear(order.Id, order.Ordered);
        if (order.State != RebalanceState.Running || _atWork.ContainsKey(order.Id)) return;
        Start(new RebalanceClosing(
            pool, order, _rebalances, _heard[order.Id].Before, new SessionSweep(_reactors, _services, _time), _counts, _time, new Random()));
    }

    /// <summary>Sessions older than the order may be moved. A clock that is behind must not make it more: at most those of before it was heard of.</summary>
    private void Hear(long id, long ordered)
    {
        if (_heard.ContainsKey(id)) return;
        long age = Math.Max(0, _time.GetUtcNow().ToUnixTimeMilliseconds() - ordered);
        _heard.Add(id, (_time.GetTimestamp(), MonotonicTime.Milliseconds(_time) - age));
    }

    private void Start(PacedClosing closing)
    {
        _atWork.Add(closing.Id, closing);
        // A step begins when the one before it is done, and none is missed for more than one: the ticks have no buffer.
        bool begun = false;
        _ = Source.Tick(Delay, DrainPace.Step, closing)
            .TakeWhile(static c => c.GoesOn)
            .SelectAsync(1, StepAsync)
            .RunWith(Sink.Ignore<PacedClosing>(), Context.Materializer())
            .PipeTo(Self, success: _ => new Ended(closing, null), failure: e => new Ended(closing, e));

        async Task<PacedClosing> StepAsync(PacedClosing at)
        {
            if (!begun) at.Begin();
            begun = true;
            await at.StepAsync().ConfigureAwait(false);
            return at;
        }
    }

    private void OnEnded(Ended ended)
    {
        // One of before a restart ended with it.
        if (_atWork.GetValueOrDefault(ended.Closing.Id) != ended.Closing) return;
        _atWork.Remove(ended.Closing.Id);
        // An error within a reactor is one of this actor's work.
        if (ended.Failure is not null) ExceptionDispatchInfo.Throw(ended.Failure);
        OnLook();
    }

    private void ReportRebalances(Pool[] pools)
    {
        foreach (var pool in pools)
        {
            var now = _rebalances.Find(pool.Name);
            _seen.TryGetValue(pool.Name, out var before);
            if (now == before) continue;
            if (now is null) _seen.Remove(pool.Name);
            else _seen[pool.Name] = now;
            if (KindOf(before, now) is { } kind) pool.Raise(null, kind, DetailOf(now));
        }
    }

    private static PoolEventKind? KindOf(RebalanceOrder? before, RebalanceOrder? now) => (before, now) switch
    {
        ({ State: RebalanceState.Done }, null) => null,
        (_, null) => PoolEventKind.RebalanceStopped,
        // One of an earlier run, or another node has found so at the same time.
        (null or { State: RebalanceState.Done }, { State: RebalanceState.Done }) => null,
        (_, { State: RebalanceState.Done }) => PoolEventKind.RebalanceDone,
        (_, { State: RebalanceState.Paused }) => PoolEventKind.RebalancePaused,
        ({ State: RebalanceState.Paused }, _) when before.Ordered == now.Ordered => PoolEventKind.RebalanceResumed,
        _ when before?.Ordered == now.Ordered => PoolEventKind.RebalanceRateChanged,
        _ => PoolEventKind.RebalanceBegun,
    };

    private static string? DetailOf(RebalanceOrder? now) => now switch
    {
        null => null,
        { State: RebalanceState.Done, Left: 0 } => $"{now.Closed} sessions were moved, and the backends are within 2 % of their parts",
        { State: RebalanceState.Done } => $"{now.Closed} sessions were moved; {now.Left} more would have to be, and none is left of before the order",
        _ => $"{RateText.Of(now.Rate)} of its sessions",
    };
}
