using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Sticky.Map;

namespace ActorLb.Tests.Balancing;

public sealed class ConnectPaceTests
{
    // Far from 0 and before any real time stamp's effect on the bucket.
    private static readonly long Start = Stopwatch.Frequency * 100;

    private static long At(double seconds) => Start + (long)(seconds * Stopwatch.Frequency);

    private static ConnectPace Of(int perSecond, int nodes = 1)
    {
        var pace = new ConnectPace();
        pace.Set(perSecond, nodes);
        return pace;
    }

    [Fact]
    public void Off_GivesEveryToken()
    {
        var pace = Of(0);
        Assert.False(pace.IsOn);
        Assert.All(Enumerable.Range(0, 10_000), _ => Assert.True(pace.TryTake(Start)));
        pace.GiveBack();
        Assert.True(pace.HasToken(Start));
    }

    [Theory]
    [InlineData(200, 1, 10)]
    [InlineData(200, 2, 5)]
    [InlineData(10, 1, 1)]
    [InlineData(1, 1, 1)]
    [InlineData(1, 30, 1)]
    [InlineData(100_000, 1, 5000)]
    public void Burst_IsATwentiethOfASecond_OneAtLeast(int perSecond, int nodes, int burst)
    {
        var pace = Of(perSecond, nodes);
        Assert.Equal(burst, Enumerable.Range(0, burst * 3).Count(_ => pace.TryTake(Start)));
        Assert.False(pace.HasToken(Start));
    }

    [Theory]
    [InlineData(200, 1)]
    [InlineData(200, 3)]
    [InlineData(7, 1)]
    public void AnySecond_UnderAStorm_HasTheRateAndAtMostFivePercentMore(int perSecond, int nodes)
    {
        var pace = Of(perSecond, nodes);
        var taken = new List<int>();
        for (int ms = 0; ms < 5000; ms++)
        {
            int now = 0;
            while (pace.TryTake(At(ms / 1000.0))) now++;
            taken.Add(now);
        }

        double share = (double)perSecond / nodes;
        Assert.InRange(taken.Sum(), (int)(share * 5), (int)Math.Ceiling((share * 5.05) + 1));
        for (int from = 0; from <= 4000; from += 10) Assert.True(taken.Skip(from).Take(1000).Sum() <= Math.Ceiling((share * 1.05) + 1));
    }

    [Fact]
    public void Nodes_TogetherGetTheRate()
    {
        ConnectPace[] all = [.. Enumerable.Range(0, 3).Select(_ => Of(100, 3))];
        int taken = 0;
        for (int ms = 0; ms < 10_000; ms++) taken += all.Sum(p => p.TryTake(At(ms / 1000.0)) ? 1 : 0);
        Assert.InRange(taken, 990, 1010);
    }

    [Fact]
    public void GiveBack_TokenIsThereAgain()
    {
        var pace = Of(1);
        Assert.True(pace.TryTake(Start));
        Assert.False(pace.TryTake(At(0.5)));
        pace.GiveBack();
        Assert.True(pace.TryTake(At(0.5)));
    }

    [Fact]
    public void NextAt_IsWhenTheTokenComes()
    {
        var pace = Of(4);
        Assert.True(pace.TryTake(Start));
        Assert.Equal(At(0.25), pace.NextAt);
        Assert.False(pace.TryTake(pace.NextAt - 1));
        Assert.True(pace.TryTake(pace.NextAt));
    }

    [Fact]
    public void Set_FasterPace_HoldsAtOnce()
    {
        var pace = new ConnectPace();
        pace.Set(1, 100);
        long now = Stopwatch.GetTimestamp();
        Assert.True(pace.TryTake(now));
        pace.Set(100, 1);
        Assert.True(pace.HasToken(Stopwatch.GetTimestamp() + (Stopwatch.Frequency / 50)), "the wait of the old pace is over");
        pace.Set(0, 1);
        Assert.True(pace.TryTake(now));
    }

    [Fact]
    public void TryTake_ManyThreads_GiveOutNoMoreThanThereIs()
    {
        var pace = Of(20_000);
        int taken = 0;
        Parallel.For(0, 4, _ =>
        {
            for (int i = 0; i < 5000; i++)
            {
                if (pace.TryTake(Start)) Interlocked.Increment(ref taken);
            }
        });
        Assert.Equal(1000, taken);
    }

