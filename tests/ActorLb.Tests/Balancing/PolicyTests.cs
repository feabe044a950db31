using ActorLb.Balancing;
using ActorLb.Balancing.Policies;
using ActorLb.Configuration;
using ActorLb.Testing;

namespace ActorLb.Tests.Balancing;

/// <summary>What holds for every policy.</summary>
public sealed class PolicyTests
{
    public static TheoryData<BalanceKind> Kinds =>
        [BalanceKind.RoundRobin, BalanceKind.LeastConnections, BalanceKind.Random, BalanceKind.IpHash, BalanceKind.Hash, BalanceKind.Sticky];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_DownBackend_NeverChosen(BalanceKind kind)
    {
        var pool = Pools.Of(kind, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2", down: true), Pools.Backend("10.0.0.3"));

        int[] spread = pool.Spread(200);

        Assert.Equal(0, spread[1]);
        Assert.All(new[] { spread[0], spread[2] }, n => Assert.True(n > 0));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_Backup_OnlyWithoutPrimaries(BalanceKind kind)
    {
        var pool = Pools.Of(kind, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"), Pools.Backend("10.0.0.3", backup: true));
        Assert.Equal(0, pool.Spread(100)[2]);

        pool.Snapshot.Primaries[0].SetAdminState(AdminState.Down);
        Assert.Equal([0, 50, 0], pool.Spread(50));

        pool.Snapshot.Primaries[1].SetAdminState(AdminState.Down);
        Assert.Equal([0, 0, 50], pool.Spread(50));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_Tried_PassedOverThenNull(BalanceKind kind)
    {
        var pool = Pools.OfWeights(kind, 1, 1, 1);
        List<Backend> tried = [];
        for (int i = 0; i < 3; i++)
        {
            var picked = pool.Pick(7, tried: [.. tried]);
            Assert.NotNull(picked);
            Assert.DoesNotContain(picked, tried);
            tried.Add(picked);
        }

        Assert.Null(pool.Pick(7, tried: [.. tried]));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_LimitReached_PassedOver(BalanceKind kind)
    {
        var pool = Pools.Of(kind, Pools.Backend("10.0.0.1", maxConnections: 2), Pools.Backend("10.0.0.2", maxConnections: 3));
        for (int i = 0; i < 5; i++)
        {
            Assert.True(pool.Pick((ulong)i)!.TryAcquire());
        }

        Assert.Null(pool.Pick());
        Assert.Equal([2, 3], pool.Snapshot.Backends.ToArray().Select(b => b.Active));
        pool.Snapshot.Backends[0].Release();
        Assert.Same(pool.Snapshot.Backends[0], pool.Pick());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_Draining_ForMappedClientsOnly(BalanceKind kind)
    {
        var pool = Pools.OfWeights(kind, 1);
        pool.Snapshot.Backends[0].SetAdminState(AdminState.Drain);

        Assert.Null(pool.Pick());
        Assert.NotNull(pool.Pick(newClient: false));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_EmptyPool_Null(BalanceKind kind) => Assert.Null(Pools.Of(kind).Pick());

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_TenThousand_AllocatesNothing(BalanceKind kind)
    {
        var pool = Pools.OfWeights(kind, 3, 2, 1, 1);
        Assert.Equal(0, Allocations.Least(() => Run(pool, 10_000)));

        static void Run(Pool pool, int count)
        {
            for (int i = 0; i < count; i++)
            {
                PickContext context = new(pool.Snapshot, KeyHash.Mix((ulong)i), (ulong)i, i);
                var picked = pool.Pick(context)!;
                picked.TryAcquire();
                picked.Release();
                picked.ReportSuccess(i);
            }
        }
    }

    [Theory]
    [InlineData(BalanceKind.Random)]
    [InlineData(BalanceKind.Hash)]
    [InlineData(BalanceKind.IpHash)]
    public void Pick_Weights_SharesFollow(BalanceKind kind)
    {
        ThreadRandom.Seed(42);
        var pool = Pools.OfWeights(kind, 3, 2, 1);

        int[] spread = pool.Spread(60_000);

        // Random compares loads, all 0 here, so that the first draw stands.
        Assert.InRange(spread[0], 29_000, 31_000);
        Assert.InRange(spread[1], 19_000, 21_000);
        Assert.InRange(spread[2], 9_200, 10_800);
    }

    [Fact]
    public void Random_TwoChoices_TheLesserLoaded()
    {
        ThreadRandom.Seed(1);
        var pool = Pools.OfWeights(BalanceKind.Random, 1, 1);
        pool.Snapshot.Backends[0].TryAcquire();

        Assert.Equal([0, 100], pool.Spread(100));
    }

    [Fact]
    public void LeastConnections_HeldConnections_FollowWeights()
    {
        var pool = Pools.OfWeights(BalanceKind.LeastConnections, 3, 2, 1);
        for (int i = 0; i < 600; i++)
        {
            pool.Pick()!.TryAcquire();
        }

        Assert.Equal([300, 200, 100], pool.Snapshot.Backends.ToArray().Select(b => b.Active));
    }

    [Fact]
    public void LeastConnections_Ties_TakeTurns()
    {
        var pool = Pools.OfWeights(BalanceKind.LeastConnections, 1, 1, 1);

        Assert.Equal([10, 10, 10], pool.Spread(30));
    }

    [Fact]
    public void LeastConnections_Proposed_CountsAsTaken()
    {
        // Answers of another node are awaited: a storm must not run to one backend until they come.
        var pool = Pools.OfWeights(BalanceKind.LeastConnections, 1, 1, 1);
        var backends = pool.Snapshot.Backends.ToArray();
        for (int i = 0; i < 20; i++)
        {
            backends[0].TryAcquire();
            backends[1].TryAcquire();
        }

        var proposed = backends.ToDictionary(b => b, _ => 0);
        for (int i = 0; i < 50; i++)
        {
            var picked = pool.Pick()!;
            picked.Propose();
            proposed[picked]++;
        }

        Assert.Equal([10, 10, 30], backends.Select(b => proposed[b]));
        foreach (var backend in backends)
        {
            for (int i = proposed[backend]; i > 0; i--)
            {
                backend.Withdraw();
            }
        }

        Assert.Same(backends[2], pool.Pick());
    }

    [Fact]
    public void LeastConnections_FleetCountsInALargePool_LeastLoadedOfTwo()
    {
        ThreadRandom.Seed(5);
        var pool = Pools.OfWeights(BalanceKind.LeastConnections, [.. Enumerable.Repeat(1, 40)]);
        var backends = pool.Snapshot.Backends.ToArray();
        backends[0].SetRemoteActive(100, others: 1);

        int[] spread = pool.Spread(4_000);

        // The most loaded never wins a pair; the others win alike.
        Assert.Equal(0, spread[0]);
        Assert.All(spread.Skip(1), n => Assert.InRange(n, 60, 150));
    }

    [Fact]
    public void LeastConnections_FleetCountsWithRoomOnOneOfFew_FillsThatOne()
    {
        var pool = Pools.OfWeights(BalanceKind.LeastConnections, 1, 1, 1);
        var backends = pool.Snapshot.Backends.ToArray();
        for (int i = 0; i < 3; i++) backends[i].SetRemoteActive(i == 1 ? 20 : 100, others: 2);

        int[] placed = new int[3];
        for (int i = 0; i < 80; i++)
        {
            // This node alone places, and hears of the others in between, who have placed nobody.
            if (i % 5 == 0)
            {
                for (int b = 0; b < 3; b++) backends[b].SetRemoteActive(b == 1 ? 20 : 100, others: 2);
            }
            var picked = pool.Pick()!;
            picked.TryAcquire();
            placed[Array.IndexOf(backends, picked)]++;
        }
        // Within 5 % of even: 100 each.
        Assert.InRange(placed[1], 75, 80);
    }

    [Theory]
    [InlineData(3, 600, 30, 15)]
    [InlineData(3, 600, 5, 15)]
    [InlineData(3, 3000, 250, 30)]
    [InlineData(10, 2000, 50, 30)]
    public void LeastConnections_NodesThatPlaceAtOnce_DoNotHerd(int nodes, int clients, int betweenReports, int bound)
    {
        ThreadRandom.Seed(7);
        var fleet = new Backend[nodes][];
        var pools = new Pool[nodes];
        for (int n = 0; n < nodes; n++)
        {
            pools[n] = Pools.OfWeights(BalanceKind.LeastConnections, 1, 1, 1);
            fleet[n] = pools[n].Snapshot.Backends.ToArray();
        }
        Report();
        for (int i = 0; i < clients; i++)
        {
            pools[i % nodes].Pick()!.TryAcquire();
            if (i % betweenReports == betweenReports - 1) Report();
        }

        int[] totals = [.. Enumerable.Range(0, 3).Select(b => fleet.Sum(f => f[b].Active))];
        Assert.All(totals, t => Assert.InRange(t, (clients / 3) - bound, (clients / 3) + bound));

        void Report()
        {
            for (int n = 0; n < nodes; n++)
            {
                for (int b = 0; b < 3; b++) fleet[n][b].SetRemoteActive(fleet.Where((_, other) => other != n).Sum(f => f[b].Active), nodes - 1);
            }
        }
    }
}
