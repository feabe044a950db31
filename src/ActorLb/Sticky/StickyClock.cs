namespace ActorLb.Sticky;

/// <summary>
/// The entries' time: monotonic, local to this process, in ticks of 64 ms. Fine enough to tell which of two sessions is newer,
/// while 31 bits last for four years. It starts in the middle of the range, so that an entry learned with an age of years still
/// has a positive time. Nodes exchange ages, so neither wall clocks nor NTP matter.
/// </summary>
internal sealed class StickyClock(TimeProvider time)
{
    public const int TickMilliseconds = 64;
    private const long Origin = 1 << 30;
    private readonly long _start = time.GetTimestamp();
    private readonly long _perMillisecond = Math.Max(1, time.TimestampFrequency / 1000);

    /// <summary>Milliseconds since the clock was created.</summary>
    public long Milliseconds => (time.GetTimestamp() - _start) / _perMillisecond;

    public uint Ticks => TicksAgo(Milliseconds, 0);

    /// <summary>The tick <paramref name="age"/> milliseconds ago.</summary>
    public static uint TicksAgo(long nowMilliseconds, long age) =>
        (uint)Math.Max(1, Origin + ((nowMilliseconds - age) >> 6));

    /// <summary>Milliseconds since that tick; never negative.</summary>
    public static long Age(long nowMilliseconds, uint ticks) => Math.Max(0, nowMilliseconds - ((ticks - Origin) * TickMilliseconds));
}
