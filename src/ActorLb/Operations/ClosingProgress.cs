using ActorLb.Balancing;
using ActorLb.Fleet.Spread;

namespace ActorLb.Operations;

/// <summary>How far a drain or rebalance at a pace is, as this node knows: the same on all, but for a moment.</summary>
/// <param name="State">"running", "paused", "done", or "waiting" while no other backend takes clients. Stable: programs compare them.</param>
/// <param name="Rate">Sessions a second, over the fleet.</param>
/// <param name="Closed">By all nodes.</param>
/// <param name="Left">To be closed still, over the fleet.</param>
internal sealed record ClosingProgress(string State, double Rate, DateTimeOffset Started, int Closed, int Left)
{
    /// <summary>Until it is done, at this rate; null when it is, or does not go on.</summary>
    public TimeSpan? Remaining => State == "running" ? TimeSpan.FromSeconds(Math.Ceiling(Left / Rate)) : null;

    /// <returns>Null when the backend is not drained at a pace.</returns>
    /// <param name="id">Of the drain in the counts.</param>
    /// <param name="knowsAll">This node has heard how many sessions every other one has: until then none is no verdict.</param>
    public static ClosingProgress? Of(Pool pool, Backend backend, ClosingCounts counts, Func<PacedDrain, long> id, bool knowsAll = true)
    {
        if (backend.Pacing is not { } drain) return null;
        int left = backend.Load;
        string state = left == 0 && knowsAll ? "done" : drain.IsPaused ? "paused" : FleetRefusals.TakesClientsBeside(pool, backend) ? "running" : "waiting";
        return new ClosingProgress(state, drain.Rate, DateTimeOffset.FromUnixTimeMilliseconds(drain.Ordered), counts.Of(id(drain)), left);
    }

    public static ClosingProgress Of(Pool pool, RebalanceOrder order, ClosingCounts counts)
    {
        bool done = order.State == RebalanceState.Done;
        RebalancePlan plan = RebalancePlan.Of(pool.Snapshot);
        string state = done ? "done" : order.State == RebalanceState.Paused ? "paused" : plan.IsPossible ? "running" : "waiting";
        return new ClosingProgress(
            state, order.Rate, DateTimeOffset.FromUnixTimeMilliseconds(order.Ordered), done ? order.Closed : counts.Of(order.Id), done ? order.Left : plan.Left);
    }
}
