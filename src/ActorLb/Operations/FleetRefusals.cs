using ActorLb.Balancing;

namespace ActorLb.Operations;

/// <summary>Refusals common to a fleet and a node by itself.</summary>
internal static class FleetRefusals
{
    public static readonly Refusal NoEntry = new(RefusalKind.Unknown, "the client has no entry");

    public static readonly Refusal TakesNobody = new(RefusalKind.Refused, "the backend takes no new clients: it is drained, down or gone");

    public static Refusal NoNode(string name, IEnumerable<string> known) =>
        new(RefusalKind.Unknown, $"no node '{name}' in the cluster. Known: {string.Join(", ", known)}");

    /// <summary>
    /// Refuses to close the clients of the only usable backend, because they would have nowhere to go. Null if there is another.
    /// </summary>
    public static Refusal? NobodyElse(Pool pool, Backend backend) => TakesClientsBeside(pool, backend) ? null : new Refusal(
        RefusalKind.Refused, $"no other backend of pool {pool.Name} takes new clients, so closed clients would find none; bring one up first, or drain without a rate");

    public static bool TakesClientsBeside(Pool pool, Backend backend)
    {
        foreach (var other in pool.Snapshot.Backends)
        {
            int limit = other.Options.MaxConnections;
            if (other != backend && other.Blocks == BackendBlocks.None && (limit == 0 || other.Active < limit)) return true;
        }
        return false;
    }

    /// <summary>Null if there is a drain to pause or resume.</summary>
    public static Refusal? NoPacing(Pool pool, Backend backend) => backend.Pacing is not null ? null : new Refusal(
        RefusalKind.Refused, $"backend {backend.Id} of pool {pool.Name} is not drained at a rate, so there is nothing to pause or resume");

    public static Refusal OwnerSilent(string? owner, int shard) => new(
        RefusalKind.Unavailable, owner is null ? $"shard {shard} has no owner at present" : $"node {owner}, which owns shard {shard}, does not answer");
}
