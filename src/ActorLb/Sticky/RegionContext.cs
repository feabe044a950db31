using System.Numerics;
using ActorLb.Cluster;
using ActorLb.Protocol.Peer;

namespace ActorLb.Sticky;

/// <summary>The table in force as the region uses it: one consistent picture, swapped as a whole.</summary>
/// <param name="Self">This node's index in the map, -1 when it is not listed.</param>
/// <param name="Peers">By the map's index; null for this node.</param>
internal sealed record RegionView(ShardMap Map, int Self, PeerCalls?[] Peers)
{
    public static readonly RegionView Empty = new(ShardMap.None, -1, []);

    public ShardSeats Seats(int shard) => shard < Map.Shards.Length ? Map.Shards[shard] : ShardSeats.Empty;

    public PeerCalls? Peer(ulong incarnation)
    {
        foreach (var peer in Peers)
        {
            if (peer is not null && peer.Id.Incarnation == incarnation)
            {
                return peer;
            }
        }

        return null;
    }
}

/// <summary>Shards that need attention, as bits: set by any thread, taken by the region's clock.</summary>
internal sealed class ShardBits(int shards)
{
    private readonly ulong[] _words = new ulong[(shards + 63) / 64];

    public void Set(int shard)
    {
        ref var word = ref _words[shard >> 6];
        var bit = 1UL << (shard & 63);
        if ((Volatile.Read(ref word) & bit) == 0)
        {
            Interlocked.Or(ref word, bit);
        }
    }

    /// <summary>Takes the bits of one word.</summary>
    public ulong Take(int word) => Volatile.Read(ref _words[word]) == 0 ? 0 : Interlocked.Exchange(ref _words[word], 0);

    public int Words => _words.Length;

    public bool Any
    {
        get
        {
            foreach (ref var word in _words.AsSpan())
            {
                if (Volatile.Read(ref word) != 0)
                {
                    return true;
                }
            }

            return false;
        }
    }

    public static int Next(ref ulong bits, int word)
    {
        var bit = BitOperations.TrailingZeroCount(bits);
        bits &= bits - 1;
        return (word << 6) + bit;
    }
}

/// <param name="ShardBits">The top bits of a key that choose its shard; 12 but in tests.</param>
/// <param name="DigestMilliseconds">Time in which every shard is swept and compared with its copy once.</param>
internal sealed record RegionSettings(PeerId Self, TimeSpan Ttl, int MaxEntries)
{
    public int ShardBits { get; init; } = StickyHash.ShardBits;

    public long DigestMilliseconds { get; init; } = 60_000;

    public long HedgeMilliseconds { get; init; } = 30;

    /// <summary>A little less than the promised 100 ms: the clock that looks at deadlines goes in steps of 5 ms.</summary>
    public long FallbackMilliseconds { get; init; } = 95;

    public int LastKnownGoodEntries { get; init; } = 1 << 17;

    /// <summary>Changes that a shard keeps for its copies at most; a copy further behind takes a snapshot.</summary>
    public int LogOps { get; init; } = ReplicationLog.MaxOps;
}

/// <summary>Why a lookup was decided without the map, for people.</summary>
/// <param name="Waited">Milliseconds since it was asked, those included in which this node did not run.</param>
/// <param name="Late">Milliseconds of them in which it did not run.</param>
/// <param name="Owner">Name and state.</param>
/// <param name="Replica">Name and state.</param>
internal readonly record struct FallbackNote(int Shard, long Waited, long Late, string Owner, string Replica, StickyAnswer Answer);

/// <summary>What the region's parts share.</summary>
internal sealed class RegionContext(RegionSettings settings, BackendSlots slots, StickyClock clock)
{
    private RegionView _view = RegionView.Empty;
    private bool _copiesChanged;

    public RegionSettings Settings => settings;

    public PeerId Self => settings.Self;

    public BackendSlots Slots => slots;

    public StickyClock Clock => clock;

    /// <summary>Time in which every shard has its turn once: often enough that the sign of life of a session comes within its entry's life.</summary>
    public long RoundMilliseconds { get; } = Math.Min(settings.DigestMilliseconds, Math.Max(1, (long)settings.Ttl.TotalMilliseconds / 6));

    public StickyRules Rules { get; } = StickyRules.From(settings.Ttl, settings.MaxEntries, 1 << settings.ShardBits) with { LogOps = settings.LogOps };

    public RegionView View
    {
        get => Volatile.Read(ref _view);
        set => Volatile.Write(ref _view, value);
    }

    /// <summary>To be looked at within 5 ms.</summary>
    public ShardBits Soon { get; } = new(1 << settings.ShardBits);

