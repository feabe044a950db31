
namespace ActorLb.Sticky.Map.Sharding;

internal enum ShardPhase : byte
{
    /// <summary>No actor of this node has it open. It may hold a copy all the same.</summary>
    Closed,

    /// <summary>The actor was started and looks for the newest copy.</summary>
    Opening,

    /// <summary>The only phase in which lookups are answered as owner.</summary>
    Open,

    /// <summary>Handing over: nothing changes any more.</summary>
    Sealing,
}

/// <summary>A session that lives on this node.</summary>
/// <param name="Opened">Milliseconds of the clock.</param>
/// <param name="FellBack">
/// The owner was not asked, or its answer did not come in time, and it has not confirmed the mapping since.
/// </param>
internal readonly record struct LiveSession(BackendRef Backend, uint Number, long Opened, bool FellBack);

/// <summary>
/// One of the map's partitions: the entries, if this node holds them, and this node's own live sessions. Guarded by its shard's lock.
/// </summary>
internal sealed class MapPartition(int number, ShardStore store)
{
    public int Number => number;

    public ShardStore Store => store;

    public Dictionary<ulong, LiveSession>? Live { get; set; }

    /// <summary>What the owner has still to hear of: sessions that ended, and clients that were not accepted.</summary>
    public List<(ulong H, BackendRef Backend, long At, bool IsRefused)>? Ended { get; set; }

    /// <summary>Raised when the owner has to hear of the live sessions; they are confirmed up to <see cref="Learned"/>.</summary>
    public uint LearnVersion { get; set; }

    public uint Learned { get; set; }

    public long LearnAt { get; set; }

    public long LiveTouchAt { get; set; }

    /// <summary>Some of the sessions fell back since the owner confirmed last.</summary>
    public bool FellBack { get; set; }

    /// <summary>When the owner's answer came too late, last.</summary>
    public long LateAt { get; set; } = -1;
}

/// <summary>How far one copy of an open shard has come.</summary>
internal sealed class CopyTarget(PeerId peer)
{
    public PeerId Peer { get; } = peer;

    /// <summary>It has, or is getting, a snapshot and follows the log from there.</summary>
    public bool Streams { get; set; }

    /// <summary>It said so itself.</summary>
    public bool IsComplete { get; set; }

    /// <summary>It has confirmed the seal.</summary>
    public bool IsSealed { get; set; }

    public ulong Sent { get; set; }

    public ulong Acked { get; set; }

    public long SentAt { get; set; }

    public long HintAt { get; set; } = long.MinValue / 2;
}

/// <summary>A snapshot that is being taken. What was held before stays in use until this one is whole.</summary>
internal sealed class ShardStaging(PeerId from, ulong epoch, bool follows, int partitions)
{
    private readonly ShardTable?[] _tables = new ShardTable?[partitions];
    private readonly ulong[] _sequences = new ulong[partitions];
    private readonly ulong[] _skipped = new ulong[partitions];
    private readonly bool[] _whole = new bool[partitions];

    public PeerId From => from;

    public ulong Epoch => epoch;

    /// <summary>Changes are applied to it meanwhile.</summary>
    public bool Follows => follows;

    /// <summary>Changes up to this number are in every partition that is whole.</summary>
    public ulong Applied { get; set; }

    public bool IsBegun { get; set; }

    public long At { get; set; }

    /// <summary>First partition that is missing, counted from the shard's first; the count of partitions when none is.</summary>
    public int Missing
    {
        get
        {
            var missing = Array.IndexOf(_whole, false);
            return missing < 0 ? partitions : missing;
        }
    }

    /// <summary>Every partition is there, and every change up to the latest of them.</summary>
    public bool IsComplete => Missing == partitions && (!follows || Applied >= _sequences.Max());

    public ulong Sequence => follows ? Applied : _sequences.Max();

    /// <summary>Takes a part in.</summary>
    /// <param name="index">The partition, counted from the shard's first.</param>
    public void Take(int index, in SnapshotPart part, int skipBits, long now)
    {
        if (part.Offset == 0)
        {
            _tables[index]?.Dispose();
            _tables[index] = new ShardTable(skipBits);
            _tables[index]!.EnsureRoom(part.Total);
            _sequences[index] = part.Sequence;
            _whole[index] = false;
            if (!IsBegun)
            {
                IsBegun = true;
                Applied = part.Sequence;
            }
        }

        if (_tables[index] is not { } table || _whole[index] || _sequences[index] != part.Sequence || table.Count != part.Offset)
        {
            // Of another copy of the partition, or a piece is missing: it is asked for again.
            return;
        }

        foreach (var entry in part.Entries)
        {
            table.Set(entry.H, BackendRef.FromValue(entry.Backend), MapContext.TouchOf(entry, now));
        }

        // A change that came before the partition it belongs to is in it, unless the two overtook each other.
        _whole[index] = table.Count == part.Total && _skipped[index] <= part.Sequence;
    }

