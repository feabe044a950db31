namespace ActorLb.Sticky;

internal enum LookupStatus : byte
{
    /// <summary>No valid entry, and no proposal that could become one.</summary>
    None,

    /// <summary>The entry existed.</summary>
    Found,

    /// <summary>The entry was created or moved.</summary>
    Assigned,
}

/// <summary>The result of adding an entry from a backend's own list of clients.</summary>
internal enum SeedResult : byte
{
    Added,

    /// <summary>The map already knows the client's backend.</summary>
    Known,

    /// <summary>The operator took the backend down, or it no longer exists.</summary>
    NoBackend,
    NoRoom,

    /// <summary>Another node owns the client's shard.</summary>
    Elsewhere,
}

internal readonly record struct LookupResult(LookupStatus Status, BackendRef Backend);

/// <param name="TtlTicks">Time to live of an entry since its last touch.</param>
/// <param name="MaxPerShard">
/// The most entries of a shard, except for connected clients beyond that: see <see cref="StickyRoom"/>.
/// </param>
internal sealed record StickyRules(uint TtlTicks, int MaxPerShard)
{
    /// <summary>
    /// Time to live of an entry that no backend has confirmed: longer than connection attempts and a CONNACK take by default. A
    /// failed session removes its entry itself; this is for sessions whose outcome never arrives.
    /// </summary>
    public uint ProvisionalTicks => Math.Min(TtlTicks, 30_000 / StickyClock.TickMilliseconds);

    /// <summary>The room that the node's shards share.</summary>
    public StickyRoom Room { get; init; } = new();

    /// <summary>The most changes that a shard keeps for its copies.</summary>
    public int LogOps { get; init; } = ReplicationLog.MaxOps;

    /// <summary>
    /// The hash spreads clients evenly (with 10 million entries in 64 shards the fullest has 1 % more than the mean), so a bound
    /// on each shard bounds the whole without a counter shared by all threads. It costs about the last percent of the cap, more
    /// if the cap is small.
    /// </summary>
    public static StickyRules From(TimeSpan ttl, int maxEntries, int shards) => new(
        (uint)Math.Clamp(ttl.TotalMilliseconds / StickyClock.TickMilliseconds, 1, 1 << 29), Math.Max(1, maxEntries / shards));
}