    /// <summary>To be looked at within 50 ms.</summary>
    public ShardBits Later { get; } = new(1 << settings.ShardBits);

    public RegionCounters Counters { get; } = new();

    /// <summary>Wakes the clock when it sleeps.</summary>
    public Action? Wake { get; set; }

    /// <summary>
    /// Since when the thread pool owes the region's clock a sign of life, 0 for not at all. The clock has a thread of its own, but the
    /// answers of peers come by the pool: while that stands still they are not read. Written by the clock before its tick.
    /// </summary>
    public long PoolOwesSince { get; set; }

    /// <summary>Hears that copies became complete, or that a table gave new ones; on the clock's thread, once for all of its turn.</summary>
    public Action? CopiesChanged { get; set; }

    /// <summary>Hears of every lookup that fell back; on the thread that gave it up, under the call's lock, so it must not block.</summary>
    public Action<FallbackNote>? FellBack { get; set; }

    /// <summary>Whether it wants to at the moment: writing a note is work, and many lookups may fall back at once.</summary>
    public Func<bool>? WantsFellBack { get; set; }

    /// <summary>Hears every answer that an owner gives and every mapping it learns, under the shard's lock: for whoever checks the rules.</summary>
    public Action<Protocol.Peer.PeerFrameType, ulong, ulong, LookupResult>? Answered { get; set; }

    public bool HaveCopiesChanged => Volatile.Read(ref _copiesChanged);

    public void ChangeCopies()
    {
        Volatile.Write(ref _copiesChanged, true);
        Wake?.Invoke();
    }

    /// <summary>The clock's: tells whoever wants to know.</summary>
    public void TellCopies()
    {
        if (HaveCopiesChanged && Interlocked.Exchange(ref _copiesChanged, false))
        {
            CopiesChanged?.Invoke();
        }
    }

    public int ShardOf(ulong h) => (int)(h >> (64 - settings.ShardBits));

    public void MarkSoon(int shard)
    {
        Soon.Set(shard);
        Wake?.Invoke();
    }

    /// <summary>The two tables differ: whoever has the older one gets the newer.</summary>
    public void Reconcile(IPeerLink link, ulong theirEpoch)
    {
        var view = View;
        var peer = view.Peer(link.Peer.Incarnation);
        if (theirEpoch > view.Map.Epoch)
        {
            if (peer is null || peer.MayAskTable(theirEpoch, clock.Milliseconds))
            {
                Span<byte> frame = stackalloc byte[PeerFrameHeader.Size];
                var n = PeerOpaque.Write(frame, new PeerFrameHeader(PeerFrameType.TableRequest, 0, 0, 0, view.Map.Epoch), default);
                link.Send(frame[..n], PeerLane.Calls);
            }
        }
        else if (theirEpoch < view.Map.Epoch && (peer is null || peer.MaySendTable(view.Map.Epoch, clock.Milliseconds)))
        {
            SendTable(link);
        }
    }

    public void SendTable(IPeerLink link)
    {
        var map = View.Map;
        if (map.Epoch == 0)
        {
            return;
        }

        var body = map.Encode();
        var frame = new byte[PeerOpaque.SizeOf(body.Length)];
        PeerOpaque.Write(frame, new PeerFrameHeader(PeerFrameType.Table, 0, 0, 0, map.Epoch), body);
        link.Send(frame, PeerLane.Bulk);
    }
}

/// <summary>Totals since the start.</summary>
internal sealed class RegionCounters
{
    private long _remote;
    private long _hedge;
    private long _fallback;
    private long _handOffs;
    private long _snapshots;
    private long _digestMismatches;
    private long _unsealed;
    private long _logOverflows;
    private long _learned;

    public long Remote => Volatile.Read(ref _remote);

    public long Hedge => Volatile.Read(ref _hedge);

    public long Fallback => Volatile.Read(ref _fallback);

    /// <summary>Shards taken over or given away in planned moves.</summary>
    public long HandOffs => Volatile.Read(ref _handOffs);

    /// <summary>Snapshots taken in.</summary>
    public long Snapshots => Volatile.Read(ref _snapshots);

    public long DigestMismatches => Volatile.Read(ref _digestMismatches);

    /// <summary>Shards served before the former owner's seal came.</summary>
    public long Unsealed => Volatile.Read(ref _unsealed);

    /// <summary>Copies that fell so far behind that they had to take another snapshot.</summary>
    public long LogOverflows => Volatile.Read(ref _logOverflows);

    public long Learned => Volatile.Read(ref _learned);

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

    public void CountUnsealed() => Interlocked.Increment(ref _unsealed);

    public void CountLearned() => Interlocked.Increment(ref _learned);
}
