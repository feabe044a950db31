namespace ActorLb.Sticky;

/// <summary>From a client id to its key. The same on every node that has the cluster's key.</summary>
internal sealed class StickyHash
{
    private volatile Keys _keys;

    public StickyHash(ReadOnlySpan<byte> key) => _keys = new Keys(SipHash.FromKey(key));

    /// <summary>From now on keys are others: what was stored under the old ones is worth nothing.</summary>
    public void Rekey(ReadOnlySpan<byte> key) => _keys = new Keys(SipHash.FromKey(key));

    /// <summary>
    /// The id's hash; for a named pool exclusive-or the name's hash under another key, so that one id in two pools has two entries in
    /// two shards.
    /// </summary>
    public ulong Of(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId)
    {
        Keys keys = _keys;
        return pool.IsEmpty ? keys.Ids.Hash(clientId) : keys.Ids.Hash(clientId) ^ keys.Pools.Hash(pool);
    }

    private sealed class Keys(SipHash ids)
    {
        public SipHash Ids { get; } = ids;

        public SipHash Pools { get; } = ids.Inverted();
    }
}
