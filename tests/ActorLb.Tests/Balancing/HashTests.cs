using System.Net;
using System.Text;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Testing;

namespace ActorLb.Tests.Balancing;

public sealed class HashTests
{
    [Theory]
    [InlineData("", 12228558133638195031)]
    [InlineData("a", 8531220341451704081)]
    [InlineData("client-1", 6274152440293367640)]
    [InlineData("a client id of more than sixteen bytes", 9228000926794005394)]
    public void KeyHash_Text_Pinned(string text, ulong expected) => Assert.Equal(expected, KeyHash.Of(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void KeyHash_AllSingleBitChanges_HalfOfTheBitsFlip()
    {
        byte[] key = Encoding.UTF8.GetBytes("actorlb-client-000042");
        ulong hash = KeyHash.Of(key);
        for (int bit = 0; bit < key.Length * 8; bit++)
        {
            key[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.InRange(System.Numerics.BitOperations.PopCount(hash ^ KeyHash.Of(key)), 12, 52);
            key[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.200", true)]
    [InlineData("192.0.2.1", "192.0.3.1", false)]
    [InlineData("::ffff:192.0.2.9", "192.0.2.1", true)]
    [InlineData("2001:db8::1", "2001:db8::2", false)]
    public void KeyHash_Addresses_ByNetwork(string a, string b, bool same) =>
        Assert.Equal(same, KeyHash.OfAddress(IPAddress.Parse(a)) == KeyHash.OfAddress(IPAddress.Parse(b)));

    [Fact]
    public void Log2_AllMagnitudes_CloseToTheRealOne()
    {
        Random random = new(3);
        for (int i = 0; i < 100_000; i++)
        {
            ulong value = ((ulong)random.NextInt64() | 1) >> random.Next(0, 63);
            if (value == 0)
            {
                continue;
            }

            Assert.Equal(Math.Log2(value), Rendezvous.Log2(value) / 4294967296.0, 2e-6);
        }

        Assert.Equal(0UL, Rendezvous.Log2(1));
        Assert.Equal(63UL << 32, Rendezvous.Log2(1UL << 63));
    }

    [Fact]
    public void Hash_Outputs_Pinned()
    {
        var pool = Pools.OfWeights(BalanceKind.Hash, 1, 2, 3, 1, 65535);

        string picks = string.Concat(Enumerable.Range(0, 40).Select(
            i => pool.Pick(KeyHash.Of(Encoding.UTF8.GetBytes($"client-{i}")), tried: [pool.Snapshot.Backends[4]])!.Address.Host[^1..]));

        Assert.Equal("2223422333332221443333231334234121312223", picks);
    }

    [Fact]
    public void Hash_BackendGone_OnlyItsKeysMove()
    {
        var pool = Pools.OfWeights(BalanceKind.Hash, 1, 2, 3, 1);
        Backend[] before = [.. Enumerable.Range(0, 5_000).Select(i => pool.Pick(KeyHash.Mix((ulong)i + 1))!)];
        var gone = pool.Snapshot.Backends[1];
        gone.SetAdminState(AdminState.Down);
        int moved = 0;
        for (int i = 0; i < before.Length; i++)
        {
            var now = pool.Pick(KeyHash.Mix((ulong)i + 1))!;
            Assert.True(now == before[i] || before[i] == gone);
            moved += now == before[i] ? 0 : 1;
        }

        Assert.InRange(moved, 1_300, 1_560);
        gone.SetAdminState(AdminState.Up);
        Assert.Equal(before, Enumerable.Range(0, 5_000).Select(i => pool.Pick(KeyHash.Mix((ulong)i + 1))!));
    }

    [Fact]
    public void Hash_NoKey_GoesInTurn()
    {
        var pool = Pools.OfWeights(BalanceKind.Hash, 2, 1, 1);

        Assert.Equal([6, 3, 3], Enumerable.Range(0, 12).Select(_ => pool.Pick(PickContext.NoKey)!)
            .GroupBy(b => b.Id).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => g.Count()));
    }

    [Fact]
    public void Hash_MovedKeys_SpreadByWeight()
    {
        var pool = Pools.OfWeights(BalanceKind.Hash, 1, 1, 2);
        var gone = pool.Snapshot.Backends[0];
        ulong[] its = [.. Enumerable.Range(0, 30_000).Select(i => KeyHash.Mix((ulong)i + 1)).Where(h => pool.Pick(h) == gone)];
        gone.SetAdminState(AdminState.Down);

        double second = its.Count(h => pool.Pick(h) == pool.Snapshot.Backends[1]) / (double)its.Length;

        Assert.InRange(second, 0.31, 0.36);
    }

    [Fact]
    public void Rank_Hash_StartsWithThePickAndGoesOnAsTried()
    {
        var pool = Pools.Of(
            BalanceKind.Hash, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2", 5), Pools.Backend("10.0.0.3", 2),
            Pools.Backend("10.0.0.4", backup: true), Pools.Backend("10.0.0.5", 9, down: true));
        var into = new Backend[5];
        for (int i = 0; i < 1_000; i++)
        {
            ulong hash = KeyHash.Mix((ulong)i + 1);
            int count = pool.Snapshot.Rank(hash, 0, newClient: true, into);
            Assert.Equal(4, count);
            List<Backend> tried = [];
            for (int n = 0; n < count; n++)
            {
                Assert.Same(pool.Pick(hash, tried: [.. tried]), into[n]);
                tried.Add(into[n]);
            }

            var two = new Backend[2];
            Assert.Equal(2, pool.Snapshot.Rank(hash, 0, newClient: true, two));
            Assert.Equal(into[..2], two);
        }
    }

    [Fact]
    public void Rank_ManyPicks_AllocatesNothing()
    {
        var pool = Pools.OfWeights(BalanceKind.Hash, 1, 2, 3, 1);
        var into = new Backend[3];
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (ulong i = 0; i < 10_000; i++) pool.Snapshot.Rank(i, 0, newClient: true, into);
        }));
    }

    [Fact]
    public void Rank_NoRoom_Zero() => Assert.Equal(0, Pools.OfWeights(BalanceKind.Hash, 1).Snapshot.Rank(1, 0, newClient: true, []));
}
