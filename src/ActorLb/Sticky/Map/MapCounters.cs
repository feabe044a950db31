namespace ActorLb.Sticky.Map;

/// <summary>Counters since the start.</summary>
internal sealed class MapCounters
{
    private long _remote;
    private long _hedge;
    private long _fallback;
    private long _handOffs;
    private long _snapshots;
    private long _digestMismatches;
    private long _logOverflows;
    private long _learned;
    private long _offered;
    private long _rejected;
    private long _batches;
    private long _openings;
    private long _openingMilliseconds;

    public long Remote => Volatile.Read(ref _remote);

    public long Hedge => Volatile.Read(ref _hedge);

    public long Fallback => Volatile.Read(ref _fallback);

    /// <summary>Shards handed over completely: the new owner confirmed the last change.</summary>
    public long HandOffs => Volatile.Read(ref _handOffs);

    /// <summary>Snapshots received.</summary>
    public long Snapshots => Volatile.Read(ref _snapshots);

    public long DigestMismatches => Volatile.Read(ref _digestMismatches);

    /// <summary>Copies that fell so far behind that they needed another snapshot.</summary>
    public long LogOverflows => Volatile.Read(ref _logOverflows);

    public long Learned => Volatile.Read(ref _learned);

    /// <summary>Entries added because a former owner offered them.</summary>
    public long Offered => Volatile.Read(ref _offered);

    /// <summary>Invalid messages.</summary>
    public long Rejected => Volatile.Read(ref _rejected);

    /// <summary>Messages with lookups that were sent.</summary>
    public long Batches => Volatile.Read(ref _batches);

    /// <summary>Shards opened here.</summary>
    public long Openings => Volatile.Read(ref _openings);

    /// <summary>Total time between the start of a shard's actor and its opening, during which the shard has no owner.</summary>
    public long OpeningMilliseconds => Volatile.Read(ref _openingMilliseconds);

    public void Count(StickyOutcome outcome)
    {
        switch (outcome)
        {
            case StickyOutcome.Remote: Interlocked.Increment(ref _remote); break;
            case StickyOutcome.Hedge: Interlocked.Increment(ref _hedge); break;
            case StickyOutcome.Fallback: Interlocked.Increment(ref _fallback); break;
            case StickyOutcome.Local: break;
            default: throw new ArgumentOutOfRangeException(nameof(outcome));
        }
    }

    public void CountHandOff() => Interlocked.Increment(ref _handOffs);

    public void CountSnapshot() => Interlocked.Increment(ref _snapshots);

    public void CountDigestMismatch() => Interlocked.Increment(ref _digestMismatches);

    public void CountLogOverflow() => Interlocked.Increment(ref _logOverflows);

    public void CountLearned() => Interlocked.Increment(ref _learned);

    public void CountOffered() => Interlocked.Increment(ref _offered);

    public void CountRejected() => Interlocked.Increment(ref _rejected);

    public void CountOpening(long milliseconds)
    {
        Interlocked.Increment(ref _openings);
        Interlocked.Add(ref _openingMilliseconds, milliseconds);
    }

    public void CountBatch() => Interlocked.Increment(ref _batches);
}
