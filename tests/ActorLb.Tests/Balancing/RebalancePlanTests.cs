using ActorLb.Balancing;
using ActorLb.Configuration;

namespace ActorLb.Tests.Balancing;

public sealed class RebalancePlanTests
{
    [Theory]
    [InlineData("1000,1000,0", "1,1,1", 667)]
    [InlineData("900,600,0", "1,1,1", 500)]
    [InlineData("900,0,0", "2,1,0", 300, 2)]
    [InlineData("10,11,10", "1,1,1", 0)]
    [InlineData("3,0", "1,1", 2)]
    [InlineData("1,0", "1,1", 0)]
    [InlineData("0,0", "1,1", 0)]
    [InlineData("1015,985", "1,1", 0)]
    [InlineData("1016,984", "1,1", 16)]
    public void Left_IsWhatIsOverTheWeightsParts_AndNothingWithin2Percent(string loads, string weights, int left, int count = 0)
    {
        var plan = Plan(loads, weights, count);
        Assert.Equal((left, left == 0), (plan.Left, plan.IsEven));
    }

    /// <summary>Clients that are on their way count for the whole: else the parts would shrink, and too many be moved.</summary>
    [Fact]
    public void Missing_ClientsOnTheirWay_KeepTheParts()
    {
        var backends = Backends(2);
        (Backend, int, int)[] loads = [(backends[0], 700, 1), (backends[1], 200, 1)];
        Assert.Equal(250, new RebalancePlan(loads, 0).Left);
        Assert.Equal(200, new RebalancePlan(loads, 100).Left);
    }

    [Fact]
    public void RateOf_IsTheNodesPart_AndNeverMoreThanIsLeft()
    {
        var backends = Backends(3);
        Take(backends[0], 300);
        backends[0].SetRemoteActive(600, 1);
        Take(backends[1], 100);
        var plan = new RebalancePlan(backends.Select(b => (b, b.Load, 1)), 0);
        // Of 1000 each has 333: the first has 567 too many, of which this node moves a third.
        Assert.Equal(50 / 3.0, plan.RateOf(plan.Places[0], 50), 3);
        Assert.Equal(0, plan.RateOf(plan.Places[1], 50));
        Assert.InRange(plan.RateOf(plan.Places[0], 100_000), 188, 190);
    }

    [Fact]
    public void Lacking_ByWhatEachLacks()
    {
        var plan = Plan("1000,0,600,0", "1,1,1,1", 0);
        Assert.Equal(2, plan.Lacking(0).Length);
        int[] first = [.. Enumerable.Range(0, 100).GroupBy(i => plan.Lacking(i / 100.0)[0]).Select(g => g.Count())];
        Assert.Equal([50, 50], first);
    }

    /// <summary>Who is down, drained or found failing neither gives nor gets; backups only when no primary is left.</summary>
    [Fact]
    public void Of_APool_LooksAtThoseThatTakeClients()
    {
        var pool = Pools.Of(BalanceKind.RoundRobin, [Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"), Pools.Backend("10.0.0.3", backup: true), Pools.Backend("10.0.0.4", maxConnections: 1)]);
        var all = pool.Snapshot.Backends.ToArray();
        Take(all[3], 1);
        Assert.Equal([all[0], all[1], all[3]], RebalancePlan.Of(pool.Snapshot).Places.Select(p => p.Backend));
        all[0].SetAdminState(AdminState.Drain);
        all[1].SetHealth(HealthState.Down, "silent");
        Assert.False(RebalancePlan.Of(pool.Snapshot).IsPossible);
        all[3].SetAdminState(AdminState.Down);
        Assert.Equal([all[2]], RebalancePlan.Of(pool.Snapshot).Places.Select(p => p.Backend));
    }

    private static RebalancePlan Plan(string loads, string weights, int count)
    {
        int[] l = [.. loads.Split(',').Select(int.Parse)], w = [.. weights.Split(',').Select(int.Parse)];
        if (count == 0) count = l.Length;
        var backends = Backends(count);
        return new RebalancePlan(Enumerable.Range(0, count).Select(i => (backends[i], l[i], w[i])), 0);
    }

    private static Backend[] Backends(int count) => Pools.OfWeights(BalanceKind.RoundRobin, [.. Enumerable.Repeat(1, count)]).Snapshot.Backends.ToArray();

    private static void Take(Backend backend, int connections)
    {
        for (int i = 0; i < connections; i++) Assert.True(backend.TryAcquire());
    }
}
