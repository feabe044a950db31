using System.Collections.Concurrent;
using System.Numerics;
using ActorLb.Sticky.Map.Lookups;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

/// <param name="Shards">A power of two, the same on all nodes.</param>
/// <param name="MaxEntries">Of the whole map on this node.</param>
internal sealed record MapSettings(int Shards, TimeSpan Ttl, int MaxEntries)
{
    /// <summary>The top bits of a key that choose its partition; 10 but in tests. Nodes of all versions must agree.</summary>
    public int PartitionBits { get; init; } = 10;

    /// <summary>As many as <see cref="PartitionBits"/> makes unless a test sets it.</summary>
    public const int StandardPartitions = 1 << 10;

    /// <summary>Time in which every partition is swept and compared with its copy once.</summary>
    public long DigestMilliseconds { get; init; } = 60_000;

    public long HedgeMilliseconds { get; init; } = 30;

    /// <summary>A little less than the promised 100 ms: the clock that looks at deadlines goes in steps of 5 ms.</summary>
    public long FallbackMilliseconds { get; init; } = 95;

    public int LastKnownGoodEntries { get; init; } = 1 << 17;

    /// <summary>Changes that a shard keeps for its copies at most, about 6 MB in all; a copy further behind takes a snapshot.</summary>
    public int LogOps { get; init; } = Math.Clamp((1 << 18) / Math.Max(1, Shards), 256, 4096);

    public int Partitions => 1 << PartitionBits;

    public int PartitionsPerShard => Partitions / Shards;

    /// <exception cref="ArgumentException">The shards aren't a power of two, or more than partitions.</exception>
    public void Check()
    {
        if (Shards < 1 || !BitOperations.IsPow2(Shards) || Shards > Partitions)
        {
            throw new ArgumentException($"{Shards} shards: a power of two of at most {Partitions} is needed.", nameof(Shards));
        }
    }
}

/// <summary>Where lookups of one shard go.</summary>
/// <param name="Owner">Null when it is unknown, gone or this node.</param>
/// <param name="Replica">Likewise.</param>
internal readonly record struct ShardRoute(
    PeerLookups? Owner, bool IsOwnerHere, bool IsOwnerUp, PeerLookups? Replica, bool IsReplicaHere, bool IsReplicaUp, ulong Epoch);

/// <summary>Members and directory of one moment, swapped as a whole.</summary>
/// <param name="Members">Null while the node is in no fleet.</param>
internal sealed record MapView(MapMembers? Members, ShardWishes Wishes, ShardDirectory Directory, PeerLookups[] Peers, ShardRoute[] Routes)
{
    public PeerLookups? Peer(PeerId id)
    {
        foreach (var peer in Peers)
        {
            if (peer.Id == id)
            {
                return peer;
            }
        }

        return null;
    }
}

/// <summary>What needs attention, as bits: set by any thread, taken by the clock.</summary>
internal sealed class MapBits(int count)
{
    private readonly ulong[] _words = new ulong[(count + 63) / 64];

    public int Words => _words.Length;

    public bool Any => _words.AsSpan().ContainsAnyExcept(0UL);

    public void Set(int bit)
    {
        ref var word = ref _words[bit >> 6];
        var mask = 1UL << (bit & 63);
        if ((Volatile.Read(ref word) & mask) == 0)
        {
            Interlocked.Or(ref word, mask);
        }
    }

    /// <summary>Takes the bits of one word.</summary>
    public ulong Take(int word) => Volatile.Read(ref _words[word]) == 0 ? 0 : Interlocked.Exchange(ref _words[word], 0);

    public static int Next(ref ulong bits, int word)
    {
        var bit = BitOperations.TrailingZeroCount(bits);
        bits &= bits - 1;
        return (word << 6) + bit;
    }
}

internal enum MapEvent { Opened, Sealed, Deposed }

/// <summary>What the parts of the map share.</summary>
internal sealed class MapContext
{
    private readonly int _partitionShift;
    private readonly int _shardShift;
    private readonly ConcurrentQueue<(MapEvent What, int Shard)> _events = new();
    private MapView _view;
    private long _badAt = long.MinValue / 2;

    public MapContext(MapSettings settings, BackendSlots slots, StickyClock clock, IMapTransport transport)
    {
        settings.Check();
        Settings = settings;
        Slots = slots;
        Clock = clock;
        Transport = transport;
        Outbox = new MapOutbox(transport);
        Rules = StickyRules.From(settings.Ttl, settings.MaxEntries, settings.Shards) with { LogOps = settings.LogOps };
        RoundMilliseconds = Math.Min(settings.DigestMilliseconds, Math.Max(1, (long)settings.Ttl.TotalMilliseconds / 6));
        _partitionShift = 64 - settings.PartitionBits;
        _shardShift = BitOperations.Log2((uint)settings.PartitionsPerShard);
        Soon = new MapBits(settings.Shards);
        Later = new MapBits(settings.Shards);
        TellSoon = new MapBits(settings.Partitions);
        TellLater = new MapBits(settings.Partitions);
        SeatsChanged = new MapBits(settings.Shards);
        ToAnnounce = new MapBits(settings.Shards);
        _view = new MapView(null, ShardWishes.None, new ShardDirectory([.. new ShardAnnouncement?[settings.Shards]]), [], new ShardRoute[settings.Shards]);
    }

