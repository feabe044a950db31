using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky;

/// <summary>Which entries are evicted when a shard is full.</summary>
public sealed partial class ShardStoreTests
{
    [Fact]
    public void Cap_Reached_OldOnesGo()
    {
        for (uint i = 1u; i <= 500; i++)
        {
            _store.GetOrAssign(Spread(i), [A], Now + i);
            Assert.True(_store.Table.Count <= 50);
        }

        Assert.Equal(450, _store.Eviction.Evicted);
        var rest = new ShardEntry[50];
        _store.Table.CopyTo(rest);
        Assert.True(rest.Average(e => (double)e.Touch) > Now + 380, "the young ones stay");
        Assert.Equal(A, _store.Peek(Spread(500), Now + 500));
    }

    /// <summary>
    /// Invented ids, refused or accepted, evict only each other and clients that are away, never connected clients.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Cap_FloodOfMadeUpIds_ConnectedStay(bool accepted)
    {
        for (uint i = 1u; i <= 20; i++)
        {
            Connect(i, Now);
        }

        for (uint i = 100u; i < 5000; i++)
        {
            _store.GetOrAssign(Spread(i), [B], Now + 50, provisional: true);
            if (accepted)
            {
                _store.Accept(Spread(i), B, Now + 50, add: true);
                _store.Leave(Spread(i), B);
                _store.Refresh(Spread(i), B, Now + 50);
            }

            Assert.True(_store.Table.Count <= 50);
        }

        Assert.All(Enumerable.Range(1, 20), i => Assert.Equal(A, _store.Peek(Spread((ulong)i), Now + 60)));
        Assert.Equal(20, _store.Table.Connected);
    }

    [Fact]
    public void Cap_UnconfirmedIds_GoBeforeThoseKnown()
    {
        for (uint i = 1u; i <= 49; i++)
        {
            Connect(i, Now);
            _store.Leave(Spread(i), A);
        }

        for (uint i = 100u; i < 1000; i++)
        {
            _store.GetOrAssign(Spread(i), [B], Now + i, provisional: true);
        }

        // One position was free.
        Assert.All(Enumerable.Range(1, 49), i => Assert.Equal(A, _store.Peek(Spread((ulong)i), Now)));
        Assert.Equal((50, 1), (_store.Table.Count, _store.Table.Provisional));
    }

    [Fact]
    public void Cap_AllConnected_NewOnesAreNotKeptUntilTheyConnect()
    {
        for (uint i = 1u; i <= 50; i++)
        {
            Connect(i, Now + i);
        }

        Assert.Equal(new LookupResult(LookupStatus.Assigned, B), _store.GetOrAssign(Spread(99), [B], Now + 60, provisional: true));
        Assert.True(_store.Peek(Spread(99), Now + 60).IsNone);
        Assert.Equal(50, _store.Table.Connected);

        _room.Count(places: 50, entries: 50, connected: 50);
        _store.Accept(Spread(99), B, Now + 60, add: true);
        Assert.Equal(B, _store.Peek(Spread(99), Now + 60));
        Assert.Equal((50, 50), (_store.Table.Count, _store.Table.Connected));
    }

    /// <summary>One partition alone may have room for only one entry.</summary>
    [Fact]
    public void Cap_IsOfTheWholeShard_TheOldestOfAllItsPartsGo()
    {
        var group = new StoreGroup();
        var rules = new StickyRules(TtlTicks: 100_000, MaxPerShard: 16);
        var stores = Enumerable.Range(0, 16).Select(_ => new ShardStore(12, _slots, rules, _store.Log, group)).ToArray();
        for (uint i = 0u; i < 6; i++)
        {
            stores[3].GetOrAssign(Spread(i), [A], Now + 10, provisional: true);
            stores[3].Accept(Spread(i), A, Now + 10, add: true);
        }

        for (uint i = 100u; i < 1100; i++)
        {
            stores[i % 16].GetOrAssign(Spread(i), [B], Now + i);
            Assert.True(group.Count <= 16);
        }

        Assert.All(Enumerable.Range(0, 6), i => Assert.Equal(A, stores[3].Peek(Spread((ulong)i), Now + 1100)));
        Assert.Equal((16, 6, 990L), (group.Count, group.Connected, stores.Sum(s => s.Eviction.Evicted)));
        Assert.Equal(B, stores[1099 % 16].Peek(Spread(1099), Now + 1100));
        Assert.True(Enumerable.Range(100, 900).All(i => stores[i % 16].Peek(Spread((ulong)i), Now + 1100).IsNone), "the old ones go");
        Array.ForEach(stores, s => s.Table.Dispose());
    }

    /// <summary>This node learns when other nodes' sessions begin and end.</summary>
    [Fact]
    public void Cap_ClientsOfOtherNodes_GoWhenTheirSessionsHaveEnded()
    {
        for (uint i = 1u; i <= 40; i++)
        {
            _store.GetOrAssign(Spread(i), [A], Now);
        }

        for (uint i = 100u; i < 2000; i++)
        {
            _store.GetOrAssign(Spread(i), [B], Now + 10);
            _store.Refresh(Spread(i), B, Now + 10);
        }

        Assert.All(Enumerable.Range(1, 40), i => Assert.Equal(A, _store.Peek(Spread((ulong)i), Now + 20)));
    }

    [Fact]
    public void Cap_ConnectedClients_GoBeyondIt_AndOthersPay()
    {
        _store.Log.Keeps = true;
        for (uint i = 1u; i <= 60; i++)
        {
            Connect(i, Now + i);
        }

        Assert.Equal((60, 60), (_store.Table.Count, _store.Table.Connected));

        // Another store of the node is full of entries without a session; its sweep evicts some of them.
        var other = new ShardStore(12, _slots, new StickyRules(TtlTicks: 100, MaxPerShard: 50) { Room = _room }, _store.Log);
        for (uint i = 1000u; i < 1050; i++)
        {
            other.GetOrAssign(Spread(i), [A], Now + i - 990);
        }

        _room.Count(places: 100, entries: 110, connected: 60);
        for (int n = 0; n < 10; n++)
        {
            _store.Sweep(0, 1000, 1000, Now + 60);
            other.Sweep(0, 1000, 1000, Now + 60);
        }

        Assert.Equal((60, 40, 10L), (_store.Table.Count, other.Table.Count, other.Eviction.Evicted));

        // The room taken above the cap is freed when a client leaves.
        for (uint i = 1u; i <= 15; i++)
        {
            _store.Leave(Spread(i), A);
            _store.Eviction.Trim();
        }

        Assert.Equal((50, 45), (_store.Table.Count, _store.Table.Connected));
        other.Table.Dispose();
    }
}
