namespace ActorLb.Proxying;

/// <summary>Lets one line of a kind through in a while, and counts those between. Any thread may ask.</summary>
/// <param name="interval">Milliseconds from a line to the next.</param>
internal sealed class LogPace(long interval = 10_000)
{
    private long _next = long.MinValue;
    private long _withheld;

    /// <param name="now">Milliseconds of a monotonic clock, the same at each call.</param>
    /// <param name="withheld">Lines since the last one that were not let through.</param>
    public bool TryTake(long now, out long withheld)
    {
        withheld = 0;
        long next = Volatile.Read(ref _next);
        if (now < next || Interlocked.CompareExchange(ref _next, now + interval, next) != next)
        {
            Interlocked.Increment(ref _withheld);
            return false;
        }
        withheld = Interlocked.Exchange(ref _withheld, 0);
        return true;
    }
}
