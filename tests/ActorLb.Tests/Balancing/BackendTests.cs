using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Balancing;

public sealed class BackendTests
{
    /// <summary>Steps "f" failure, "s" success, "p" a pick of the first backend expected, "-" none expected; each at a second.</summary>
    [Theory]
    [InlineData(1, "0f 0- 9- 10p")]
    [InlineData(2, "0f 0p 5f 5- 14- 15p")]
    [InlineData(2, "0f 11f 11p 12f 12- 21- 22p")]
    [InlineData(3, "0f 9f 11f 11p 12f 12-")]
    [InlineData(0, "0f 0f 0f 0p")]
    [InlineData(1, "0f 10p 10- 11- 11s 11p 11p")]
    [InlineData(1, "0f 10p 10f 10- 19- 20p 20s 20p")]
    [InlineData(1, "0f 10p 19- 20p 20-")]
    [InlineData(1, "0f 0s 0- 9s 9- 10p 10s 10p")]
    [InlineData(2, "0f 1f 11p 11s 11p 12f 12p 13f 13-")]
    public void MaxFails_TimeLine_OutAndTrials(int maxFails, string steps)
    {
        Pool pool = Pools.Of(
            BalanceKind.RoundRobin, Pools.Backend("10.0.0.1", maxFails: maxFails), Pools.Backend("10.0.0.2", backup: true));
        Backend first = pool.Snapshot.Backends[0];
        foreach (string step in steps.Split(' '))
        {
            long now = long.Parse(step[..^1]) * 1000;
            switch (step[^1])
            {
                case 'f':
                    first.ReportFailure(now);
                    break;
                case 's':
                    first.ReportSuccess(now);
                    break;
                default:
                    Assert.True((pool.Pick(now: now) == first) == (step[^1] == 'p'), $"{step} of {steps}");
                    break;
            }
        }
    }

    [Fact]
    public void MaxFails_SoleCandidate_NeverOut()
    {
        Pool pool = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2", down: true));
        pool.Snapshot.Backends[0].ReportFailure(0);
        pool.Snapshot.Backends[0].ReportFailure(0);

        Assert.Same(pool.Snapshot.Backends[0], pool.Pick());
        Assert.Equal(2, pool.Snapshot.Backends[0].Failures);

        pool.Snapshot.Backends[1].SetAdminState(AdminState.Up);
        pool.Snapshot.Backends[0].ReportFailure(1);
        Assert.Equal([0, 10], pool.Spread(10, now: 1));

        pool.Snapshot.Backends[1].SetAdminState(AdminState.Down);
        Assert.Same(pool.Snapshot.Backends[0], pool.Pick(now: 1));
    }

    [Fact]
    public async Task MaxFails_TrialsFromManyThreads_OneOnly()
    {
        Pool pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 1);
        Backend first = pool.Snapshot.Backends[0];
        for (long round = 1; round <= 50; round++)
        {
            long now = round * 100_000;
            first.ReportFailure(now - 50_000);
            using Barrier barrier = new(4);
            int trials = 0;
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    barrier.SignalAndWait();
                    for (int i = 0; i < 100; i++)
                    {
                        if (pool.Pick(now: now) == first)
                        {
                            Interlocked.Increment(ref trials);
                        }
                    }
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

            Assert.Equal(1, trials);
        }
    }

    [Fact]
    public async Task TryAcquire_ManyThreads_NeverOverTheLimit()
    {
        Backend backend = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1", maxConnections: 3)).Snapshot.Backends[0];
        using Barrier barrier = new(8);
        int held = 0;
        int most = 0;
        int acquired = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Factory.StartNew(
            () =>
            {
                barrier.SignalAndWait();
                for (int i = 0; i < 20_000; i++)
                {
                    if (backend.TryAcquire())
                    {
                        int now = Interlocked.Increment(ref held);
                        int seen;
                        while (now > (seen = Volatile.Read(ref most)) && Interlocked.CompareExchange(ref most, now, seen) != seen)
                        {
                        }

                        Interlocked.Increment(ref acquired);
                        Interlocked.Decrement(ref held);
                        backend.Release();
                    }
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

        Assert.InRange(most, 1, 3);
        Assert.Equal(0, backend.Active);
        Assert.Equal(acquired, backend.Connects);
    }

    [Fact]
    public void SlowStart_Recoveries_RampToTheFullWeight()
    {
        FakeTimeProvider time = new();
        Pool pool = new(Pools.Options(
            BalanceKind.RoundRobin, Pools.Backend("10.0.0.1", weight: 4, slowStart: 10), Pools.Backend("10.0.0.2")), time);
        Backend backend = pool.Snapshot.Backends[0];
        Assert.Equal(4 * 256, backend.EffectiveWeight(MonotonicTime.Milliseconds(time)));
        Action[] recoveries =
        [
            () => { backend.SetAdminState(AdminState.Down); backend.SetAdminState(AdminState.Up); },
            () => { backend.SetHealth(HealthState.Down, "x"); backend.SetHealth(HealthState.Up, null); },
            () => { backend.SetFleetHealth(up: false); backend.SetFleetHealth(up: true); },
            () =>
            {
                long now = MonotonicTime.Milliseconds(time);
                backend.ReportFailure(now - 20_000);
                Assert.True(backend.TryClaim(now));
                backend.ReportSuccess(now);
            },
        ];
        foreach (Action recover in recoveries)
        {
            recover();
            long now = MonotonicTime.Milliseconds(time);
            Assert.Equal(
                [1L, 256, 512, 1023, 1024, 1024], new[] { 0, 2_500, 5_000, 9_999, 10_000, 99_000 }.Select(ms => backend.EffectiveWeight(now + ms)));
            time.Advance(TimeSpan.FromMinutes(1));
        }
    }

    [Fact]
    public void Health_OwnAndFleet_EitherBlocks()
    {
        Pool pool = Pools.OfWeights(BalanceKind.RoundRobin, 1);
        Backend backend = pool.Snapshot.Backends[0];
        backend.SetFleetHealth(up: false);
        Assert.Null(pool.Pick());
        backend.SetHealth(HealthState.Down, "no answer");
        backend.SetFleetHealth(up: true);
        Assert.Null(pool.Pick());
        Assert.Equal(BackendBlocks.Unhealthy, backend.Blocks);
        backend.SetHealth(HealthState.Up, null);
        Assert.Same(backend, pool.Pick());
    }

    [Fact]
    public void NextEndPoint_SeveralAddresses_TakeTurns()
    {
        Backend backend = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("broker.example")).Snapshot.Backends[0];
        Assert.Null(backend.NextEndPoint());
        Assert.False(backend.IsEligible(0, newClient: false));

        backend.SetEndPoints([new IPEndPoint(IPAddress.Parse("10.0.0.1"), 1883), new IPEndPoint(IPAddress.Parse("10.0.0.2"), 1883)]);

        Assert.True(backend.IsEligible(0, newClient: true));
        Assert.Equal(["10.0.0.1", "10.0.0.2", "10.0.0.1"], Enumerable.Range(0, 3).Select(_ => backend.NextEndPoint()!.Address.ToString()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65_536)]
    public void SetWeight_OutOfRange_Throws(int weight) => Assert.Throws<ArgumentOutOfRangeException>(
        () => Pools.OfWeights(BalanceKind.RoundRobin, 1).Snapshot.Backends[0].SetWeight(weight));
}
