using ActorLb.Balancing;

namespace ActorLb.Operations;

/// <summary>What a node by itself and a fleet refuse alike.</summary>
internal static class FleetRefusals
{
    public static readonly Refusal NoEntry = new(RefusalKind.Unknown, "the client has no entry");

    public static readonly Refusal TakesNobody = new(RefusalKind.Refused, "the backend takes no new clients: it is drained, down or gone");

    public static Refusal NoNode(string name, IEnumerable<string> known) =>
        new(RefusalKind.Unknown, $"no node '{name}' in the cluster. Known: {string.Join(", ", known)}");

    /// <summary>Closing the last backend's clients would leave them nowhere to go. Null when there is another.</summary>
    public static Refusal? NobodyElse(Pool pool, Backend backend) => TakesClientsBeside(pool, backend) ? null : new Refusal(
        RefusalKind.Refused, $"no other backend of pool {pool.Name} takes new clients, so those that are closed would find none; bring one up first, or drain without a rate");

    public static bool TakesClientsBeside(Pool pool, Backend backend)
    {
        foreach (Backend other in pool.Snapshot.Backends)
        {
            int limit = other.Options.MaxConnections;
            if (other != backend && other.Blocks == BackendBlocks.None && (limit == 0 || other.Active < limit)) return true;
        }
        return false;
    }

    /// <summary>Null when there is a drain to pause or resume.</summary>
    public static Refusal? NoPacing(Pool pool, Backend backend) => backend.Pacing is not null ? null : new Refusal(
        RefusalKind.Refused, $"backend {backend.Id} of pool {pool.Name} is not drained at a rate, so there is nothing to pause or resume");

    public static Refusal OwnerSilent(string? owner, int shard) => new(
        RefusalKind.Unavailable, owner is null ? $"nobody owns shard {shard} at present" : $"node {owner}, which owns shard {shard}, does not answer");
}
