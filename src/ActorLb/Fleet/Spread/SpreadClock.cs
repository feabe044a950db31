namespace ActorLb.Fleet.Spread;

/// <summary>
/// Stamps for changes: a hybrid logical clock in milliseconds since 1970. A stamp is higher than every stamp this node has seen,
/// so a change made with knowledge of another always supersedes it, whatever the nodes' clocks show; of independent changes the
/// later by the clock wins.
/// </summary>
internal sealed class SpreadClock(TimeProvider time)
{
    private long _highest;

    public long Next()
    {
        long now = time.GetUtcNow().ToUnixTimeMilliseconds();
        while (true)
        {
            long seen = Interlocked.Read(ref _highest);
            long next = Math.Max(now, seen + 1);
            if (Interlocked.CompareExchange(ref _highest, next, seen) == seen) return next;
        }
    }

    public void Saw(long stamp)
    {
        long seen = Interlocked.Read(ref _highest);
        while (stamp > seen)
        {
            long found = Interlocked.CompareExchange(ref _highest, stamp, seen);
            if (found == seen) return;
            seen = found;
        }
    }
}
