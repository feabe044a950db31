using ActorLb.Cluster;

namespace ActorLb.Sticky;

internal enum ShardRole : byte { None, Owner, Replica, Next }

/// <summary>How far one copy of an owned shard has come.</summary>
internal sealed class CopyTarget(PeerId peer)
{
    public PeerId Peer { get; } = peer;

    /// <summary>It has, or is getting, a snapshot and follows the log from there.</summary>
    public bool Streams { get; set; }

    public ulong Sent { get; set; }

    public ulong Acked { get; set; }

    public long SentAt { get; set; }

    public long HintAt { get; set; }
}

/// <summary>A shard given away in a planned move: the new owner waits a moment for the last changes.</summary>
internal sealed class ShardSeal(PeerId to, ulong sent, ulong final, long until)
{
    public PeerId To { get; } = to;

    public ulong Sent { get; set; } = sent;

    public ulong Final { get; } = final;

    public long Until { get; } = until;

    public long SentAt { get; set; } = long.MinValue / 2;
}

/// <summary>A session that lives on this node.</summary>
/// <param name="Opened">Milliseconds of the clock.</param>
/// <param name="FellBack">
/// The owner was not asked, or its answer did not come in time, and it has not confirmed the mapping since.
/// </param>
internal readonly record struct LiveSession(BackendRef Backend, uint Number, long Opened, bool FellBack);

/// <summary>
/// All that this node knows of one shard: its entries, if it holds a copy, and this node's own live sessions. Every member is read and
/// written under <see cref="Gate"/>.
/// </summary>
internal sealed class RegionShard(int number, ShardStore store)
{
    /// <summary>Time for the old owner's last changes; then the new owner serves without them.</summary>
    public const long SealWaitMilliseconds = 50;

    internal readonly Lock Gate = new();

    public int Number => number;

    public ShardStore Store => store;

    public ulong Epoch { get; private set; }

    public ShardRole Role { get; private set; }

    /// <summary>Incarnation of the owner in the table in force, 0 for nobody.</summary>
    public ulong Owner { get; private set; }

    /// <summary>Owner, and past the wait for the seal: the only state in which lookups are answered.</summary>
    public bool Serves { get; private set; }

    /// <summary>Incarnation of the owner that this copy follows, or whose seal it waits for; 0 for none.</summary>
    public ulong Source { get; private set; }

    /// <summary>The copy is complete up to <see cref="Applied"/>.</summary>
    public bool Synced { get; set; }

    public ulong Applied { get; set; }

    public long SealDeadline { get; private set; }

    public ShardTable? Staging { get; set; }

    public ulong StagingSequence { get; set; }

    /// <summary>A snapshot was asked for and counts against the limit.</summary>
    public bool Pulling { get; set; }

    public long PullAt { get; set; }

    public CopyTarget? ReplicaTarget { get; private set; }

    public CopyTarget? NextTarget { get; private set; }

    public ShardSeal? Seal { get; set; }

    public Dictionary<ulong, LiveSession>? Live { get; set; }

    public List<(ulong H, BackendRef Backend, long At)>? Ended { get; set; }

    /// <summary>Raised when the owner has to hear of the live sessions; they are confirmed up to <see cref="Learned"/>.</summary>
    public uint LearnVersion { get; set; }

    public uint Learned { get; set; }

    public long LearnAt { get; set; }

    public long LiveTouchAt { get; set; }

    /// <summary>Lookups answered from here.</summary>
    public long Lookups { get; set; }

    public bool IsCopy => Role is ShardRole.Replica or ShardRole.Next;

    public bool AwaitsSeal => Role == ShardRole.Owner && !Serves;

    /// <summary>The table in force says something of this shard.</summary>
    /// <param name="self">This node's index in the map, -1 when the map does not list it.</param>
    /// <param name="skipped">Tables lay in between that this node never saw.</param>
    public void Adopt(ShardMap map, int self, bool skipped, long now)
    {
        var seats = map.Shards[number];
        var owner = seats.Owner >= 0 ? map.Nodes[seats.Owner].Id.Incarnation : 0;
        if ((owner != Owner || skipped) && Live is { Count: > 0 })
        {
            LearnVersion++;
            LearnAt = now;
        }

        Epoch = map.Epoch;
        Owner = owner;
        var role = self < 0 ? ShardRole.None
            : seats.Owner == self ? ShardRole.Owner
            : seats.Replica == self ? ShardRole.Replica
            : seats.Next == self ? ShardRole.Next : ShardRole.None;
        if (role == ShardRole.Owner)
        {
            BecomeOwner(map, seats, now);
        }
        else
        {
            GiveUp(map, seats, now);
            Follow(role, now);
        }

        Role = role;
    }

    /// <summary>Answers lookups from now on.</summary>
    public void Serve()
    {
        Serves = true;
        Source = 0;
        Synced = true;
        store.Log.Begin();
    }

    public CopyTarget? TargetOf(PeerId peer) =>
        ReplicaTarget?.Peer == peer ? ReplicaTarget : NextTarget?.Peer == peer ? NextTarget : null;

    public void DropStaging()
    {
        Staging?.Dispose();
        Staging = null;
    }

    /// <summary>Nothing here is anybody's any more.</summary>
    public void ForgetEntries()
    {
        store.Table.Clear();
        store.Log.Trim(store.Log.Last);
        store.Log.Keeps = false;
    }

    private void BecomeOwner(ShardMap map, ShardSeats seats, long now)
    {
        if (Role != ShardRole.Owner)
        {
            DropStaging();
            Pulling = false;
            Seal = null;

            // A living former owner has changes that are still on the way, or not sent yet.
            var handedOver = IsCopy && Source != 0 && map.Nodes.Any(n => n.Id.Incarnation == Source);
            if (handedOver)
            {
                SealDeadline = now + SealWaitMilliseconds;
            }
            else
            {
                Serve();
            }
        }

        ReplicaTarget = Keep(map.NodeAt(seats.Replica));
        NextTarget = Keep(map.NodeAt(seats.Next));
    }

    private CopyTarget? Keep(PeerId? peer) => peer is not { } id ? null : TargetOf(id) ?? new CopyTarget(id);

    private void GiveUp(ShardMap map, ShardSeats seats, long now)
    {
        if (Serves && map.NodeAt(seats.Owner) is { } heir)
        {
            var sent = TargetOf(heir) is { Streams: true } target ? target.Acked : store.Log.Last;
            Seal = new ShardSeal(heir, sent, store.Log.Last, now + 1000);
        }

        Serves = false;
        ReplicaTarget = null;
        NextTarget = null;
    }

    private void Follow(ShardRole role, long now)
    {
        if (role == ShardRole.None)
        {
            DropStaging();
            Pulling = false;
            Synced = false;
            Source = 0;
            if (Seal is null)
            {
                ForgetEntries();
            }
        }
        else if (Source != Owner || !IsCopy)
        {
            // What is there stays until a snapshot replaces it: should the owner die before, it is better than nothing.
            DropStaging();
            Pulling = false;
            Synced = false;
            Source = Owner;
            Applied = 0;
            PullAt = now;
        }
    }
}
