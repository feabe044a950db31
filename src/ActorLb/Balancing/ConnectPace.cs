using System.Diagnostics;

namespace ActorLb.Balancing;

/// <summary>
/// How many sessions a second a backend gets from this node: <c>connects-per-second</c>, shared out among the fleet's nodes. A token
/// bucket over all reactors without a lock: the generic cell rate algorithm (ITU-T I.371 annex A) on one word, the theoretical arrival
/// time. And the line of the clients that wait for it: what lets the reactors, each with a queue of its own, serve in the order of arrival.
/// </summary>
public sealed class ConnectPace
{
    /// <summary>What may come at once: a twentieth of a second's worth, one at least. A full second so never brings more than 5 % too much,
    /// and a reactor that looks a few milliseconds late loses nothing.</summary>
    private const int BurstDivisor = 20;

    /// <summary>A reactor whose turn it is and that does not take it is passed over after this time: it is busy, and tokens must not rot.</summary>
    private static readonly long TurnTime = Stopwatch.Frequency / 50;

    // Stopwatch ticks from one token to the next, 0 while there is no limit; and how far the arrival time may lie ahead. Each is read whole.
    private long _interval;
    private long _tolerance;
    private long _arrival;
    private int _rate;
    private int _nodes = 1;

    public bool IsOn => Volatile.Read(ref _interval) != 0;

    /// <summary>The configured rate of all nodes together; 0 is no limit.</summary>
    public int Rate => Volatile.Read(ref _rate);

    /// <summary>Tokens a second of this node's.</summary>
    public double Share => (double)Rate / Volatile.Read(ref _nodes);

    /// <summary>Those that wait for this backend.</summary>
    public WaitingLine Line { get; } = new();

    /// <param name="perSecond">Of all nodes together; 0 is no limit.</param>
    /// <param name="nodes">Nodes that share it, this one included.</param>
    internal void Set(int perSecond, int nodes)
    {
        Volatile.Write(ref _rate, perSecond);
        Volatile.Write(ref _nodes, Math.Max(1, nodes));
        long interval = perSecond == 0 ? 0 : Math.Max(1, Stopwatch.Frequency * Math.Max(1, nodes) / perSecond);
        Volatile.Write(ref _tolerance, Math.Max(0, (Stopwatch.Frequency / BurstDivisor) - interval));
        Volatile.Write(ref _interval, interval);
        // What was lent at a slower pace is not owed longer than a token takes now.
        long now = Stopwatch.GetTimestamp(), most = now + Volatile.Read(ref _tolerance) + interval, arrival = Volatile.Read(ref _arrival);
        if (arrival > most) Interlocked.CompareExchange(ref _arrival, most, arrival);
    }

    /// <summary>Whether there is a token.</summary>
    /// <param name="now">A <see cref="Stopwatch"/> time stamp.</param>
    public bool HasToken(long now) => !IsOn || Volatile.Read(ref _arrival) - now <= Volatile.Read(ref _tolerance);

    public bool TryTake(long now)
    {
        while (true)
        {
            long interval = Volatile.Read(ref _interval);
            if (interval == 0) return true;
            long arrival = Volatile.Read(ref _arrival);
            if (arrival - now > Volatile.Read(ref _tolerance)) return false;
            if (Interlocked.CompareExchange(ref _arrival, Math.Max(arrival, now) + interval, arrival) == arrival) return true;
        }
    }

    /// <summary>A token that was taken was not used.</summary>
    public void GiveBack()
    {
        if (Volatile.Read(ref _interval) is var interval and not 0) Interlocked.Add(ref _arrival, -interval);
    }

    /// <summary>When the next token is there: a <see cref="Stopwatch"/> time stamp, which may lie in the past.</summary>
    public long NextAt => Volatile.Read(ref _arrival) - Volatile.Read(ref _tolerance);

    /// <summary>Whether a token has lain there so long that whoever waits for it may have it, in turn or not.</summary>
    internal bool IsOverdue(long now) => now - NextAt > TurnTime;
}