    public MapSettings Settings { get; }

    public BackendSlots Slots { get; }

    public StickyClock Clock { get; }

    public IMapTransport Transport { get; }

    public MapOutbox Outbox { get; }

    public StickyRules Rules { get; }

    /// <summary>Time in which every partition has its turn once: often enough that a session's sign of life comes within its entry's life.</summary>
    public long RoundMilliseconds { get; }

    public MapView View
    {
        get => Volatile.Read(ref _view);
        set => Volatile.Write(ref _view, value);
    }

    /// <summary>Shards to be looked at within 5 ms.</summary>
    public MapBits Soon { get; }

    /// <summary>Shards to be looked at within 50 ms.</summary>
    public MapBits Later { get; }

    /// <summary>Partitions of whose sessions the owner has to hear, within 5 ms.</summary>
    public MapBits TellSoon { get; }

    /// <summary>Likewise, within 50 ms.</summary>
    public MapBits TellLater { get; }

    /// <summary>Shards whose seats are newer than those in the directory.</summary>
    public MapBits SeatsChanged { get; }

    /// <summary>Shards of this node that the others have to hear of.</summary>
    public MapBits ToAnnounce { get; }

    public MapCounters Counters { get; } = new();

    /// <summary>Wakes the clock when it sleeps.</summary>
    public Action? Wake { get; set; }

    /// <summary>
    /// Since when the thread pool owes the clock a sign of life, 0 for not at all. The clock has a thread of its own, but the answers of
    /// peers come by the pool: while that stands still they are not read. Written by the clock before its tick.
    /// </summary>
    public long PoolOwesSince { get; set; }

    /// <summary>Hears of every lookup that fell back; on the thread that gave it up, under the call's lock, so it must not block.</summary>
    public Action<FallbackNote>? FellBack { get; set; }

    /// <summary>Whether it wants to at the moment: writing a note is work, and many lookups may fall back at once.</summary>
    public Func<bool>? WantsFellBack { get; set; }

    /// <summary>Hears of messages that make no sense, once a second at most.</summary>
    public Action<PeerId, string>? Rejected { get; set; }

    /// <summary>
    /// Hears every answer that an owner gives, under the shard's lock, and every mapping that it learns (then without a kind): for whoever
    /// checks the rules.
    /// </summary>
    public Action<LookupKind, ulong, ulong, LookupResult>? Answered { get; set; }

    public int PartitionOf(ulong h) => (int)(h >> _partitionShift);

    public int ShardOfPartition(int partition) => partition >> _shardShift;

    public int ShardOf(ulong h) => PartitionOf(h) >> _shardShift;

    public void MarkSoon(int shard)
    {
        Soon.Set(shard);
        Wake?.Invoke();
    }

    public void MarkTell(int partition)
    {
        TellSoon.Set(partition);
        Wake?.Invoke();
    }

    public void Raise(MapEvent what, int shard)
    {
        _events.Enqueue((what, shard));
        Wake?.Invoke();
    }

    public bool TryTakeEvent(out (MapEvent What, int Shard) taken) => _events.TryDequeue(out taken);

    public bool HasEvents => !_events.IsEmpty;

    /// <summary>A message that no node of this kind sends: it is dropped.</summary>
    public void Reject(PeerId from, MapMessage message, string why)
    {
        Counters.CountRejected();
        var now = Clock.Milliseconds;
        var last = Volatile.Read(ref _badAt);
        if (now - last >= 1000 && Interlocked.CompareExchange(ref _badAt, now, last) == last)
        {
            Rejected?.Invoke(from, $"{message.GetType().Name}: {why}");
        }
    }

    public MapEntry ToWire(in ShardEntry entry, long now) => ToWire(entry.H, entry.Backend, entry.Touch, now);

    public MapEntry ToWire(ulong h, BackendRef backend, uint touch, long now) => new(
        h, backend.Value, (uint)Math.Min(StickyClock.Age(now, touch & ~ShardEntry.RefreshedBit), uint.MaxValue),
        (touch & ShardEntry.RefreshedBit) != 0 ? EntryFlags.Refreshed : EntryFlags.None);

