namespace ActorLb.Server.Bench;

internal static class Pacing
{
    /// <summary>The longest that a timer takes is 49.7 days; no run is as long.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(49);

    /// <summary>
    /// Waits until <paramref name="offset"/> after <paramref name="start"/>; at once when that is past. Timers tick in milliseconds,
    /// so that it may return one late: who keeps a rate sends all that is due then.
    /// </summary>
    /// <param name="start">A time stamp of this provider.</param>
    public static ValueTask DelayUntil(this TimeProvider time, long start, TimeSpan offset, CancellationToken cancellation)
    {
        TimeSpan left = offset - time.GetElapsedTime(start);
        if (left <= TimeSpan.Zero) return cancellation.IsCancellationRequested ? ValueTask.FromCanceled(cancellation) : ValueTask.CompletedTask;
        var rounded = left < Longest ? TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)) : Longest;
        return new ValueTask(Task.Delay(rounded, time, cancellation));
    }
}
