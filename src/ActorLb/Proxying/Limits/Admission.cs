using System.Diagnostics;
using ActorLb.Configuration;
using ActorLb.Native;

namespace ActorLb.Proxying.Limits;

/// <summary>
/// A rate over all reactors without a lock: the generic cell rate algorithm (ITU-T I.371 annex A) on one word, the theoretical
/// arrival time. A second's worth may come at once.
/// </summary>
internal sealed class ConnectRate
{
    private readonly long _interval;
    private readonly long _burst;
    private long _arrival;

    private ConnectRate(int perSecond)
    {
        _interval = Math.Max(1, Stopwatch.Frequency / perSecond);
        _burst = Stopwatch.Frequency;
    }

    /// <param name="perSecond">0 is unlimited: null.</param>
    public static ConnectRate? Create(int perSecond) => perSecond == 0 ? null : new ConnectRate(perSecond);

    /// <param name="now">A <see cref="Stopwatch"/> time stamp.</param>
    public bool TryTake(long now)
    {
        while (true)
        {
            long arrival = Volatile.Read(ref _arrival);
            long next = Math.Max(arrival, now) + _interval;
            if (next - now > _burst) return false;
            if (Interlocked.CompareExchange(ref _arrival, next, arrival) == arrival) return true;
        }
    }
}

/// <summary>Connections and rate by client address. Striped, and only there when a limit is configured; an address is forgotten
/// when it holds nothing and its allowance is whole again.</summary>
internal sealed class AddressLimits
{
    private const int Stripes = 64;

    private readonly Dictionary<UInt128, Entry>[] _stripes = new Dictionary<UInt128, Entry>[Stripes];
    private readonly int _connections;
    private readonly int _rate;
    private readonly TimeProvider _time;

    private AddressLimits(LimitOptions limits, TimeProvider time)
    {
        _connections = limits.PerAddressConnections;
        _rate = limits.PerAddressRate;
        _time = time;
        for (int i = 0; i < Stripes; i++) _stripes[i] = [];
    }

    private struct Entry
    {
        public int Held;
        public double Allowance;
        public long Stamp;
    }

    public static AddressLimits? Create(LimitOptions limits, TimeProvider time) =>
        limits is { PerAddressConnections: 0, PerAddressRate: 0 } ? null : new AddressLimits(limits, time);

    /// <summary>None when the address may come in (and must leave with <see cref="Leave"/>), else why not.</summary>
    public CloseReason TryEnter(in NetEndPoint client)
    {
        var stripe = StripeOf(client);
        long now = _time.GetTimestamp();
        lock (stripe)
        {
            bool known = stripe.TryGetValue(client.AddressBits, out var entry);
            if (!known) entry = new Entry { Allowance = _rate, Stamp = now };
            if (_connections > 0 && entry.Held >= _connections) return CloseReason.AddressFull;
            if (_rate > 0)
            {
                entry.Allowance = Math.Min(_rate, entry.Allowance + (_time.GetElapsedTime(entry.Stamp, now).TotalSeconds * _rate));
                entry.Stamp = now;
                if (entry.Allowance < 1)
                {
                    stripe[client.AddressBits] = entry;
                    return CloseReason.AddressRate;
                }
                entry.Allowance--;
            }
            entry.Held++;
            stripe[client.AddressBits] = entry;
            if (stripe.Count > 1024 && (stripe.Count & 1023) == 0) Sweep(stripe, now);
            return CloseReason.None;
        }
    }

    public void Leave(in NetEndPoint client)
    {
        var stripe = StripeOf(client);
        lock (stripe)
        {
            if (!stripe.TryGetValue(client.AddressBits, out var entry)) return;
            entry.Held--;
            if (entry.Held <= 0 && _rate == 0) stripe.Remove(client.AddressBits);
            else stripe[client.AddressBits] = entry;
        }
    }

    private void Sweep(Dictionary<UInt128, Entry> stripe, long now)
    {
        foreach ((var address, var entry) in stripe)
        {
            if (entry.Held <= 0 && _time.GetElapsedTime(entry.Stamp, now).TotalSeconds >= 1) stripe.Remove(address);
        }
    }

    private Dictionary<UInt128, Entry> StripeOf(in NetEndPoint client) =>
        _stripes[(uint)client.AddressBits.GetHashCode() % Stripes];
}

/// <summary>The node's own limit of client connections and whether it takes new ones, shared by the reactors.</summary>
/// <param name="refusedOnAReactor">Most refused clients of a reactor that wait for their answer or are reading it.</param>
internal sealed class NodeAdmission(int maxConnections, int refusedOnAReactor = NodeAdmission.RefusedAtOnce)
{
    /// <summary>Refused clients of the node that get an answer; their descriptors are reserved.</summary>
    private const int RefusedAtOnce = 128;

    private int _active;

    /// <summary>Changed by a reload.</summary>
    public int MaxConnections { get; set; } = maxConnections;

    public int RefusedOnAReactor => refusedOnAReactor;

    /// <summary>Clients that have a place. Those that were refused have none.</summary>
    public int Active => Volatile.Read(ref _active);

    /// <summary>Set once the node drains: new clients are refused.</summary>
    public volatile bool Draining;

    /// <summary>The system has hardly any memory left: new clients are refused.</summary>
    public volatile bool MemoryShort;

    /// <summary>A reactor's part of the refused clients, few as they may be.</summary>
    public static int RefusedOnEach(int reactors) => Math.Max(8, RefusedAtOnce / reactors);

    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _active) <= MaxConnections) return true;
        Leave();
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _active);
}
