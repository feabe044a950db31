using ActorLb.Sticky;
using ActorLb.Sticky.Map;

namespace ActorLb.Standalone;

/// <summary>The map of a standalone node: it is the only member and owns every shard.</summary>
internal sealed class LocalStickyMap : IStickyMap, IDisposable
{
    /// <summary>Only expired entries and long-lived sessions depend on this timer.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    public const int Shards = 64;

    private readonly ShardedMap _map;
    private readonly ITimer _timer;
    private readonly Lock _ticking = new();
    private bool _disposed;

    /// <param name="key">16 random bytes.</param>
    public LocalStickyMap(ReadOnlySpan<byte> key, TimeSpan ttl, int maxEntries, BackendSlots slots, TimeProvider time)
    {
        var self = new MemberId("local", 1);
        var settings = new MapSettings(Shards, ttl, maxEntries) { LastKnownGoodEntries = 4 };
        _map = new ShardedMap(settings, new StickyHash(key), slots, new StickyClock(time), new NoTransport());
        _map.SetMembers(new MapMembers(self, [new MapMember(self)]));
        for (int shard = 0; shard < settings.Shards; shard++)
        {
            _map.BeginOpen(shard);
        }

        var pause = TimeSpan.FromMilliseconds(Math.Min(LongestPause.TotalMilliseconds, _map.Context.RoundMilliseconds));
        _timer = time.CreateTimer(_ => Tick(), null, pause, pause);
    }

    /// <summary>The underlying map, the same class as in a fleet.</summary>
    public ShardedMap Map => _map;

    public int Count => (int)_map.Measure().Entries;

    public ulong Hash(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId) => _map.Hash(pool, clientId);

    public bool GetOrAssign(
        ulong h, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) =>
        _map.GetOrAssign(h, proposals, waiter, ticket, out answer);

    public bool Reassign(
        ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer) =>
        _map.Reassign(h, expected, proposals, waiter, ticket, out answer);

    public uint Opened(ulong h, BackendRef backend, StickyOutcome outcome) => _map.Opened(h, backend, outcome);

    public void Abandoned(ulong h, BackendRef backend, long sinceMade) => _map.Abandoned(h, backend, sinceMade);

    public void Closed(ulong h, BackendRef backend, uint session) => _map.Closed(h, backend, session);

    /// <summary>Returns the client's backend, or none. Read-only.</summary>
    public BackendRef Peek(ulong h) => _map.Peek(h);

    /// <summary>An operator's order: assigns the client to the backend, or removes its entry if that is none.</summary>
    /// <returns>False if the backend takes no new clients, or if there was no entry to remove.</returns>
    public bool Impose(ulong h, BackendRef backend)
    {
        bool had = backend.IsNone && !_map.Peek(h).IsNone;
        _map.Impose(h, backend, NoWaiter.Instance, 0, out var answer);
        return backend.IsNone ? had : !answer.Backend.IsNone;
    }

    public int ShardOf(ulong h) => _map.Context.ShardOf(h);

    /// <summary>The number of entries of a shard.</summary>
    public int CountOf(int shard) => _map.CountOf(shard);

    /// <summary>Statistics of the whole map.</summary>
    public MapStatistics Measure() => _map.Measure();

    /// <summary>Returns all entries in batches, for another process of this node that has the same key.</summary>
    public IEnumerable<MapEntry[]> Export() => _map.Export();

    /// <summary>Adds entries of the other process, which name backends as this process does.</summary>
    public void Import(ReadOnlySpan<MapEntry> entries) => _map.Import(entries);

    public void Dispose()
    {
        _timer.Dispose();
        lock (_ticking)
        {
            if (!_disposed)
            {
                _disposed = true;
                _map.Dispose();
            }
        }
    }

    private void Tick()
    {
        lock (_ticking)
        {
            if (!_disposed)
            {
                _map.Tick();
            }
        }
    }

    /// <summary>A standalone node has no other member to send to.</summary>
    private sealed class NoTransport : IMapTransport
    {
        public void Send(MemberId to, MapMessage message) => throw new InvalidOperationException($"There is no {to}.");
    }

    /// <summary>Every shard is open here, so every lookup completes synchronously.</summary>
    private sealed class NoWaiter : IStickyWaiter
    {
        public static readonly NoWaiter Instance = new();

        public void Complete(ulong ticket, in StickyAnswer answer) => throw new InvalidOperationException("Every answer comes at once.");
    }
}
