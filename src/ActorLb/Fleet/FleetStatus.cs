using System.Collections.Immutable;
using ActorLb.Cluster;
using ActorLb.Sticky;

namespace ActorLb.Fleet;

/// <param name="Owned">Shards that it owns by the table in force.</param>
/// <param name="Copies">Shards of which it is the replica.</param>
internal sealed record FleetMember(
    string Name, ulong Incarnation, string Address, string? Zone, int Weight, bool IsLeaving, bool IsCoordinator, bool IsSelf,
    bool IsReachable, int Owned, int Copies);

/// <param name="Epoch">Count of the table in force, 0 before the first.</param>
/// <param name="Store">Null before the first answer.</param>
/// <param name="Entries">In shards that this node owns.</param>
/// <param name="Lag">Changes that replicas have not confirmed.</param>
internal sealed record FleetStatus(
    string Cluster, string Node, ulong Epoch, bool IsRegistered, bool IsCoordinator, bool IsLeaving, bool? IsStoreUp, string? StoreFault,
    ImmutableArray<FleetMember> Members, ShardStatus Shards, LookupCounts Lookups, int LiveNodes);

/// <param name="Bytes">Native memory of the tables.</param>
internal sealed record ShardStatus(
    int Owned, int Copies, int Unsynced, long Entries, long CopiedEntries, long Bytes, long Lag, long Evicted, long LiveSessions,
    long HandOffs, long Unsealed, long Snapshots, long DigestMismatches, long LogOverflows, long Learned);

internal sealed record LookupCounts(long Local, long Remote, long Hedge, long Fallback, int InFlight);

/// <summary>One shard, for <c>cluster-sharding shards</c>.</summary>
internal sealed record ShardLine(int Shard, string? Owner, string? Replica, string? Next, int Entries);

/// <summary>A backend as the fleet knows it.</summary>
/// <param name="Reference">What the sticky map calls it.</param>
/// <param name="Weight">An operator's weight; null leaves the configured one.</param>
/// <param name="DrainLeft">After what time, when this was told, a drain becomes down; null for never.</param>
internal sealed record FleetBackend(string Pool, string Id, BackendRef Reference, SlotState State, int? Weight, TimeSpan? DrainLeft);

/// <param name="Backend">None when the client has no entry.</param>
internal sealed record StickyEntry(ulong Hash, int Shard, BackendRef Backend, StickyOutcome Outcome);

internal sealed record ClusterEvent(DateTimeOffset Time, ClusterEventKind Kind, string Text);

/// <param name="IsPlanned">A leave; otherwise the node was displaced or declared down, and the process should stop.</param>
internal sealed record FleetEnd(bool IsPlanned, string Reason);
