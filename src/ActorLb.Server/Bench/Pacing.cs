namespace ActorLb.Server.Bench;

internal static class Pacing
{
    /// <summary>A timer supports at most 49.7 days; no run is that long.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(49);

    /// <summary>
    /// Waits until <paramref name="offset"/> after <paramref name="start"/>, or not at all when that is past. Timers tick in milliseconds,
    /// so it may return one late: a sender that keeps a rate then sends everything that is due.
    /// </summary>
    /// <param name="start">A time stamp from this provider.</param>
    public static ValueTask DelayUntil(this TimeProvider time, long start, TimeSpan offset, CancellationToken cancel)
    {
        var left = offset - time.GetElapsedTime(start);
        if (left <= TimeSpan.Zero) return cancel.IsCancellationRequested ? ValueTask.FromCanceled(cancel) : ValueTask.CompletedTask;
        var rounded = left < Longest ? TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)) : Longest;
        return new ValueTask(Task.Delay(rounded, time, cancel));
    }
}
