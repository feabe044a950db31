using ActorLb.Balancing;
using ActorLb.Fleet.Spread;

namespace ActorLb.Operations;

/// <summary>
/// Progress of a paced drain or a rebalance, as this node knows it: the same on all nodes, apart from short delays.
/// </summary>
/// <param name="State">"running", "paused", "done", or "waiting" while no other backend takes clients. Stable: programs compare them.</param>
/// <param name="Rate">Sessions per second, in the whole fleet.</param>
/// <param name="Closed">Sessions closed by all nodes.</param>
/// <param name="Left">Sessions still to close, in the whole fleet.</param>
internal sealed record ClosingProgress(string State, double Rate, DateTimeOffset Started, int Closed, int Left)
{
    /// <summary>Estimated time until it is done at this rate; null if it is done or not running.</summary>
    public TimeSpan? Remaining => State == "running" ? TimeSpan.FromSeconds(Math.Ceiling(Left / Rate)) : null;

    /// <returns>Null if no paced drain of the backend is in progress.</returns>
    /// <param name="id">Computes the drain's id in the counts.</param>
    /// <param name="knowsAll">
    /// This node knows the session counts of all other nodes; until then zero sessions doesn't mean done.
    /// </param>
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
        var plan = RebalancePlan.Of(pool.Snapshot);
        string state = done ? "done" : order.State == RebalanceState.Paused ? "paused" : plan.IsPossible ? "running" : "waiting";
        return new ClosingProgress(
            state, order.Rate, DateTimeOffset.FromUnixTimeMilliseconds(order.Ordered), done ? order.Closed : counts.Of(order.Id), done ? order.Left : plan.Left);
    }
}
