namespace ActorLb.Sticky.Map.Sharding;

internal enum ShardPhase : byte
{
    /// <summary>The shard is not open on this node, which may still hold a copy.</summary>
    Closed,

    /// <summary>The actor has started and looks for the newest copy.</summary>
    Opening,

    /// <summary>The shard is served. Lookups are answered as owner in this phase only.</summary>
    Open,

    /// <summary>The shard is being handed over; the content no longer changes.</summary>
    Sealing,
}

/// <summary>
/// What this node knows and holds of one shard. The content is identified by the epoch of the ownership that wrote it and the
/// number of its last change, so that the newer of two copies is always known. All members are accessed under <see cref="Gate"/>.
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
        for (int i = 0; i < Partitions.Length; i++)
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

    /// <summary>Owner and copies of the shard, as far as this node knows.</summary>
    public ShardAnnouncement? Seats { get; set; }

    /// <summary>The highest epoch that this node has seen.</summary>
    public ulong Highest { get; set; }

    /// <summary>Epoch of the content; 0 for none. While the shard is open, the epoch of its ownership.</summary>
    public ulong HeldEpoch { get; set; }

    /// <summary>Number of the last change in the content while the shard is not open.</summary>
    public ulong Applied { get; set; }

    public ulong Sequence => Phase is ShardPhase.Open or ShardPhase.Sealing ? Log.Last : Applied;

    /// <summary>
    /// The content follows the owner in <see cref="Seats"/> and has missed no change, as far as this node knows.
    /// </summary>
    public bool Synced { get; set; }

    /// <summary>The owner has sealed the shard: the content is complete.</summary>
    public bool IsSealed { get; set; }

    /// <summary>
    /// The content was served here and its last changes are unconfirmed: the next owner is offered what it lacks before the
    /// content is dropped.
    /// </summary>
    public bool MustOffer { get; set; }

    /// <summary>Progress of the offer: partition and position in it.</summary>
    public (int Partition, int Place, int Next, long SentAt) Offering { get; set; }

    public ShardStaging? Staging { get; set; }

    public long PullAt { get; set; }

    public CopyTarget? Replica { get; set; }

    public CopyTarget? Next { get; set; }

    public ShardOpening? Opening { get; set; }

    /// <summary>The actor was told to stop but is still running, so it must not open the shard again.</summary>
    public bool AwaitsStop { get; set; }

    public ulong SealFinal { get; set; }

    public long SealUntil { get; set; }

    public long SealSentAt { get; set; }

    /// <summary>Lookups answered on this node.</summary>
    public long Lookups { get; set; }

    public MapPartition Partition(int number) => Partitions[number - FirstPartition];

    public bool HasPartition(int number) => (uint)(number - FirstPartition) < (uint)Partitions.Length;

    public CopyTarget? TargetOf(MemberId member) => Replica?.Member == member ? Replica : Next?.Member == member ? Next : null;

    /// <summary>Drops content that no node needs.</summary>
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

    /// <summary>Ends this node's ownership. The content stays, read-only.</summary>
    /// <param name="handedOver">Another node confirmed that it has all changes.</param>
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