    public static uint TouchOf(in MapEntry entry, long now) =>
        StickyClock.TicksAgo(now, entry.Age) | ((entry.Flags & EntryFlags.Refreshed) != 0 ? ShardEntry.RefreshedBit : 0);
}

/// <summary>Messages about copies that wait for the end of the turn, to leave as one for each peer.</summary>
internal sealed class MapOutbox(IMapTransport transport)
{
    private readonly Lock _gate = new();
    private readonly Lock _sending = new();
    private Dictionary<PeerId, List<MapMessage>> _waiting = [];
    private int _count;

    public bool Any => Volatile.Read(ref _count) > 0;

    public void Post(PeerId to, MapMessage message)
    {
        lock (_gate)
        {
            if (!_waiting.TryGetValue(to, out var list))
            {
                _waiting[to] = list = [];
            }

            list.Add(message);
            _count++;
        }
    }

    /// <summary>One at a time, so that what was posted first leaves first.</summary>
    public void Flush()
    {
        if (!Any)
        {
            return;
        }

        lock (_sending)
        {
            Dictionary<PeerId, List<MapMessage>> taken;
            lock (_gate)
            {
                taken = _waiting;
                _waiting = [];
                _count = 0;
            }

            foreach (var (to, messages) in taken)
            {
                Send(to, messages);
            }
        }
    }

    private void Send(PeerId to, List<MapMessage> messages)
    {
        for (var from = 0; from < messages.Count;)
        {
            var bytes = messages[from].Size;
            var end = from + 1;
            while (end < messages.Count && bytes + messages[end].Size <= MapLimits.MaxBytes)
            {
                bytes += messages[end++].Size;
            }

            transport.Send(to, end == from + 1 ? messages[from] : new MapMessages([.. messages[from..end]]));
            from = end;
        }
    }
}

/// <summary>Totals since the start.</summary>
internal sealed class MapCounters
{
    private long _remote;
    private long _hedge;
    private long _fallback;
    private long _handOffs;
    private long _snapshots;
    private long _digestMismatches;
    private long _logOverflows;
    private long _learned;
    private long _offered;
    private long _rejected;
    private long _batches;
    private long _openings;
    private long _openingMilliseconds;

    public long Remote => Volatile.Read(ref _remote);

    public long Hedge => Volatile.Read(ref _hedge);

    public long Fallback => Volatile.Read(ref _fallback);

    /// <summary>Shards given away whose last change was confirmed.</summary>
    public long HandOffs => Volatile.Read(ref _handOffs);

    /// <summary>Snapshots taken in.</summary>
    public long Snapshots => Volatile.Read(ref _snapshots);

    public long DigestMismatches => Volatile.Read(ref _digestMismatches);

    /// <summary>Copies that fell so far behind that they had to take another snapshot.</summary>
    public long LogOverflows => Volatile.Read(ref _logOverflows);

    public long Learned => Volatile.Read(ref _learned);

    /// <summary>Entries that a former owner offered and that were missing here.</summary>
    public long Offered => Volatile.Read(ref _offered);

    /// <summary>Messages that made no sense.</summary>
    public long Rejected => Volatile.Read(ref _rejected);

    /// <summary>Messages with lookups sent.</summary>
    public long Batches => Volatile.Read(ref _batches);

    /// <summary>Shards opened here.</summary>
    public long Openings => Volatile.Read(ref _openings);

    /// <summary>The sum of the times from the start of a shard's actor to its opening: nobody owned it then.</summary>
    public long OpeningMilliseconds => Volatile.Read(ref _openingMilliseconds);

    public void Count(StickyOutcome outcome)
    {
        switch (outcome)
        {
            case StickyOutcome.Remote: Interlocked.Increment(ref _remote); break;
            case StickyOutcome.Hedge: Interlocked.Increment(ref _hedge); break;
            case StickyOutcome.Fallback: Interlocked.Increment(ref _fallback); break;
            case StickyOutcome.Local: break;
            default: throw new ArgumentOutOfRangeException(nameof(outcome));
        }
    }

    public void CountHandOff() => Interlocked.Increment(ref _handOffs);

    public void CountSnapshot() => Interlocked.Increment(ref _snapshots);

    public void CountDigestMismatch() => Interlocked.Increment(ref _digestMismatches);

    public void CountLogOverflow() => Interlocked.Increment(ref _logOverflows);

    public void CountLearned() => Interlocked.Increment(ref _learned);

    public void CountOffered() => Interlocked.Increment(ref _offered);

    public void CountRejected() => Interlocked.Increment(ref _rejected);

    public void CountOpening(long milliseconds)
    {
        Interlocked.Increment(ref _openings);
        Interlocked.Add(ref _openingMilliseconds, milliseconds);
    }

    public void CountBatch() => Interlocked.Increment(ref _batches);
}
