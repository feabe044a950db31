using ActorLb.Configuration;

namespace ActorLb.Proxying.Limits;

/// <summary>
/// Finds client ids that devices fight over: each connects, the broker ends the other's session (MQTT 3.1.4-3), that one comes back, without
/// end. What shows it on every node is that the broker ends sessions of one id whose clients had not said DISCONNECT, several times in a
/// short time; where the devices are connected to different nodes each node sees it of its own device. Only a broker that has accepted a
/// session can end it, so nobody without credentials has another's id refused. The CONNECTs of such an id are refused for a time: whoever
/// has the session keeps it. A fixed table by the ids' hash (four places each), written under the lock of a part; to ask takes none.
/// </summary>
internal sealed class TakeoverDamping
{
    /// <summary>Ids that are watched at once: 384 KiB.</summary>
    private const int Sets = 4096, Places = 4;

    private const int Locks = 64;

    private readonly Entry[] _entries = new Entry[Sets * Places];
    private readonly Lock[] _gates = [.. Enumerable.Range(0, Locks).Select(_ => new Lock())];
    private readonly DampingOptions _options;
    private readonly long _within, _delay;
    private long _refused, _damped;

    private TakeoverDamping(DampingOptions options)
    {
        _options = options;
        _within = (long)options.Within.TotalMilliseconds;
        _delay = (long)options.Delay.TotalMilliseconds;
    }

    /// <param name="Key">The id's hash; 0 is an unused place. Written last.</param>
    private struct Entry
    {
        public ulong Key;

        /// <summary>The first takeover that counts, and until when the id is refused (milliseconds).</summary>
        public long Since, Until;
        public int Takeovers;

        /// <summary>It was found to be fought over, and the fight has not paused since.</summary>
        public bool Known;
    }

    public DampingOptions Options => _options;

    /// <summary>CONNECTs refused, and times that an id was found to be fought over.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    public long Found => Interlocked.Read(ref _damped);

    /// <returns>Null for off; the same object while the options stay, so that a reload forgets nothing.</returns>
    public static TakeoverDamping? Create(DampingOptions? options, TakeoverDamping? old) =>
        options is null ? null : options == old?._options ? old : new TakeoverDamping(options) { _refused = old?.Refused ?? 0, _damped = old?.Found ?? 0 };

    /// <summary>Whether a CONNECT of the id is refused now.</summary>
    /// <param name="now">Milliseconds, monotonic.</param>
    public bool Refuses(ulong id, long now)
    {
        ulong key = KeyOf(id);
        int set = SetOf(key);
        for (int i = set; i < set + Places; i++)
        {
            if (Volatile.Read(ref _entries[i].Key) != key || now >= Volatile.Read(ref _entries[i].Until)) continue;
            Interlocked.Increment(ref _refused);
            return true;
        }
        return false;
    }

    /// <summary>The broker ended a session of the id, which its client had not.</summary>
    /// <returns>True when the id is found to be fought over, for the first time in this fight.</returns>
    public bool TakenOver(ulong id, long now)
    {
        ulong key = KeyOf(id);
        int set = SetOf(key);
        lock (_gates[(set / Places) % Locks])
        {
            ref var entry = ref PlaceOf(key, set, now);
            if (now < entry.Until) return false;
            if (entry.Key != key || now - entry.Since > _within)
            {
                Volatile.Write(ref entry.Key, 0);
                entry.Since = now;
                entry.Takeovers = 0;
                entry.Until = 0;
                entry.Known = false;
                Volatile.Write(ref entry.Key, key);
            }
            if (++entry.Takeovers < _options.Takeovers) return false;
            // While the fight goes on, the next takeover is enough.
            entry.Takeovers = _options.Takeovers - 1;
            entry.Since = now + _delay;
            Volatile.Write(ref entry.Until, now + _delay);
            Interlocked.Increment(ref _damped);
            bool isFirst = !entry.Known;
            entry.Known = true;
            return isFirst;
        }
    }

    /// <summary>The id's place, or that of the set that is least worth: what is past first, then what was seen longest ago.</summary>
    private ref Entry PlaceOf(ulong key, int set, long now)
    {
        int least = set;
        for (int i = set; i < set + Places; i++)
        {
            if (_entries[i].Key == key) return ref _entries[i];
            if (Worth(_entries[i], now) < Worth(_entries[least], now)) least = i;
        }
        if (now < _entries[least].Until) _entries[least].Until = 0;
        return ref _entries[least];
    }

    private long Worth(in Entry entry, long now) => entry.Key == 0 || now - entry.Since > _within ? long.MinValue : Math.Max(entry.Since, entry.Until);

    private static ulong KeyOf(ulong id) => id == 0 ? 1 : id;

    private static int SetOf(ulong key) => (int)((key >> 32) % Sets) * Places;
}