    [Fact]
    public void Line_FirstIsTheLowestTicketOfAllReactors()
    {
        var line = new WaitingLine();
        Assert.Equal(WaitingLine.Nobody, line.First);
        line.SetHead(1, 3, 7);
        line.SetHead(2, 3, 5);
        Assert.Equal(5, line.First);
        line.SetHead(2, 3, WaitingLine.Nobody);
        Assert.Equal(7, line.First);
    }

    [Fact]
    public void Room_EarlierOneWaits_IsNotALaterOnes()
    {
        var pool = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        pool.Apply(pool.Options with { ConnectsPerSecond = 100 });
        var backend = pool.Snapshot.Backends[0];
        while (backend.Pace.TryTake(Start))
        {
            // Until none is left.
        }

        backend.Pace.Line.SetHead(0, 2, 5);
        long fresh = backend.Pace.NextAt;
        Assert.True(new Room(fresh, 5, WaitingLine.Nobody).IsAt(backend));
        Assert.False(new Room(fresh, 6, WaitingLine.Nobody).IsAt(backend));
        Assert.False(new Room(fresh, 5, 4).IsAt(backend), "one that waits for any backend came before");
        Assert.False(new Room(fresh, WaitingLine.Nobody, WaitingLine.Nobody).IsAt(backend), "whoever comes now goes behind them");
        long late = fresh + (Stopwatch.Frequency / 10);
        Assert.True(new Room(late, 6, WaitingLine.Nobody).IsAt(backend), "the first's reactor is busy");
        Assert.False(new Room(late, WaitingLine.Nobody, WaitingLine.Nobody).IsAt(backend));
    }

    [Theory]
    [InlineData(BalanceKind.RoundRobin)]
    [InlineData(BalanceKind.LeastConnections)]
    [InlineData(BalanceKind.Random)]
    public void Pick_ByRoom_PassesOverThoseWithoutToken(BalanceKind balance)
    {
        var pool = Pools.Of(balance, Pools.Backend("10.0.0.1", weight: 100), Pools.Backend("10.0.0.2"), Pools.Backend("10.0.0.3", backup: true));
        pool.Apply(pool.Options with { ConnectsPerSecond = 1 });
        Backend first = pool.Snapshot.Backends[0], second = pool.Snapshot.Backends[1];
        Backend? Pick() => pool.Pick(new PickContext(pool.Snapshot, 1, 1, 0) { Room = new Room(Start, WaitingLine.Nobody, WaitingLine.Nobody) });
        Assert.True(first.Pace.TryTake(Start));
        Assert.Same(second, Pick());
        Assert.True(second.Pace.TryTake(Start));
        Assert.Null(Pick());
        first.SetAdminState(AdminState.Down);
        second.SetAdminState(AdminState.Down);
        Assert.Equal("10.0.0.3", Pick()?.Address.Host);
    }

    [Fact]
    public void Reload_RateAndBackends_AreInForce()
    {
        var pool = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        pool.SetNodes(4);
        pool.Apply(pool.Options with { ConnectsPerSecond = 100, Backends = [Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")] });
        Assert.All(pool.Snapshot.Backends.ToArray(), b => Assert.Equal(25, b.Pace.Share));
        pool.SetNodes(1);
        Assert.All(pool.Snapshot.Backends.ToArray(), b => Assert.Equal(100, b.Pace.Share));
        pool.Apply(pool.Options with { ConnectsPerSecond = 0 });
        Assert.All(pool.Snapshot.Backends.ToArray(), b => Assert.False(b.Pace.IsOn));
    }

    [Theory]
    [InlineData(3, 3, 3)]
    [InlineData(3, 2, 2)]
    [InlineData(3, 1, 3)]
    [InlineData(2, 1, 2)]
    [InlineData(1, 1, 1)]
    public void Sharers_AreThoseThatCanBeReached_OnTheLargerSide(int all, int reachable, int sharers)
    {
        var members = new MapMembers(new MemberId("n0", 1), Enumerable.Range(0, all).Select(i =>
            new MapMember(new MemberId($"n{i}", (ulong)i + 1)) { IsReachable = i < reachable }));
        Assert.Equal(sharers, FleetBackends.SharersOf(members));
    }

    [Theory]
    [InlineData(0, 200.0, 2000)]
    [InlineData(0, 0.01, 1)]
    [InlineData(50, 200.0, 50)]
    public void QueueLength_Auto_IsWhatGetsItsTurnInTime(int length, double share, int most) =>
        Assert.Equal(most, new ConnectQueueOptions(length, TimeSpan.FromSeconds(10)).LengthOf(share));
}
