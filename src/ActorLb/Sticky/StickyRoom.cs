namespace ActorLb.Sticky;

/// <summary>
/// Balances room between the shards open on this node. Each holds at most its share of <c>sticky.max-entries</c>, except that a
/// shard may exceed it for connected clients while entries elsewhere on the node have no session. The excess is then evicted from
/// any shard with such an entry. Counted periodically, not with every entry.
/// </summary>
internal sealed class StickyRoom
{
    private int _excess;
    private volatile bool _hasOthers = true;

    /// <summary>
    /// Some entry on this node has no session, or there is free room: no connected client's entry needs to be evicted for
    /// another's.
    /// </summary>
    public bool HasOthers => _hasOthers;

    /// <param name="places">The shares of all shards together.</param>
    /// <param name="entries">The entries of all shards.</param>
    /// <param name="connected">Of these, entries whose client has a session on this node.</param>
    public void Count(long places, long entries, long connected)
    {
        Volatile.Write(ref _excess, (int)Math.Clamp(entries - places, 0, int.MaxValue));
        _hasOthers = connected < places;
    }

    /// <summary>The node exceeds its cap.</summary>
    public bool IsOverCap => Volatile.Read(ref _excess) > 0;

    /// <summary>Claims one eviction; call it only if an entry can be evicted.</summary>
    public bool TryClaimEviction() => Volatile.Read(ref _excess) > 0 && Interlocked.Decrement(ref _excess) >= 0;
}
