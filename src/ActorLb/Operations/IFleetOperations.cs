using ActorLb.Balancing;
using ActorLb.Protocol.Admin;
using ActorLb.Sticky;

namespace ActorLb.Operations;

internal enum RefusalKind
{
    /// <summary>Nothing has that name.</summary>
    Unknown,

    /// <summary>The state of things forbids it.</summary>
    Refused,

    /// <summary>Whoever decides cannot be reached now; the outcome may be unknown.</summary>
    Unavailable,
}

/// <summary>Why an operator's wish was not done.</summary>
/// <param name="Reason">For people; names what and where.</param>
internal sealed record Refusal(RefusalKind Kind, string Reason);

/// <param name="Owner">Node that owns the key's shard; null when nobody does.</param>
internal readonly record struct StickyFinding(BackendRef Backend, int Shard, string? Owner);

/// <summary>
/// What an operator may ask or change that holds on every node: of a node by itself (<see cref="LoneNode"/>) and of a fleet alike. A
/// null refusal means that the change is in force. Any thread.
/// </summary>
internal interface IFleetOperations
{
    Task<Refusal?> SetStateAsync(Pool pool, Backend backend, AdminState state, CancellationToken cancel);

    /// <param name="weight">1 to 65,535.</param>
    Task<Refusal?> SetWeightAsync(Pool pool, Backend backend, int weight, CancellationToken cancel);

    /// <summary>Forgets all clients of a backend.</summary>
    Task<Refusal?> FlushAsync(Pool pool, Backend backend, CancellationToken cancel);

    /// <param name="h">Of <see cref="IStickyMap.Hash"/>.</param>
    Task<StickyFinding> FindAsync(ulong h, CancellationToken cancel);

    /// <summary>Gives the key to the backend, or takes its entry away when that is none.</summary>
    Task<Refusal?> ImposeAsync(ulong h, BackendRef backend, CancellationToken cancel);

    StickyStats StickyStats(string[] stickyPools);

    ClusterMembers Members();

    ClusterStatus Status();

    /// <param name="node">Null is this node.</param>
    Task<Refusal?> LeaveAsync(string? node, CancellationToken cancel);

    Task<Refusal?> DownAsync(string node, CancellationToken cancel);

    ShardRegions Regions();

    /// <param name="node">Only the shards that it holds; null for all.</param>
    /// <returns>Null when there is no such node.</returns>
    ShardList? Shards(string? node);

    ShardingStats Sharding();

    /// <summary>Has the coordinator place the shards anew.</summary>
    Task<Refusal?> RebalanceAsync(CancellationToken cancel);
}
