namespace ActorLb.Balancing;

/// <summary>
/// The clock of <see cref="PickContext.Now"/>: milliseconds that never go back. On Linux <see cref="Environment.TickCount64"/> reads
/// the same clock, a few milliseconds coarser, and may be used instead.
/// </summary>
public static class MonotonicTime
{
    public static long Milliseconds(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        return (long)(time.GetTimestamp() * (Int128)1000 / time.TimestampFrequency);
    }
}
