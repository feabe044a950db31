namespace ActorLb.Sticky;

/// <summary>
/// What the shards that are open on this node do for each other. Each holds no more than its part of <c>sticky.max-entries</c>, but for
/// clients that are connected while others of the node's entries are not: what these exceed it by is owed, and goes wherever there is an
/// entry without a session. It is counted once in a while, not with every entry.
/// </summary>
internal sealed class StickyRoom
{
    private int _excess;
    private volatile bool _hasOthers = true;

    /// <summary>Somewhere there is an entry, or a place, without a session here: no connected client's has to go for another one's.</summary>
    public bool HasOthers => _hasOthers;

    /// <param name="places">The parts of all shards.</param>
    /// <param name="entries">What they hold.</param>
    /// <param name="connected">Of these, those whose client has a session on this node.</param>
    public void Count(long places, long entries, long connected)
    {
        Volatile.Write(ref _excess, (int)Math.Clamp(entries - places, 0, int.MaxValue));
        _hasOthers = connected < places;
    }

    /// <summary>The node holds more than its part.</summary>
    public bool IsOverCap => Volatile.Read(ref _excess) > 0;

    /// <summary>Whether one more is to go; to be called by who can spare one.</summary>
    public bool TryClaimEviction() => Volatile.Read(ref _excess) > 0 && Interlocked.Decrement(ref _excess) >= 0;
}