    /// <summary>Applies the next change.</summary>
    public void Apply(int index, in MapOp op, long now)
    {
        Applied++;
        if (!_whole[index])
        {
            _skipped[index] = Applied;
        }
        else if (Applied > _sequences[index])
        {
            if (op.Kind == LogOpKind.Put)
            {
                _tables[index]!.Set(op.Entry.H, BackendRef.FromValue(op.Entry.Backend), MapContext.TouchOf(op.Entry, now));
            }
            else
            {
                _tables[index]!.Remove(op.Entry.H);
            }
        }
    }

    /// <summary>The table of a partition; it belongs to the caller from now on.</summary>
    public ShardTable Give(int index)
    {
        var table = _tables[index]!;
        _tables[index] = null;
        return table;
    }

    public void Drop()
    {
        foreach (var table in _tables)
        {
            table?.Dispose();
        }
    }
}

/// <summary>
/// All that this node knows of one shard. What it holds is named by the epoch of the ownership that made it and the number of the last
/// change in it, so that of two copies it is always known which is the newer. Every member is read and written under <see cref="Gate"/>.
/// </summary>
internal sealed class MapShard
{
    internal readonly Lock Gate = new();

    public MapShard(int number, MapContext context)
    {
        var settings = context.Settings;
        Number = number;
        Log = new ReplicationLog(settings.LogOps);
        Partitions = new MapPartition[settings.PartitionsPerShard];
        var stores = new StoreGroup();
        for (var i = 0; i < Partitions.Length; i++)
        {
            Partitions[i] = new MapPartition(
                (number * Partitions.Length) + i, new ShardStore(settings.PartitionBits, context.Slots, context.Rules, Log, stores));
        }
    }

    public int Number { get; }

    public MapPartition[] Partitions { get; }

    public int FirstPartition => Partitions[0].Number;

    public ReplicationLog Log { get; }

    public ShardPhase Phase { get; set; }

    public bool Serves => Phase == ShardPhase.Open;

    /// <summary>Where the shard is, as far as this node knows.</summary>
    public ShardAnnouncement? Seats { get; set; }

    /// <summary>The highest epoch that this node ever heard of.</summary>
    public ulong Highest { get; set; }

    /// <summary>Epoch of the content, 0 for none. While the shard is open, its own.</summary>
    public ulong HeldEpoch { get; set; }

    /// <summary>Number of the last change in the content of a shard that is not open.</summary>
    public ulong Applied { get; set; }

    public ulong Sequence => Phase is ShardPhase.Open or ShardPhase.Sealing ? Log.Last : Applied;

    /// <summary>The content follows the owner in <see cref="Seats"/> and missed nothing, as far as it can know.</summary>
    public bool Synced { get; set; }

    /// <summary>The owner that it follows has sealed: nothing can be missing.</summary>
    public bool IsSealed { get; set; }

    /// <summary>
    /// The content was served here and nobody confirmed the last of it: the next owner is offered what it lacks, before it is dropped.
    /// </summary>
    public bool MustOffer { get; set; }

    /// <summary>Where the offer stands: partition, and place in it.</summary>
    public (int Partition, int Place, int Next, long SentAt) Offering { get; set; }

    public ShardStaging? Staging { get; set; }

    public long PullAt { get; set; }

    public CopyTarget? Replica { get; set; }

    public CopyTarget? Next { get; set; }

    public ShardOpening? Opening { get; set; }

    /// <summary>The actor here was told to stop, and has not yet: it opens nothing again.</summary>
    public bool AwaitsStop { get; set; }

    public ulong SealFinal { get; set; }

    public long SealUntil { get; set; }

    public long SealSentAt { get; set; }

    /// <summary>Lookups answered from here.</summary>
    public long Lookups { get; set; }

    public MapPartition Partition(int number) => Partitions[number - FirstPartition];

    public bool HasPartition(int number) => (uint)(number - FirstPartition) < (uint)Partitions.Length;

    public CopyTarget? TargetOf(PeerId peer) => Replica?.Peer == peer ? Replica : Next?.Peer == peer ? Next : null;

    /// <summary>Content that follows nobody and was never served: nobody misses it.</summary>
    public void Forget()
    {
        DropStaging();
        foreach (var partition in Partitions)
        {
            partition.Store.Table.Clear();
        }

        HeldEpoch = 0;
        Applied = 0;
        Synced = false;
        IsSealed = false;
        MustOffer = false;
    }

    public void DropStaging()
    {
        Staging?.Drop();
        Staging = null;
    }

    /// <summary>The ownership ends here, for whatever reason; the content stays, read only.</summary>
    /// <param name="handedOver">Another node confirmed that it has everything.</param>
    public void Close(bool handedOver)
    {
        Applied = Sequence;
        MustOffer |= Phase is ShardPhase.Open or ShardPhase.Sealing && !handedOver;
        Offering = default;
        Phase = ShardPhase.Closed;
        Opening = null;
        Replica = null;
        Next = null;
        Synced = false;
        Log.Keeps = false;
        Log.Trim(Log.Last);
    }
}
