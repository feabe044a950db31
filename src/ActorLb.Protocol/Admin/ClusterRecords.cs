namespace ActorLb.Protocol.Admin;

/// <param name="State">"up", "joining", "leaving", "draining", "unreachable", "detached".</param>
/// <param name="Incarnation">Hexadecimal; differs for each process of the same name. Null on a node without a fleet.</param>
/// <param name="Shards">Shards that the member owns.</param>
public sealed record ClusterMember(
    string Name, string? Address, string? Zone, string State, bool Self, bool Coordinator, int Shards, string? Incarnation)
{
    /// <summary>12 hexadecimal digits that identify the configuration in force there; null until it is known.</summary>
    public string? ConfigurationHash { get; init; }

    /// <summary>Sections that should be the same on all nodes but differ from this node's, such as "pools.emqx".</summary>
    public string[] Differences { get; init; } = [];
}

public sealed record ClusterMembers(string Cluster, ClusterMember[] Members);

/// <param name="Coordination">"none" (a standalone node) or "akka".</param>
/// <param name="Coordinator">The node that assigns the shards.</param>
/// <param name="Members">0 while the node is detached.</param>
/// <param name="Moving">Shards being handed over to another node.</param>
/// <param name="State">The same values as for a member.</param>
/// <param name="Reason">Why the node is not a member; null for a member.</param>
public sealed record ClusterStatus(
    string Cluster, string Node, string Coordination, string? Coordinator, int Members, int Unreachable, int Shards, int ShardsOwned, int Moving,
    string State, string? Reason);

/// <param name="Node">Null for the node that receives the request.</param>
public sealed record ClusterNodeRequest(string? Node = null);

/// <summary>What was done, in words.</summary>
public sealed record Done(string Message);

/// <param name="Number">Grows by one from the node's start: a gap means that the reader was too slow.</param>
/// <param name="Kind">A stable word, such as "backend_out".</param>
public sealed record NodeEvent(long Number, DateTimeOffset Time, string Node, string Kind, string Text);

/// <param name="Entries">In the shards that it owns, as far as this node knows; null when unknown.</param>
public sealed record ShardRegionInfo(string Node, string? Address, int Owned, int Replicas, int Incoming, long? Entries);

public sealed record ShardRegions(ShardRegionInfo[] Regions);

/// <param name="Next">The node that is taking a copy, to become owner or replica.</param>
/// <param name="Entries">Null when the shard is not on the node that answers.</param>
/// <param name="Epoch">How often a new owner has opened the shard; 0 on a node without a fleet.</param>
public sealed record ShardInfo(int Shard, string? Owner, string? Replica, string? Next, int? Entries, ulong Epoch);

public sealed record ShardList(ShardInfo[] Shards);

/// <param name="Smallest">Entries in the smallest of this node's shards.</param>
/// <param name="Largest">Entries in the largest of this node's shards.</param>
/// <param name="Moving">Shards being handed over to another node.</param>
public sealed record ShardingStats(
    string Node, int Shards, int Owned, int Replicas, int Moving, long Entries, int Smallest, int Largest);
