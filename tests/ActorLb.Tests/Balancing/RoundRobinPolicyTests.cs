using ActorLb.Balancing;
using ActorLb.Configuration;

namespace ActorLb.Tests.Balancing;

public sealed class RoundRobinPolicyTests
{
    [Theory]
    [InlineData("1,1,1", "1231231231")]
    [InlineData("3,1", "11211121")]
    [InlineData("5,1,1", "11123111112311")]
    [InlineData("2,1", "121121")]
    public void Pick_Weights_SmoothSequence(string weights, string expected)
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, [.. weights.Split(',').Select(int.Parse)]);

        Assert.Equal(expected, pool.Sequence(expected.Length));
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(7, 3, 2)]
    [InlineData(100, 10, 1)]
    [InlineData(65535, 1, 32768)]
    public void Pick_EveryPrefix_WithinOneOfTheShare(int a, int b, int c)
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, a, b, c);
        double total = a + b + c;
        var counts = pool.Snapshot.Backends.ToArray().ToDictionary(x => x, _ => 0);
        for (int n = 1; n <= 5_000; n++)
        {
            counts[pool.Pick()!]++;
            foreach ((var backend, int count) in counts)
            {
                Assert.InRange(count - (n * backend.Weight / total), -1.0, 1.0);
            }
        }
    }

    [Fact]
    public void Pick_OneOut_RestInProportion()
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 2, 1);
        pool.Spread(5);
        pool.Snapshot.Backends[0].SetAdminState(AdminState.Down);

        int[] spread = pool.Spread(300);

        Assert.Equal(0, spread[0]);
        Assert.InRange(spread[1], 199, 201);
    }

    [Fact]
    public void Pick_BackAfterAbsence_DoesNotCatchUp()
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 1, 1);
        pool.Snapshot.Backends[2].SetAdminState(AdminState.Down);
        pool.Spread(1_000);
        pool.Snapshot.Backends[2].SetAdminState(AdminState.Up);

        int[] spread = pool.Spread(30);

        Assert.All(spread, n => Assert.InRange(n, 9, 11));
    }

    [Fact]
    public void Pick_WeightRaised_HoldsAtOnce()
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 100, 100, 1);
        pool.Spread(402);
        pool.Snapshot.Backends[2].SetWeight(100);

        int[] spread = pool.Spread(150);

        Assert.All(spread, n => Assert.InRange(n, 48, 52));
    }

    [Fact]
    public void Pick_SlowStart_ShareGrowsWithTime()
    {
        var pool = Pools.Of(
            BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"), Pools.Backend("10.0.0.3", slowStart: 100));
        var slow = pool.Snapshot.Backends[2];
        slow.SetAdminState(AdminState.Down);
        long start = MonotonicTime.Milliseconds(new Microsoft.Extensions.Time.Testing.FakeTimeProvider());
        slow.SetAdminState(AdminState.Up);

        // A hundred connections a second over the 100 s, and a while after.
        List<int> tenths = [];
        for (int tenth = 0; tenth < 12; tenth++)
        {
            int taken = 0;
            for (int i = 0; i < 1_000; i++)
            {
                taken += pool.Pick(now: start + (((tenth * 1_000) + i) * 10)) == slow ? 1 : 0;
            }

            tenths.Add(taken);
        }

        // At a weight of w beside two of 1 the share is w / (2 + w): 24 in the first tenth, 322 in the last, 333 afterwards.
        Assert.InRange(tenths[0], 20, 30);
        Assert.InRange(tenths[4], 175, 192);
        Assert.InRange(tenths[9], 316, 328);
        Assert.InRange(tenths[11], 332, 335);
        Assert.Equal(tenths[..10].Order(), tenths[..10]);
    }

    [Fact]
    public async Task Pick_ManyThreads_ExactSpread()
    {
        const int Threads = 8;
        const int Each = 10_001;
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 1, 1, 2);
        using Barrier barrier = new(Threads);
        int[] counts = new int[4];
        Task[] tasks = [.. Enumerable.Range(0, Threads).Select(_ => Task.Factory.StartNew(
            () =>
            {
                barrier.SignalAndWait();
                for (int i = 0; i < Each; i++)
                {
                    Interlocked.Increment(ref counts[pool.Snapshot.Backends.IndexOf(pool.Pick()!)]);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        await Task.WhenAll(tasks);

        double share = Threads * Each / 5.0;
        Assert.All(counts[..3], n => Assert.InRange(n, share - 1, share + 1));
        Assert.InRange(counts[3], (2 * share) - 1, (2 * share) + 1);
    }

    [Fact]
    public async Task Pick_TenOverThreeFromTenThreads_FourThreeThree()
    {
        for (int round = 0; round < 50; round++)
        {
            var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 1, 1);
            using Barrier barrier = new(4);
            int left = 10;
            int[] counts = new int[3];
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    barrier.SignalAndWait();
                    while (Interlocked.Decrement(ref left) >= 0)
                    {
                        Interlocked.Increment(ref counts[pool.Snapshot.Backends.IndexOf(pool.Pick()!)]);
                    }
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

            Assert.Equal([3, 3, 4], counts.Order());
        }
    }
}
