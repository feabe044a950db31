using System.Diagnostics;

namespace ActorLb.Balancing;

/// <summary>
/// How many sessions per second a backend gets from this node: its share of <c>connects-per-second</c> among the fleet's nodes. A
/// lock-free token bucket over all reactors: the generic cell rate algorithm (ITU-T I.371 annex A) on one word, the theoretical arrival
/// time. It also has the line of waiting clients, by which the reactors, each with its own queue, serve in the order of arrival.
/// </summary>
public sealed class ConnectPace
{
    /// <summary>Burst size: a twentieth of a second's worth, at least one. A full second then never exceeds the rate by more than 5 %,
    /// and a reactor that is a few milliseconds late loses nothing.</summary>
    private const int BurstDivisor = 20;

    /// <summary>A reactor that does not use its turn for this long is busy and is skipped, so that tokens do not go to waste.</summary>
    private static readonly long TurnTime = Stopwatch.Frequency / 50;

    // Stopwatch ticks between two tokens, 0 for no limit; and how far ahead the arrival time may be. Each is read atomically.
    private long _interval;
    private long _tolerance;
    private long _arrival;
    private int _rate;
    private int _nodes = 1;

    public bool IsOn => Volatile.Read(ref _interval) != 0;

    /// <summary>The configured rate of all nodes together; 0 is no limit.</summary>
    public int Rate => Volatile.Read(ref _rate);

    /// <summary>This node's tokens per second.</summary>
    public double Share => (double)Rate / Volatile.Read(ref _nodes);

    /// <summary>The clients waiting for this backend.</summary>
    public WaitingLine Line { get; } = new();

    /// <param name="perSecond">Of all nodes together; 0 is no limit.</param>
    /// <param name="nodes">Nodes that share it, including this one.</param>
    internal void Set(int perSecond, int nodes)
    {
        Volatile.Write(ref _rate, perSecond);
        Volatile.Write(ref _nodes, Math.Max(1, nodes));
        long interval = perSecond == 0 ? 0 : Math.Max(1, Stopwatch.Frequency * Math.Max(1, nodes) / perSecond);
        Volatile.Write(ref _tolerance, Math.Max(0, (Stopwatch.Frequency / BurstDivisor) - interval));
        Volatile.Write(ref _interval, interval);
        // What was borrowed at a slower pace must be paid back at the new pace.
        long now = Stopwatch.GetTimestamp(), most = now + Volatile.Read(ref _tolerance) + interval, arrival = Volatile.Read(ref _arrival);
        if (arrival > most) Interlocked.CompareExchange(ref _arrival, most, arrival);
    }

    /// <summary>Takes a token if there is one.</summary>
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

    /// <summary>Returns a token that was not used.</summary>
    public void GiveBack()
    {
        if (Volatile.Read(ref _interval) is var interval and not 0) Interlocked.Add(ref _arrival, -interval);
    }

    /// <summary>When the next token is available: a <see cref="Stopwatch"/> time stamp, possibly in the past.</summary>
    public long NextAt => Volatile.Read(ref _arrival) - Volatile.Read(ref _tolerance);

    /// <summary>Whether a token has been available for so long that any waiting client may take it out of turn.</summary>
    internal bool IsOverdue(long now) => now - NextAt > TurnTime;
}
