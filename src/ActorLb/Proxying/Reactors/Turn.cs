using System.Diagnostics;

namespace ActorLb.Proxying.Reactors;

/// <summary>
/// What a session may read before the reactor's other sessions have their turn. A peer that sends without end, or whose bytes cost
/// more than they weigh (control frames, small records, packets of two bytes), otherwise keeps the thread for itself, past its own
/// deadlines too. A session that has used its turn goes to <see cref="Reactor.Again"/>, which also keeps the edge of its descriptor.
/// </summary>
internal struct Turn
{
    /// <summary>Most reads of a turn.</summary>
    public const int Reads = 8;

    /// <summary>A read of so many bytes is work enough for the session to wait for its next turn behind those that have little to read.</summary>
    public const int LargeRead = 4096;

    /// <summary>For how long after such a read (milliseconds).</summary>
    public const int BulkTime = 100;

    /// <summary>No read begins so long after the first one ended: a tenth of a millisecond, in units of <see cref="Stopwatch"/>.</summary>
    private static readonly long Time = Stopwatch.Frequency / 10_000;

    private int _reads;
    private long _began;

    /// <summary>Whether another read may be made. The first always may, and costs no look at the clock: most turns have no other.</summary>
    public bool MayRead()
    {
        if (_reads++ == 0) return true;
        if (_reads > Reads) return false;
        long now = Stopwatch.GetTimestamp();
        if (_reads == 2) _began = now;
        return now - _began <= Time;
    }
}
