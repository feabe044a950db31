using ActorLb.Balancing;
using ActorLb.Protocol.Admin;
using ActorLb.Standalone;
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

/// <param name="Owner">Node that owns the client's shard; null when nobody does.</param>
/// <param name="Outcome">Who answered: with <see cref="StickyOutcome.Fallback"/> nobody who could know.</param>
internal readonly record struct StickyFinding(BackendRef Backend, int Shard, string? Owner, StickyOutcome Outcome);

/// <summary>
/// What an operator may ask or change that holds on every node: of a node by itself (<see cref="LoneNode"/>) and of a fleet alike. A
/// null refusal means that the change is in force. Any thread.
/// </summary>
internal interface IFleetOperations
{
    /// <param name="deadline">After this time a drain becomes down: its clients are placed anew. Null for never; only for a drain.</param>
    Task<Refusal?> SetStateAsync(Pool pool, Backend backend, AdminState state, TimeSpan? deadline, CancellationToken cancel);

    /// <summary>Drains a backend and closes its sessions at a pace; one that is being emptied already goes on at the new rate.</summary>
    /// <param name="rate">Sessions a second, over the fleet.</param>
    /// <param name="deadline">As with <see cref="SetStateAsync"/>.</param>
    Task<Refusal?> DrainAtPaceAsync(Pool pool, Backend backend, double rate, TimeSpan? deadline, CancellationToken cancel);

    /// <summary>Holds a drain at a pace, or has it go on. While it is paused its deadline does not come nearer.</summary>
    Task<Refusal?> SetDrainPausedAsync(Pool pool, Backend backend, bool paused, CancellationToken cancel);

    /// <param name="weight">1 to 65,535.</param>
    Task<Refusal?> SetWeightAsync(Pool pool, Backend backend, int weight, CancellationToken cancel);

    /// <summary>Forgets all clients of a backend.</summary>
    Task<Refusal?> FlushAsync(Pool pool, Backend backend, CancellationToken cancel);

    Task<StickyFinding> FindAsync(string pool, string clientId, CancellationToken cancel);

    /// <summary>Gives the client to the backend, or takes its entry away when that is none.</summary>
    Task<Refusal?> ImposeAsync(string pool, string clientId, BackendRef backend, CancellationToken cancel);

    /// <param name="stickyPools">Names of the pools whose clients stick: part of the answer.</param>
    Task<StickyStats> StickyStatsAsync(string[] stickyPools, CancellationToken cancel);

    Task<ClusterMembers> MembersAsync(CancellationToken cancel);

    Task<ClusterStatus> StatusAsync(CancellationToken cancel);

    /// <param name="node">Null is this node.</param>
    Task<Refusal?> LeaveAsync(string? node, CancellationToken cancel);

    Task<Refusal?> DownAsync(string node, CancellationToken cancel);

    Task<ShardRegions> RegionsAsync(CancellationToken cancel);

    /// <param name="node">Only the shards that it holds; null for all.</param>
    /// <returns>Null when there is no such node.</returns>
    Task<ShardList?> ShardsAsync(string? node, CancellationToken cancel);

    Task<ShardingStats> ShardingAsync(CancellationToken cancel);

    /// <summary>Has the shards placed evenly; how many are on their way, or why not.</summary>
    Task<(Refusal? Refusal, int Moving)> RebalanceAsync(CancellationToken cancel);
}
