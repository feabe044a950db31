using ActorLb.Balancing;
using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky;

/// <summary>Adding entries from a backend's own list of clients.</summary>
public sealed class ShardStoreSeedTests : IDisposable
{
    private const uint Now = 1_000_000;
    private static readonly BackendRef A = new(1, 1), B = new(2, 1);
    private readonly BackendSlots _slots = new();
    private readonly StickyRoom _room = new();
    private readonly ShardStore _store;

    public ShardStoreSeedTests()
    {
        _slots.Set(A, AdminState.Up);
        _slots.Set(B, AdminState.Up);
        _store = new ShardStore(12, _slots, new StickyRules(TtlTicks: 100, MaxPerShard: 50) { Room = _room });
    }

    public void Dispose() => _store.Table.Dispose();

    [Fact]
    public void Seed_OfAnUnknownClient_IsItsEntry()
    {
        Assert.Equal(SeedResult.Added, _store.Seed(9, A, Now - 1, Now));
        Assert.Equal(new LookupResult(LookupStatus.Found, A), _store.GetOrAssign(9, [B], Now));
        // It has the usual time to live.
        Assert.Equal(SeedResult.Added, _store.Seed(8, A, Now, Now));
        Assert.Equal(A, _store.Peek(8, Now + 100));
        Assert.True(_store.Peek(8, Now + 101).IsNone);
    }

    [Fact]
    public void Seed_OfAKnownClient_ChangesNothing()
    {
        _store.GetOrAssign(9, [A], Now, provisional: true);
        Assert.Equal(SeedResult.Known, _store.Seed(9, B, Now, Now));
        _store.Accept(9, A, Now, add: true);
        Assert.Equal(SeedResult.Known, _store.Seed(9, B, Now + 50, Now + 50));
        Assert.Equal(A, _store.Peek(9, Now));
        Assert.True(_store.Peek(9, Now + 101).IsNone);
        Assert.Equal(SeedResult.Added, _store.Seed(9, B, Now + 101, Now + 101));
    }

    /// <summary>
    /// The owner lost the entry, and the node with the session reports it only after the owner has read the list.
    /// </summary>
    [Fact]
    public void Seed_YieldsToASessionThatBeganAfterTheList()
    {
        _store.Seed(9, A, Now, Now + 20);
        Assert.True(_store.Learn(9, B, Now + 1, fellBack: false, Now + 30));
        Assert.Equal(B, _store.Peek(9, Now + 30));
        _store.Seed(8, A, Now, Now + 20);
        Assert.False(_store.Learn(8, B, Now - 5, fellBack: false, Now + 30));
    }

    [Theory]
    [InlineData(AdminState.Up, (int)SeedResult.Added)]
    [InlineData(AdminState.Drain, (int)SeedResult.Added)]
    [InlineData(AdminState.Down, (int)SeedResult.NoBackend)]
    [InlineData(null, (int)SeedResult.NoBackend)]
    public void Seed_OfABackendThatTheOperatorChanged(AdminState? state, int expected)
    {
        if (state is { } present) _slots.Set(A, present);
        else _slots.Clear(A.Slot);
        Assert.Equal((SeedResult)expected, _store.Seed(9, A, Now, Now));
    }

    [Fact]
    public void Seed_WithoutRoom_PushesNobodyOut()
    {
        for (ulong h = 1; h <= 50; h++) _store.GetOrAssign(h << 20, [A], Now);
        Assert.Equal(SeedResult.NoRoom, _store.Seed(99UL << 20, B, Now, Now));
        Assert.Equal(SeedResult.Known, _store.Seed(1UL << 20, B, Now, Now));
        Assert.Equal((50, 0L), (_store.Table.Count, _store.Eviction.Evicted));

        _store.Remove(1UL << 20);
        _room.Count(places: 100, entries: 101, connected: 0);
        Assert.Equal(SeedResult.NoRoom, _store.Seed(99UL << 20, B, Now, Now));
        _room.Count(places: 100, entries: 100, connected: 0);
        Assert.Equal(SeedResult.Added, _store.Seed(99UL << 20, B, Now, Now));
    }
}
