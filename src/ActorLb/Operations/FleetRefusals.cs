namespace ActorLb.Operations;

/// <summary>What a node by itself and a fleet refuse alike.</summary>
internal static class FleetRefusals
{
    public static readonly Refusal NoEntry = new(RefusalKind.Unknown, "the client has no entry");

    public static readonly Refusal TakesNobody = new(RefusalKind.Refused, "the backend takes no new clients: it is drained, down or gone");

    public static Refusal NoNode(string name, IEnumerable<string> known) =>
        new(RefusalKind.Unknown, $"no node '{name}' in the cluster. Known: {string.Join(", ", known)}");

    public static Refusal OwnerSilent(string? owner, int shard) => new(
        RefusalKind.Unavailable, owner is null ? $"nobody owns shard {shard} at present" : $"node {owner}, which owns shard {shard}, does not answer");
}
