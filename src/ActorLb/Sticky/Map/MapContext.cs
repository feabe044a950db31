using System.Collections.Concurrent;
using System.Numerics;
using ActorLb.Sticky.Map.Lookups;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Sticky.Map;

internal enum MapEvent { Opened, Sealed, Deposed }

/// <summary>State shared by the parts of the map.</summary>
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
        ReportSoon = new MapBits(settings.Partitions);
        ReportLater = new MapBits(settings.Partitions);
        SeatsChanged = new MapBits(settings.Shards);
        ToAnnounce = new MapBits(settings.Shards);
        _view = new MapView(null, DesiredSeats.None, new ShardDirectory([.. new ShardAnnouncement?[settings.Shards]]), [], new ShardRoute[settings.Shards]);
    }

    public MapSettings Settings { get; }

    public BackendSlots Slots { get; }

    public StickyClock Clock { get; }

    public IMapTransport Transport { get; }

    public MapOutbox Outbox { get; }

    public StickyRules Rules { get; }

    /// <summary>
    /// The period in which every partition is visited once: short enough to renew the entries of live sessions before they
    /// expire.
    /// </summary>
    public long RoundMilliseconds { get; }

    public MapView View
    {
        get => Volatile.Read(ref _view);
        set => Volatile.Write(ref _view, value);
    }

    /// <summary>Shards that need attention within 5 ms.</summary>
    public MapBits Soon { get; }

    /// <summary>Shards that need attention within 50 ms.</summary>
    public MapBits Later { get; }

    /// <summary>Partitions whose sessions must be sent to the owner within 5 ms.</summary>
    public MapBits ReportSoon { get; }

    /// <summary>Partitions whose sessions must be sent to the owner within 50 ms.</summary>
    public MapBits ReportLater { get; }

    /// <summary>Shards whose seats are newer than the directory's.</summary>
    public MapBits SeatsChanged { get; }

    /// <summary>Shards of this node that must be announced to the other members.</summary>
    public MapBits ToAnnounce { get; }

    public MapCounters Counters { get; } = new();

    /// <summary>Wakes the clock when it sleeps.</summary>
    public Action? Wake { get; set; }

    /// <summary>
    /// Since when the thread pool has not run the clock's check; 0 if it has. Answers of other nodes arrive on the pool, so while
    /// it stalls they aren't read. Written by the clock before each tick.
    /// </summary>
    public long PoolOwesSince { get; set; }

    /// <summary>
    /// Called for every lookup that fell back, on the thread that gave up, under the call's lock. Must not block.
    /// </summary>
    public Action<FallbackNote>? FellBack { get; set; }

    /// <summary>
    /// Whether <see cref="FellBack"/> is worth calling: describing a fallback costs time, and many lookups may fall back at once.
    /// </summary>
    public Func<bool>? IsFallbackLogEnabled { get; set; }

    /// <summary>Called for invalid messages, at most once a second.</summary>
    public Action<MemberId, string>? Rejected { get; set; }

    /// <summary>
    /// Called under the shard's lock for every answer that this node gives as owner, and for every mapping it learns (with a
    /// default kind). Lets tests check the invariants.
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

    public void MarkReport(int partition)
    {
        ReportSoon.Set(partition);
        Wake?.Invoke();
    }

    public void Raise(MapEvent what, int shard)
    {
        _events.Enqueue((what, shard));
        Wake?.Invoke();
    }

    public bool TryTakeEvent(out (MapEvent What, int Shard) taken) => _events.TryDequeue(out taken);

    public bool HasEvents => !_events.IsEmpty;

    /// <summary>Drops a message that no correct node sends.</summary>
    public void Reject(MemberId from, MapMessage message, string why)
    {
        Counters.CountRejected();
        long now = Clock.Milliseconds;
        long last = Volatile.Read(ref _badAt);
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
