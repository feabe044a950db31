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
        var pool = Pools.Of(
            BalanceKind.RoundRobin, Pools.Backend("10.0.0.1", maxFails: maxFails), Pools.Backend("10.0.0.2", backup: true));
        var first = pool.Snapshot.Backends[0];
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
        var pool = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2", down: true));
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
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 1);
        var first = pool.Snapshot.Backends[0];
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
        var backend = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1", maxConnections: 3)).Snapshot.Backends[0];
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
        var backend = pool.Snapshot.Backends[0];
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
        foreach (var recover in recoveries)
        {
            recover();
            long now = MonotonicTime.Milliseconds(time);
            Assert.Equal(
                [1L, 256, 512, 1023, 1024, 1024], new[] { 0, 2_500, 5_000, 9_999, 10_000, 99_000 }.Select(ms => backend.EffectiveWeight(now + ms)));
            time.Advance(TimeSpan.FromMinutes(1));
        }
    }

    /// <summary>
    /// An outage of 10 s begins by a failed dial ("d") or by a silent connection ("s"); then a good probe that began so many ms later:
    /// one that speaks MQTT ("m") or one that only connects ("t").
    /// </summary>
    [Theory]
    [InlineData('d', 'm', 1, true)]
    [InlineData('d', 't', 1, true)]
    [InlineData('s', 'm', 1, true)]
    [InlineData('s', 't', 1, false)]
    [InlineData('s', 't', 9_999, false)]
    [InlineData('s', 't', 10_000, true)]
    [InlineData('d', 'm', -1, false)]
    [InlineData('d', 't', -1, false)]
    public void MaxFails_GoodProbe_EndsTheOutageWhenItProvesTheContrary(char failure, char probe, int later, bool ends)
    {
        FakeTimeProvider time = new();
        List<PoolEventKind> events = [];
        Pool pool = new(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")), time, e => events.Add(e.Kind));
        var backend = pool.Snapshot.Backends[0];
        long failed = MonotonicTime.Milliseconds(time);
        backend.ReportFailure(failed, connected: failure == 's');
        time.Advance(TimeSpan.FromMilliseconds(Math.Max(1, later)));

        backend.ReportProbe(new ProbeReport(Alive: true, Refused: false, Failures: 0, failed + later, AsClient: probe == 'm'));

        Assert.Equal(ends, events.Contains(PoolEventKind.BackendIn));
        Assert.Equal(ends, pool.Spread(10, MonotonicTime.Milliseconds(time) - (ends ? 0 : 1))[0] == 5);
    }

    [Fact]
    public void MaxFails_FailTimeoutOver_IsNoBlockAnyMore()
    {
        FakeTimeProvider time = new();
        Pool pool = new(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")), time);
        var backend = pool.Snapshot.Backends[0];
        backend.ReportFailure(MonotonicTime.Milliseconds(time));
        time.Advance(TimeSpan.FromMilliseconds(9_999));
        Assert.Equal(BackendBlocks.Out, backend.Blocks);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(BackendBlocks.None, backend.Blocks);
    }

    [Fact]
    public void MaxFails_OperatorsWord_EndsTheOutage()
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1, 1);
        var backend = pool.Snapshot.Backends[0];
        backend.ReportFailure(0);
        backend.SetAdminState(AdminState.Down);
        backend.SetAdminState(AdminState.Up);
        Assert.Equal([5, 5], pool.Spread(10));
        backend.ReportFailure(0);
        backend.ForgetFailures();
        Assert.Equal([5, 5], pool.Spread(10));
    }

    /// <summary>
    /// Steps at ms: "f" a connection fails, "p" a probe finds no answer, "r" the backend refuses the probe, "g" a good probe,
    /// "d" drained, "D" taken down, "+" grace expected, "-" none expected.
    /// </summary>
    [Theory]
    [InlineData("0f 0+ 9999+ 10000-")]
    [InlineData("0p 0+ 9999+ 10000-")]
    [InlineData("0p 1000p 1000-")]
    [InlineData("0f 1p 1+ 2p 2-")]
    [InlineData("0p 1p 2g 2+")]
    [InlineData("0r 0-")]
    [InlineData("0f 1r 1-")]
    [InlineData("0d 60000f 60000+ 69999+ 70000-")]
    [InlineData("0f 1D 1-")]
    public void Grace_Findings_OnlyWhileTheyMayBeWrong(string steps)
    {
        FakeTimeProvider time = new();
        Pool pool = new(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1", failTimeout: 3600), Pools.Backend("10.0.0.2"), Pools.Backend("10.0.0.3")), time);
        var backend = pool.Snapshot.Backends[0];
        long start = MonotonicTime.Milliseconds(time);
        int failures = 0;
        foreach (string step in steps.Split(' '))
        {
            long now = start + long.Parse(step[..^1]);
            time.Advance(TimeSpan.FromMilliseconds(now - MonotonicTime.Milliseconds(time)));
            switch (step[^1])
            {
                case 'f':
                    backend.ReportFailure(now);
                    break;
                case 'd' or 'D':
                    backend.SetAdminState(step[^1] == 'd' ? AdminState.Drain : AdminState.Down);
                    break;
                case 'p' or 'r' or 'g':
                    failures = step[^1] == 'g' ? 0 : failures + 1;
                    backend.ReportProbe(new ProbeReport(failures == 0, step[^1] == 'r', failures, now, AsClient: false));
                    if (failures > 0)
                    {
                        backend.SetHealth(HealthState.Down, "test");
                    }

                    break;
                default:
                    Assert.True(backend.HasGrace(now, 10_000) == (step[^1] == '+'), $"{step} of {steps}");
                    Assert.False(backend.HasGrace(now, 0));
                    break;
            }
        }
    }

    [Fact]
    public void Health_OwnAndFleet_EitherBlocks()
    {
        var pool = Pools.OfWeights(BalanceKind.RoundRobin, 1);
        var backend = pool.Snapshot.Backends[0];
        backend.SetFleetHealth(up: false);
        Assert.Null(pool.Pick());
        backend.SetHealth(HealthState.Down, "no answer");
        backend.SetFleetHealth(up: true);
        Assert.Null(pool.Pick());
        Assert.Equal(BackendBlocks.Unhealthy, backend.Blocks);
        backend.SetHealth(HealthState.Up, null);
        Assert.Same(backend, pool.Pick());
    }

    /// <summary>What operators see of a drain at a pace; a state that is told again is no event.</summary>
    [Fact]
    public void SetAdminState_WithAPace_TellsEachChangeOnce()
    {
        List<string> told = [];
        var pool = new Pool(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")), new FakeTimeProvider(), e => told.Add(e.Kind.ToString()));
        var backend = pool.Snapshot.Backends[0];
        var drain = new PacedDrain(50, IsPaused: false, 1);
        var left = TimeSpan.FromSeconds(9);
        told.Clear();
        backend.SetAdminState(AdminState.Drain, left, pacing: drain);
        backend.SetAdminState(AdminState.Drain, left, pacing: drain with { });
        backend.SetAdminState(AdminState.Drain, left, pacing: drain with { Rate = 60 });
        backend.SetAdminState(AdminState.Drain, left, pacing: drain with { Rate = 60, IsPaused = true });
        backend.SetAdminState(AdminState.Drain, left, pacing: drain with { Rate = 60 });
        backend.SetAdminState(AdminState.Drain, left, pacing: drain with { Ordered = 2 });
        backend.SetAdminState(AdminState.Drain, left);
        backend.SetAdminState(AdminState.Drain, left, pacing: drain);
        backend.SetAdminState(AdminState.Up);
        Assert.Equal(
            "AdminStateChanged DrainBegun DrainRateChanged DrainPaused DrainResumed DrainBegun DrainPaceEnded DrainBegun AdminStateChanged", string.Join(' ', told));
    }

    [Fact]
    public void DrainLeft_WhilePaused_StandsStill()
    {
        var time = new FakeTimeProvider();
        var backend = new Pool(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")), time).Snapshot.Backends[0];
        var drain = new PacedDrain(50, IsPaused: true, 1);
        backend.SetAdminState(AdminState.Drain, TimeSpan.FromSeconds(9), pacing: drain);
        time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(TimeSpan.FromSeconds(9), backend.DrainLeft);
        backend.SetAdminState(AdminState.Drain, backend.DrainLeft, pacing: drain with { IsPaused = false });
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.FromSeconds(7), backend.DrainLeft);
        backend.SetAdminState(AdminState.Down, backend.DrainLeft, pacing: drain);
        Assert.Null(backend.DrainLeft);
    }

    [Fact]
    public void NextEndPoint_SeveralAddresses_TakeTurns()
    {
        var backend = Pools.Of(BalanceKind.RoundRobin, Pools.Backend("broker.example")).Snapshot.Backends[0];
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
