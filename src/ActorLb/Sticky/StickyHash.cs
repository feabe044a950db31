namespace ActorLb.Sticky;

/// <summary>From a client id to its key, and from the key to its shard. The same on every node that has the cluster's key.</summary>
internal readonly struct StickyHash
{
    /// <summary>The top 12 bits of the key choose the shard. Fixed: nodes of all versions must agree.</summary>
    public const int ShardBits = 12;

    public const int Shards = 1 << ShardBits;

    private readonly SipHash _ids;
    private readonly SipHash _pools;

    public StickyHash(ReadOnlySpan<byte> key)
    {
        _ids = SipHash.FromKey(key);
        _pools = _ids.Inverted();
    }

    public static int ShardOf(ulong h) => (int)(h >> (64 - ShardBits));

    /// <summary>
    /// The id's hash; for a named pool exclusive-or the name's hash under another key, so that one id in two pools has two entries in
    /// two shards.
    /// </summary>
    public ulong Of(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId) =>
        pool.IsEmpty ? _ids.Hash(clientId) : _ids.Hash(clientId) ^ _pools.Hash(pool);
}
