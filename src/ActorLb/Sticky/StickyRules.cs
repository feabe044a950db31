namespace ActorLb.Sticky;

internal enum LookupStatus : byte
{
    /// <summary>No valid entry, and no proposal that could become one.</summary>
    None,

    /// <summary>The entry was there.</summary>
    Found,

    /// <summary>The entry was made or moved.</summary>
    Assigned,
}

/// <summary>What came of an entry that a backend's own list of clients suggests.</summary>
internal enum SeedResult : byte
{
    Added,

    /// <summary>The map knows the client's backend already.</summary>
    Known,

    /// <summary>The backend is down by the operator's wish, or gone.</summary>
    NoBackend,
    NoRoom,

    /// <summary>Another node owns the client's shard.</summary>
    Elsewhere,
}

internal readonly record struct LookupResult(LookupStatus Status, BackendRef Backend);

/// <param name="TtlTicks">Life of an entry since its last touch.</param>
/// <param name="MaxPerShard">Entries that a shard holds at most, but for those of connected clients beyond it: see <see cref="StickyRoom"/>.</param>
internal sealed record StickyRules(uint TtlTicks, int MaxPerShard)
{
    /// <summary>
    /// Life of an entry that no backend has confirmed: longer than tries and a CONNACK take by default. It is taken back when its session
    /// fails; this is for those of which nothing is heard any more.
    /// </summary>
    public uint ProvisionalTicks => Math.Min(TtlTicks, 30_000 / StickyClock.TickMilliseconds);

    /// <summary>What the node's shards do for each other.</summary>
    public StickyRoom Room { get; init; } = new();

    /// <summary>Changes that a shard keeps for its copies at most.</summary>
    public int LogOps { get; init; } = ReplicationLog.MaxOps;

    /// <summary>
    /// The hash spreads the clients evenly (over 64 shards the fullest of ten million entries has 1 % more than the mean), so a bound on
    /// each shard bounds the whole without a counter that all threads share. It costs the last percent of the cap, more of a small one.
    /// </summary>
    public static StickyRules From(TimeSpan ttl, int maxEntries, int shards) => new(
        (uint)Math.Clamp(ttl.TotalMilliseconds / StickyClock.TickMilliseconds, 1, 1 << 29), Math.Max(1, maxEntries / shards));
}
