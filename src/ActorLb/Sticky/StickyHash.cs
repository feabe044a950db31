namespace ActorLb.Sticky;

/// <summary>Computes clients' keys. All nodes with the same cluster key compute the same.</summary>
internal sealed class StickyHash
{
    private volatile Keys _keys;

    public StickyHash(ReadOnlySpan<byte> key) => _keys = new Keys(SipHash.FromKey(key));

    /// <summary>Changes the cluster key. Entries stored under the old one become worthless.</summary>
    public void Rekey(ReadOnlySpan<byte> key) => _keys = new Keys(SipHash.FromKey(key));

    /// <summary>
    /// The id's hash, XORed for a named pool with the name's hash under another key, so that one id in two pools has two entries
    /// in two shards.
    /// </summary>
    public ulong Of(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId)
    {
        var keys = _keys;
        return pool.IsEmpty ? keys.Ids.Hash(clientId) : keys.Ids.Hash(clientId) ^ keys.Pools.Hash(pool);
    }

    private sealed class Keys(SipHash ids)
    {
        public SipHash Ids { get; } = ids;

        public SipHash Pools { get; } = ids.Inverted();
    }
}
