using ActorLb.Cluster;

namespace ActorLb.Sticky;

/// <summary>The map of a node that has no fleet: a shard region whose table gives it every shard.</summary>
internal sealed class LocalStickyMap : IStickyMap, IDisposable
{
    /// <summary>Nothing waits for this clock but expired entries and long-lived sessions.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly ShardRegion _region;
    private readonly ITimer _timer;
    private readonly Lock _ticking = new();
    private bool _disposed;

    /// <param name="key">16 random bytes.</param>
    public LocalStickyMap(ReadOnlySpan<byte> key, TimeSpan ttl, int maxEntries, BackendSlots slots, TimeProvider time)
    {
        var self = new PeerId("local", 1);
        _region = new ShardRegion(
            new RegionSettings(self, ttl, maxEntries) { LastKnownGoodEntries = 4 }, new StickyHash(key), slots, new StickyClock(time));
        var seats = Enumerable.Repeat(new ShardSeats(0, ShardSeats.Nobody, ShardSeats.Nobody), StickyHash.Shards);
        var map = new ShardMap(ShardMap.NextEpoch(0, self.Incarnation), [new MapNode(self, "local")], [.. seats]);
        _region.Adopt(map, _ => throw new InvalidOperationException("There is no other node."));
        var pause = TimeSpan.FromMilliseconds(Math.Min(LongestPause.TotalMilliseconds, _region.Context.RoundMilliseconds));
        _timer = time.CreateTimer(_ => Tick(), null, pause, pause);
    }

    public int Count
    {
        get
        {
            var count = 0;
            foreach (var shard in _region.Shards)
            {
                count += shard.Store.Table.Count;
            }

            return count;
        }
    }

    public ulong Hash(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId) => _region.Hash(pool, clientId);

    public bool GetOrAssign(
        ulong h, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) =>
        _region.GetOrAssign(h, proposals, waiter, ticket, out answer);

    public bool Reassign(
        ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) =>
        _region.Reassign(h, expected, proposals, waiter, ticket, out answer);

    public uint Opened(ulong h, BackendRef backend, StickyOutcome outcome) => _region.Opened(h, backend, outcome);

    public void Abandoned(ulong h, BackendRef backend) => _region.Abandoned(h, backend);

    public void Closed(ulong h, BackendRef backend, uint session) => _region.Closed(h, backend, session);

    /// <summary>The client's backend, or none. Changes nothing.</summary>
    public BackendRef Peek(ulong h)
    {
        var shard = _region.Shards[StickyHash.ShardOf(h)];
        lock (shard.Gate)
        {
            return shard.Store.Peek(h, _region.Context.Clock.Ticks);
        }
    }

    /// <summary>An operator's word: the client's entry becomes this backend's, or goes when it is none.</summary>
    /// <returns>False when the backend takes no new clients, or when there was no entry to remove.</returns>
    public bool Impose(ulong h, BackendRef backend)
    {
        var shard = _region.Shards[StickyHash.ShardOf(h)];
        lock (shard.Gate)
        {
            var now = _region.Context.Clock.Ticks;
            if (!backend.IsNone)
            {
                return !shard.Store.Reassign(h, BackendRef.None, [backend], force: true, now).Backend.IsNone;
            }

            var had = !shard.Store.Peek(h, now).IsNone;
            shard.Store.Remove(h);
            return had;
        }
    }

    /// <summary>What one shard holds: entries, the bytes of their table, entries pushed out by the cap.</summary>
    public (int Entries, long Bytes, long Evicted) Measure(int number)
    {
        var shard = _region.Shards[number];
        lock (shard.Gate)
        {
            return (shard.Store.Table.Count, shard.Store.Table.Bytes, shard.Store.Evicted);
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        lock (_ticking)
        {
            if (!_disposed)
            {
                _disposed = true;
                _region.Dispose();
            }
        }
    }

    private void Tick()
    {
        lock (_ticking)
        {
            if (!_disposed)
            {
                _region.Tick();
            }
        }
    }
}
