using System.Runtime.CompilerServices;
using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky;

public sealed class ShardTableTests
{
    private static readonly BackendRef A = new(1, 1);

    [Theory]
    [InlineData(1, 16)]
    [InlineData(2, 64)]
    [InlineData(3, 1000)]
    [InlineData(4, 20_000)]
    public void Table_RandomOperations_EqualsDictionary(int seed, int keys)
    {
        var random = new Random(seed);
        var model = new Dictionary<ulong, (BackendRef Backend, uint Touch)>();
        var connected = new HashSet<ulong>();
        var provisional = new HashSet<ulong>();
        using var table = new ShardTable(12);
        ulong[] universe = Enumerable.Range(0, keys).Select(_ => (ulong)random.NextInt64() & 0x000F_FFFF_FFFF_FFFF).ToArray();
        for (int step = 0; step < 60_000; step++)
        {
            ulong h = universe[random.Next(keys)];
            if (random.Next(3) > 0)
            {
                var backend = new BackendRef((ushort)random.Next(100), (ushort)random.Next(1, 100));
                ushort state = (ushort)(random.Next(4) << 14);
                bool added = table.Set(h, backend, (uint)step, state);
                Assert.Equal(!model.ContainsKey(h), added);
                model[h] = (backend, (uint)step);
                if (random.Next(5) == 0)
                {
                    table.SetState(ref table.Find(h), state = EntryState.None);
                }

                _ = (state & EntryState.Connected) != 0 ? connected.Add(h) : connected.Remove(h);
                _ = (state & EntryState.Provisional) != 0 ? provisional.Add(h) : provisional.Remove(h);
            }
            else
            {
                Assert.Equal(model.Remove(h), table.Remove(h));
                connected.Remove(h);
                provisional.Remove(h);
            }

            Assert.Equal((connected.Count, provisional.Count), (table.Connected, table.Provisional));

            if (step % 1000 == 0)
            {
                AssertEqual(model, table, universe);
                table.Shrink();
                AssertEqual(model, table, universe);
            }
        }

        AssertEqual(model, table, universe);
    }

    /// <summary>Keys whose home is the table's last position, so that the run wraps around.</summary>
    [Fact]
    public void Remove_RunAcrossTheEnd_KeepsEveryFollower()
    {
        const ulong Last = 0x000F_FFFF_FFFF_FF00;
        ulong[] keys = new[] { Last, Last + 1, Last + 2, 1UL << 20, Last + 3, 2UL << 20 };
        for (int order = 0; order < 720; order++)
        {
            using var table = new ShardTable(12);
            var model = new Dictionary<ulong, (BackendRef, uint)>();
            foreach (ulong h in keys)
            {
                table.Set(h, A, (uint)h);
                model[h] = (A, (uint)h);
            }

            Assert.Equal(8, table.Capacity);
            foreach (ulong h in Permutation(keys, order))
            {
                Assert.True(table.Remove(h));
                model.Remove(h);
                AssertEqual(model, table, keys);
            }
        }
    }

    [Fact]
    public void RemoveAt_DuringSweep_VisitsEveryEntry()
    {
        using var table = new ShardTable(0);
        var random = new Random(7);
        for (int i = 0; i < 500; i++)
        {
            table.Set((ulong)random.NextInt64(), A, (uint)(i % 2));
        }

        for (int i = 0; i < table.Capacity;)
        {
            ref var entry = ref table.At(i);
            if (!Unsafe.IsNullRef(ref entry) && entry.Touch == 1)
            {
                table.RemoveAt(i);
            }
            else
            {
                i++;
            }
        }

        var rest = new ShardEntry[table.Count];
        Assert.Equal(250, table.CopyTo(rest));
        Assert.DoesNotContain(rest, e => e.Touch == 1);
    }

    [Fact]
    public void Table_HashZero_IsAKeyLikeOthers()
    {
        using var table = new ShardTable(12);
        table.Set(0, A, 5);

        Assert.Equal(5u, table.Find(0).Touch);
        Assert.True(table.Remove(0));
        Assert.True(Unsafe.IsNullRef(ref table.Find(0)));
    }

    [Fact]
    public void Table_Grown_HoldsAtMost27BytesAnEntry()
    {
        using var table = new ShardTable(0);
        var random = new Random(1);
        for (int i = 1; i <= 50_000; i++)
        {
            table.Set((ulong)random.NextInt64() << 1, A, 0);
            if (i > 100)
            {
                Assert.True(table.Bytes <= 27L * i, $"{table.Bytes} bytes for {i} entries");
            }
        }
    }

    [Fact]
    public void Shrink_MostlyRemoved_GivesMemoryBack()
    {
        using var table = new ShardTable(0);
        ulong[] keys = Enumerable.Range(1, 10_000).Select(i => unchecked((ulong)i * 0x9E3779B97F4A7C15)).ToArray();
        foreach (ulong h in keys)
        {
            table.Set(h, A, 0);
        }

        long before = table.Bytes;
        foreach (ulong h in keys.Skip(100))
        {
            table.Remove(h);
        }

        table.Shrink();

        Assert.True(table.Bytes < before / 10);
        Assert.All(keys.Take(100), h => Assert.False(Unsafe.IsNullRef(ref table.Find(h))));
    }

    private static void AssertEqual(Dictionary<ulong, (BackendRef Backend, uint Touch)> model, ShardTable table, ulong[] universe)
    {
        Assert.Equal(model.Count, table.Count);
        foreach (ulong h in universe)
        {
            ref var entry = ref table.Find(h);
            if (model.TryGetValue(h, out var expected))
            {
                Assert.False(Unsafe.IsNullRef(ref entry));
                Assert.Equal(expected, (entry.Backend, entry.Touch));
            }
            else
            {
                Assert.True(Unsafe.IsNullRef(ref entry));
            }
        }
    }

    private static List<ulong> Permutation(ulong[] keys, int number)
    {
        var rest = keys.ToList();
        var result = new List<ulong>();
        for (int n = rest.Count; n > 0; n--)
        {
            result.Add(rest[number % n]);
            rest.RemoveAt(number % n);
            number /= n;
        }

        return result;
    }
}
