namespace ActorLb.Sticky;

/// <summary>
/// The seconds of the entries: monotonic, of this process alone. They begin at 2^30 so that an entry learned with an age of years
/// still has a positive time; 31 bits then last for 34 years. No wall clock, no NTP: nodes exchange ages.
/// </summary>
internal sealed class StickyClock(TimeProvider time)
{
    private const long Origin = 1 << 30;
    private readonly long _start = time.GetTimestamp();
    private readonly long _perSecond = time.TimestampFrequency;
    private readonly long _perMillisecond = Math.Max(1, time.TimestampFrequency / 1000);

    /// <summary>Milliseconds since the clock was made.</summary>
    public long Milliseconds => (time.GetTimestamp() - _start) / _perMillisecond;

    public uint Seconds => (uint)(Origin + ((time.GetTimestamp() - _start) / _perSecond));

    /// <summary>The second that lay that many milliseconds back.</summary>
    public static uint SecondsAgo(long nowMilliseconds, long age) =>
        (uint)Math.Max(1, Origin + ((nowMilliseconds - age) / 1000));

    /// <summary>Milliseconds since that second, not negative.</summary>
    public static long Age(long nowMilliseconds, uint seconds) => Math.Max(0, nowMilliseconds - ((seconds - Origin) * 1000));
}
