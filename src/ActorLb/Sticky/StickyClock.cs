namespace ActorLb.Sticky;

/// <summary>
/// The time of the entries: monotonic, of this process alone, in ticks of 64 ms: fine enough to tell which of two sessions is the
/// newer, and 31 bits last for four years. It begins in the middle of them, so that an entry learned with an age of years still has a
/// positive time. No wall clock, no NTP: nodes exchange ages.
/// </summary>
internal sealed class StickyClock(TimeProvider time)
{
    public const int TickMilliseconds = 64;
    private const long Origin = 1 << 30;
    private readonly long _start = time.GetTimestamp();
    private readonly long _perMillisecond = Math.Max(1, time.TimestampFrequency / 1000);

    /// <summary>Milliseconds since the clock was made.</summary>
    public long Milliseconds => (time.GetTimestamp() - _start) / _perMillisecond;

    public uint Ticks => TicksAgo(Milliseconds, 0);

    /// <summary>The tick that lay that many milliseconds back.</summary>
    public static uint TicksAgo(long nowMilliseconds, long age) =>
        (uint)Math.Max(1, Origin + ((nowMilliseconds - age) >> 6));

    /// <summary>Milliseconds since that tick, not negative.</summary>
    public static long Age(long nowMilliseconds, uint ticks) => Math.Max(0, nowMilliseconds - ((ticks - Origin) * TickMilliseconds));
}
