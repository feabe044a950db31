namespace ActorLb.Balancing;

/// <summary>A drain that closes the backend's sessions at a pace shared by all nodes of a fleet.</summary>
/// <param name="Rate">Sessions per second, over the whole fleet: <see cref="PaceRate.Least"/> to <see cref="PaceRate.Most"/>.</param>
/// <param name="IsPaused">No sessions are closed, and the deadline is suspended.</param>
/// <param name="Ordered">When it was requested, in milliseconds since 1970. Identifies the drain; a pause or another rate does not change it.</param>
public sealed record PacedDrain(double Rate, bool IsPaused, long Ordered)
{
    /// <summary>What the change from one drain to another means for operators; null when they are the same.</summary>
    internal static PoolEventKind? Event(PacedDrain? before, PacedDrain? now)
    {
        if (before == now)
        {
            return null;
        }

        return (before, now) switch
        {
            (_, null) => PoolEventKind.DrainPaceEnded,
            _ when before?.Ordered != now.Ordered => now.IsPaused ? PoolEventKind.DrainPaused : PoolEventKind.DrainBegun,
            _ when before.IsPaused != now.IsPaused => now.IsPaused ? PoolEventKind.DrainPaused : PoolEventKind.DrainResumed,
            _ => PoolEventKind.DrainRateChanged,
        };
    }
}

/// <summary>The range of rates that operators may request, in sessions per second.</summary>
public static class PaceRate
{
    public const double Least = 0.01, Most = 100_000;
}
