using ActorLb.Balancing;
using ActorLb.Protocol.Admin;
using ActorLb.Standalone;
using ActorLb.Sticky;

namespace ActorLb.Operations;

/// <param name="Owner">The node that owns the client's shard; null if there is none.</param>
/// <param name="Outcome">Who answered; with <see cref="StickyOutcome.Fallback"/> neither owner nor replica did.</param>
internal readonly record struct StickyFinding(BackendRef Backend, int Shard, string? Owner, StickyOutcome Outcome);

/// <summary>
/// Operators' queries and changes that apply to the whole fleet, implemented for a fleet (<see cref="FleetOperations"/>) and for a
/// node by itself (<see cref="StandaloneOperations"/>). A null refusal means that the change is in force on this node. Thread-safe.
/// </summary>
internal interface IOperatorCommands
{
    /// <param name="deadline">
    /// For a drain only: after this time the backend goes down and its clients are placed again. Null for never.
    /// </param>
    Task<Refusal?> SetStateAsync(Pool pool, Backend backend, AdminState state, TimeSpan? deadline, CancellationToken cancel);

    /// <summary>
    /// Drains a backend and closes its sessions at a rate; a paced drain already in progress continues at the new rate.
    /// </summary>
    /// <param name="rate">Sessions per second, in the whole fleet.</param>
    /// <param name="deadline">The same as for <see cref="SetStateAsync"/>.</param>
    Task<Refusal?> DrainAtPaceAsync(Pool pool, Backend backend, double rate, TimeSpan? deadline, CancellationToken cancel);

    /// <summary>Pauses or resumes a paced drain. Its deadline stands still while it is paused.</summary>
    Task<Refusal?> SetDrainPausedAsync(Pool pool, Backend backend, bool paused, CancellationToken cancel);

    /// <param name="weight">1 to 65,535.</param>
    Task<Refusal?> SetWeightAsync(Pool pool, Backend backend, int weight, CancellationToken cancel);

    /// <summary>Removes the sticky entries of all clients of a backend.</summary>
    Task<Refusal?> FlushAsync(Pool pool, Backend backend, CancellationToken cancel);

    Task<StickyFinding> FindAsync(string pool, string clientId, CancellationToken cancel);

    /// <summary>Assigns the client to the backend, or removes its entry if that is none.</summary>
    Task<Refusal?> ImposeAsync(string pool, string clientId, BackendRef backend, CancellationToken cancel);

    /// <param name="stickyPools">Names of the sticky pools, returned in the result.</param>
    Task<StickyStats> StickyStatsAsync(string[] stickyPools, CancellationToken cancel);

    Task<ClusterMembers> MembersAsync(CancellationToken cancel);

    Task<ClusterStatus> StatusAsync(CancellationToken cancel);

    /// <param name="node">The node's name; null for this node.</param>
    Task<Refusal?> LeaveAsync(string? node, CancellationToken cancel);

    Task<Refusal?> DownAsync(string node, CancellationToken cancel);

    Task<ShardRegions> RegionsAsync(CancellationToken cancel);

    /// <param name="node">Only shards that this node holds; null for all.</param>
    /// <returns>Null if there is no such node.</returns>
    Task<ShardList?> ShardsAsync(string? node, CancellationToken cancel);

    Task<ShardingStats> ShardingAsync(CancellationToken cancel);

    /// <summary>Rebalances the shards; returns how many are moving, or why it was refused.</summary>
    Task<(Refusal? Refusal, int Moving)> RebalanceAsync(CancellationToken cancel);
}
