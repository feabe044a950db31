namespace ActorLb.Protocol.Admin;

/// <summary>What the sticky map holds for a client in one pool.</summary>
/// <param name="Backend">Null when the client has none.</param>
/// <param name="Owner">The node that owns the client's shard.</param>
public sealed record StickyEntry(string ClientId, string Pool, string? Backend, int Shard, string? Owner);

public sealed record StickyEntries(StickyEntry[] Entries);

/// <param name="Backend">"host:port".</param>
public sealed record StickyBackend(string Backend);

public sealed record StickyFlush(string Pool, string Backend);

/// <param name="Entries">In this node's shards.</param>
/// <param name="Bytes">Size of their tables.</param>
/// <param name="Evicted">Entries evicted because of the limit, since the start.</param>
/// <param name="MaxEntries">Limit for the whole map.</param>
public sealed record StickyStats(
    string Node, long Entries, long Bytes, long Evicted, int MaxEntries, double TtlSeconds, string[] StickyPools);
