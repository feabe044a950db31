namespace ActorLb.Sticky;

/// <summary>The map of a node that has no fleet: it owns every shard. The rules are those of the fleet (<see cref="ShardStore"/>).</summary>
internal sealed class LocalStickyMap : IStickyMap, IDisposable
{
    private readonly Shard[] _shards = new Shard[StickyHash.Shards];
    private readonly StickyHash _hash;
    private readonly StickyClock _clock;

    /// <param name="key">16 random bytes.</param>
    public LocalStickyMap(ReadOnlySpan<byte> key, TimeSpan ttl, int maxEntries, BackendSlots slots, TimeProvider time)
    {
        _hash = new StickyHash(key);
        _clock = new StickyClock(time);
        var rules = StickyRules.From(ttl, maxEntries, StickyHash.Shards);
        for (var i = 0; i < _shards.Length; i++)
        {
            _shards[i] = new Shard(new ShardStore(StickyHash.ShardBits, slots, rules));
        }
    }

    public int Count => _shards.Sum(s => s.Store.Table.Count);

    public ulong Hash(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId) => _hash.Of(pool, clientId);

    public bool GetOrAssign(
        ulong h, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer)
    {
        var shard = _shards[StickyHash.ShardOf(h)];
        lock (shard.Gate)
        {
            answer = Answer(shard.Store.GetOrAssign(h, proposals, _clock.Seconds));
        }

        return true;
    }

    public bool Reassign(
        ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer)
    {
        var shard = _shards[StickyHash.ShardOf(h)];
        lock (shard.Gate)
        {
            answer = Answer(shard.Store.Reassign(h, expected, proposals, force: false, _clock.Seconds));
        }

        return true;
    }

    public uint Opened(ulong h, BackendRef backend, StickyOutcome outcome)
    {
        // Only what no lookup put there is news, such as a client whose id the broker has chosen.
        if (outcome == StickyOutcome.Fallback)
        {
            var shard = _shards[StickyHash.ShardOf(h)];
            lock (shard.Gate)
            {
                shard.Store.Learn(h, backend, _clock.Seconds, fellBack: true, _clock.Seconds);
            }
        }

        return 0;
    }

    public void Closed(ulong h, BackendRef backend, uint session)
    {
        var shard = _shards[StickyHash.ShardOf(h)];
        lock (shard.Gate)
        {
            shard.Store.Refresh(h, backend, _clock.Seconds);
        }
    }

    /// <summary>The client's backend, or none. Changes nothing.</summary>
    public BackendRef Peek(ulong h)
    {
        var shard = _shards[StickyHash.ShardOf(h)];
        lock (shard.Gate)
        {
            return shard.Store.Peek(h, _clock.Seconds);
        }
    }

    /// <summary>An operator's word: the client's entry becomes this backend's, or goes when it is none.</summary>
    /// <returns>False when the backend takes no new clients, or when there was no entry to remove.</returns>
    public bool Impose(ulong h, BackendRef backend)
    {
        var shard = _shards[StickyHash.ShardOf(h)];
        lock (shard.Gate)
        {
            if (!backend.IsNone)
            {
                return !shard.Store.Reassign(h, BackendRef.None, [backend], force: true, _clock.Seconds).Backend.IsNone;
            }

            var had = !shard.Store.Peek(h, _clock.Seconds).IsNone;
            shard.Store.Remove(h);
            return had;
        }
    }

    /// <summary>What one shard holds: entries, the bytes of their table, entries pushed out by the cap.</summary>
    public (int Entries, long Bytes, long Evicted) Measure(int number)
    {
        var shard = _shards[number];
        lock (shard.Gate)
        {
            return (shard.Store.Table.Count, shard.Store.Table.Bytes, shard.Store.Evicted);
        }
    }

    public void Dispose()
    {
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
            {
                shard.Store.Table.Dispose();
            }
        }
    }

    private static StickyAnswer Answer(LookupResult result) =>
        new(result.Backend, StickyOutcome.Local, result.Status == LookupStatus.Assigned);

    private sealed class Shard(ShardStore store)
    {
        internal readonly Lock Gate = new();

        internal ShardStore Store { get; } = store;
    }
}
