using System.Collections.Immutable;

namespace ActorLb.Cluster;

/// <summary>What a node is and how patient it is.</summary>
internal sealed record ClusterSettings(
    PeerId Self, string Address, string? Zone, int Weight, TimeSpan LeaseTtl, int ShardCount)
{
    /// <summary>How often the coordinator shows the watchers that the store still speaks to them.</summary>
    public long TickMilliseconds { get; init; } = 2_000;

    /// <summary>Missed ticks after which a watch counts as silent.</summary>
    public int MissedTicks { get; init; } = 3;

    /// <summary>The store is this process's own: there is nobody to wait for.</summary>
    public bool IsAlone { get; init; }

    /// <summary>Kept in the store for nodes that have no other way to learn it; null when a shared secret gives it.</summary>
    public byte[]? HashKey { get; init; }

    /// <summary>Pause after a failed call of the store.</summary>
    public long RetryMilliseconds { get; init; } = 500;

    /// <summary>
    /// A store without a table may have lost it: time for nodes that know the last one to say so, before a newcomer writes a first one.
    /// </summary>
    public long FirstTableMilliseconds => IsAlone ? 0 : Math.Min(2000, GraceMilliseconds);

    /// <summary>Time for nodes to register again after the store lost them all.</summary>
    public long GraceMilliseconds => (long)LeaseTtl.TotalMilliseconds;
}

internal enum StoreCallKind { Grant, KeepAlive, Revoke, Range, Commit }

/// <summary>A call of the store as a value: the shell executes it and hands the reply back under the number.</summary>
internal sealed record StoreCall(int Number, StoreCallKind Kind, long Lease, StoreTransaction? Transaction);

internal sealed record StoreReply(
    int Number, StoreError Error, string? Detail, long Lease, bool Alive, StoreRange? Range, StoreCommit Commit)
{
    public bool IsOk => Error == StoreError.None;

    /// <summary>Of a commit: nobody knows whether it was done, or the store is not as this node pictured it. Listing again tells.</summary>
    public bool LeavesDoubt => Error == StoreError.OutcomeUnknown || (IsOk && !Commit.Succeeded);
}

/// <summary>What the core wants done. The shell does it in order.</summary>
internal abstract record ClusterEffect;

internal sealed record CallStore(StoreCall Call) : ClusterEffect;

/// <summary>Watch the whole prefix from a revision on, instead of any watch before.</summary>
internal sealed record WatchStore(long FromRevision) : ClusterEffect;

/// <summary>The table in force from now on.</summary>
internal sealed record AdoptMap(ShardMap Map) : ClusterEffect;

/// <summary>Everyone whom this node wants to talk to.</summary>
internal sealed record WantPeers(ImmutableArray<PeerEndpoint> Peers) : ClusterEffect;

/// <summary>Find out whether a process answers at the address; the answer goes to <c>OnProbed</c>.</summary>
internal sealed record ProbeAddress(PeerId Peer, string Address) : ClusterEffect;

/// <summary>The directory of backends changed.</summary>
internal sealed record BackendsChanged : ClusterEffect;

/// <summary>For people: log, <c>cluster tail</c>.</summary>
internal sealed record Announce(ClusterEventKind Kind, string Text) : ClusterEffect;

/// <summary>This node is no longer part of the cluster, and must not come back as it is.</summary>
internal sealed record Ended(bool Planned, string Reason) : ClusterEffect;

/// <summary>Frozen numbers: they appear in the admin API.</summary>
internal enum ClusterEventKind
{
    StoreLost = 1,
    StoreBack = 2,
    Registered = 3,
    NameTaken = 4,
    MemberUp = 5,
    MemberGone = 6,
    MemberLeaving = 7,
    CoordinatorChanged = 8,
    TableAdopted = 9,
    TableInvalid = 10,
    LeaseLost = 11,
    Displaced = 12,
    Left = 13,
    PeerUp = 14,
    PeerDown = 15,
    HandOff = 16,
    BackendChanged = 17,
    StoreRestored = 18,
}
