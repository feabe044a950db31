using ActorLb.Balancing;
using ActorLb.Fleet.Spread;
using ActorLb.Operations;
using ActorLb.Sticky;

namespace ActorLb.Hosting;

/// <summary>A node's part in a drain or rebalance: what it does in each step. Every node works out its own share; they need no coordinator.</summary>
internal abstract class PacedClosing(long id, TimeProvider time)
{
    private long _last = time.GetTimestamp();

    protected TimeProvider Time => time;

    /// <summary>Of the order, on all nodes alike: see <see cref="ClosingCounts"/>.</summary>
    public long Id => id;

    /// <summary>The order holds, is not paused, and there is something to do for the fleet.</summary>
    public abstract bool GoesOn { get; }

    public Task StepAsync()
    {
        long now = time.GetTimestamp();
        var elapsed = time.GetElapsedTime(_last, now);
        _last = now;
        return StepAsync(elapsed);
    }

    /// <summary>Time passes that is not part of it.</summary>
    public void Begin() => _last = time.GetTimestamp();

    protected abstract Task StepAsync(TimeSpan elapsed);
}

/// <summary>Empties a backend: this node's part of the rate is its part of the fleet's sessions there.</summary>
internal sealed class DrainClosing(Pool pool, Backend backend, PacedDrain order, SessionSweep sweep, ClosingCounts counts, TimeProvider time, Random random)
    : PacedClosing(IdOf(pool, backend, order), time)
{
    private readonly PaceBudget _budget = new(random);

    public Pool Pool => pool;

    public Backend Backend => backend;

    public override bool GoesOn => backend.Load > 0 && !backend.Blocks.HasFlag(BackendBlocks.Removed) && backend.Pacing is { IsPaused: false } now && now.Ordered == order.Ordered;

    public static long IdOf(Pool pool, Backend backend, PacedDrain order) => ClosingCounts.IdOf($"drain/{pool.Name}/{backend.Id}", order.Ordered);

    protected override async Task StepAsync(TimeSpan elapsed)
    {
        // Nobody is closed while there is nowhere to go.
        if (backend.Pacing is not { } now || backend.Active == 0 || !FleetRefusals.TakesClientsBeside(pool, backend)) return;
        int due = _budget.Take(now.Rate * backend.Active / Math.Max(1, backend.Load), elapsed);
        if (due == 0) return;
        int closed = await sweep.CloseAsync(backend, due).ConfigureAwait(false);
        _budget.GiveBack(due - closed);
        counts.Add(Id, closed);
    }
}

/// <summary>
/// Evens out a pool: moves sessions from backends that have more than their weight's part to those that have less. Only sessions of before
/// the order are moved, so that nobody is moved twice.
/// </summary>
/// <param name="establishedBefore">When it was ordered, in milliseconds of <see cref="MonotonicTime"/>.</param>
internal sealed class RebalanceClosing(
    Pool pool, RebalanceOrder order, Rebalances rebalances, long establishedBefore, SessionSweep sweep, ClosingCounts counts, TimeProvider time, Random random)
    : PacedClosing(order.Id, time)
{
    /// <summary>How long a client that was closed is expected back.</summary>
    private static readonly TimeSpan Return = TimeSpan.FromSeconds(30);

    /// <summary>For so long the pool must be even: counts are a moment old.</summary>
    private static readonly TimeSpan EvenFor = TimeSpan.FromSeconds(2);

    /// <summary>When no node has moved anybody for so long, there is nobody whom they may.</summary>
    private static readonly TimeSpan IdleFor = TimeSpan.FromSeconds(10);

    private readonly Dictionary<Backend, PaceBudget> _budgets = [];

    // Of the last 30 s: when, and what all nodes had closed by then.
    private readonly Queue<(TimeSpan At, int Closed)> _closed = new();
    private TimeSpan _now, _evenSince, _idleSince;
    private int _lastClosed, _total = -1;

    public override bool GoesOn => rebalances.Find(pool.Name) is { State: RebalanceState.Running } now && now.Ordered == order.Ordered;

    protected override async Task StepAsync(TimeSpan elapsed)
    {
        if (rebalances.Find(pool.Name) is not { } now) return;
        _now += elapsed;
        int closed = counts.Of(Id), missing = Missing(closed);
        var plan = RebalancePlan.Of(pool.Snapshot, missing);
        if (!plan.IsEven || !plan.IsPossible) _evenSince = _now;
        // While nobody can be moved, or some are on their way, standing still means nothing.
        if (!plan.IsPossible || missing > 0 || closed != _lastClosed) _idleSince = _now;
        _lastClosed = closed;
        double idleFor = Math.Max(IdleFor.TotalSeconds, 3 / now.Rate);
        if (_now - _evenSince >= EvenFor || (_now - _idleSince).TotalSeconds >= idleFor)
        {
            await rebalances.FinishAsync(now, closed, plan.Left).ConfigureAwait(false);
            return;
        }
        if (!plan.IsPossible || !Lacking(plan).Any()) return;
        foreach (var place in plan.Places) await MoveAsync(plan, place, now.Rate, elapsed).ConfigureAwait(false);
    }

    private async Task MoveAsync(RebalancePlan plan, RebalancePlan.Place place, double rate, TimeSpan elapsed)
    {
        double own = plan.RateOf(place, rate);
        if (own <= 0) return;
        if (!_budgets.TryGetValue(place.Backend, out var budget)) _budgets.Add(place.Backend, budget = new PaceBudget(random));
        int due = Math.Min(budget.Take(own, elapsed), (int)Math.Ceiling(place.Excess));
        if (due == 0) return;
        int moved = await sweep.MoveAsync(
            place.Backend, due, establishedBefore, () => [.. Lacking(plan).Take(StickyLimits.MaxProposals).Select(b => BackendRef.FromValue(b.Reference))]).ConfigureAwait(false);
        counts.Add(Id, moved);
    }

    private IEnumerable<Backend> Lacking(RebalancePlan plan)
    {
        long now = MonotonicTime.Milliseconds(Time);
        return plan.Lacking(random.NextDouble()).Where(b => b.Reference != 0 && b.IsEligible(now, newClient: true));
    }

    /// <summary>Clients that were closed and have not come back: without them the whole would seem to shrink, and too many be moved.</summary>
    private int Missing(int closed)
    {
        int total = RebalancePlan.Of(pool.Snapshot).Places.Sum(p => p.Load);
        if (_total < 0) _total = total;
        while (_closed.TryPeek(out var oldest) && _now - oldest.At > Return) _closed.Dequeue();
        int before = _closed.TryPeek(out var first) ? first.Closed : closed;
        _closed.Enqueue((_now, closed));
        return Math.Clamp(_total - total, 0, Math.Max(0, closed - before));
    }
}
