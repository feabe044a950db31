using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;
using ActorLb.Health;
using ActorLb.Supervision;
using ActorLb.Telemetry;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;
using ActorLb.Tests.Hosting;
using Akka.Actor;

namespace ActorLb.Tests.Health;

/// <summary>What a pool makes of its probes' answers.</summary>
public sealed class PoolProbingTests : PoolActorFixture
{
    [Fact]
    public async Task Probes_DeadThenAlive_DownAndUp()
    {
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"));
        await using var actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } });
        await EventAsync(PoolEventKind.HealthUp);
        await EventAsync(PoolEventKind.HealthUp);

        _dead["10.0.0.2:1883"] = true;
        var down = await EventAsync(PoolEventKind.HealthDown);
        Assert.Equal(("10.0.0.2:1883", "dead"), (down.Backend?.Id, down.Detail));
        Assert.Equal([10, 0], actor.Pool.Spread(10));

        _dead.Clear();
        await EventAsync(PoolEventKind.HealthUp);
        Assert.Equal(HealthState.Up, actor.Pool.Snapshot.Backends[1].Health);
    }

    /// <summary>A node of EMQX that is evacuated: alive, for those that belong to it, until a probe says otherwise, or it dies.</summary>
    [Fact]
    public async Task Probes_ToldOfADrain_KeepThoseThatBelong_UntilAGoodOne()
    {
        _evacuating = true;
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        await using var actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Http } });
        var backend = actor.Pool.Snapshot.Backends[0];

        Assert.Equal("HTTP status 503", (await EventAsync(PoolEventKind.ProbeDraining)).Detail);
        await EventAsync(PoolEventKind.HealthUp);
        Assert.Equal((BackendBlocks.DrainingByProbe, HealthState.Up, "draining"), (backend.Blocks, backend.Health, BackendWords.HealthOf(backend)));
        Assert.Equal((false, true), (backend.IsEligible(0, newClient: true), backend.IsEligible(0, newClient: false)));
        Assert.Equal(["draining-by-probe"], BackendWords.Of(backend.Blocks));

        _evacuating = false;
        await EventAsync(PoolEventKind.ProbeDrained);
        Assert.Equal(BackendBlocks.None, backend.Blocks);

        _evacuating = true;
        await EventAsync(PoolEventKind.ProbeDraining);
        _evacuating = false;
        _dead[backend.EndPoint!.ToString()] = true;
        await EventAsync(PoolEventKind.HealthDown);
        Assert.Equal((BackendBlocks.Unhealthy, "down"), (backend.Blocks, BackendWords.HealthOf(backend)));
        _dead.Clear();
        await EventAsync(PoolEventKind.HealthUp);
        Assert.Equal(BackendBlocks.None, backend.Blocks);
        Assert.Contains(_system.Log.Lines, l => l.Text.Contains("is draining at its own request (HTTP status 503)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Reload_ProbesOff_EndsADrainByProbe()
    {
        _evacuating = true;
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        await using var actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Http } });
        await EventAsync(PoolEventKind.HealthUp);

        await actor.ReloadAsync(options, CancellationToken.None);

        Assert.Equal(BackendBlocks.None, actor.Pool.Snapshot.Backends[0].Blocks);
    }

    [Fact]
    public async Task Probes_NoAnswer_DownByTimeout()
    {
        _silent = true;
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        await using var actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } });

        Assert.Equal("no answer within 2 s", (await EventAsync(PoolEventKind.HealthDown)).Detail);
    }

    [Fact]
    public async Task Reload_ProbesOff_HealthForgotten()
    {
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"));
        _dead["10.0.0.1:1883"] = true;
        await using var actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Tcp } });
        await EventAsync(PoolEventKind.HealthDown);
        Assert.Null(actor.Pool.Pick());

        var change = await actor.ReloadAsync(
            Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.3")), CancellationToken.None);

        Assert.Single(change.Added);
        Assert.Equal(HealthState.Unknown, actor.Pool.Snapshot.Backends[0].Health);
        Assert.NotNull(actor.Pool.Pick());
    }

    /// <summary>Out of descriptors a node would otherwise take all brokers down, and in a fleet vote for it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Probe_ThatThisNodeCannotMake_ChangesNothing(bool throws)
    {
        _throwing = throws;
        _dead["127.0.0.1:2"] = true;
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("127.0.0.1", port: 1), Pools.Backend("127.0.0.1", port: 2));
        await using var actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt, Rise = 1, Fall = 1 } });
        Assert.Equal("127.0.0.1:2", (await EventAsync(PoolEventKind.HealthDown)).Backend!.Id);
        Backend up = actor.Pool.Snapshot.Find("127.0.0.1:1")!, down = actor.Pool.Snapshot.Find("127.0.0.1:2")!;
        await _system.UntilAsync(() => up.Health == HealthState.Up);
        _unable = true;
        long before = actor.Pool.InconclusiveProbes;
        await _system.UntilAsync(() => actor.Pool.InconclusiveProbes > before + 10);
        Assert.Equal((HealthState.Up, HealthState.Down), (up.Health, down.Health));
        _unable = false;
        _dead.Clear();
        await EventAsync(PoolEventKind.HealthUp, "127.0.0.1:2");
        Assert.Equal(HealthState.Up, up.Health);
    }

    [Fact]
    public async Task Probe_LateAnswerOfAnEarlierOrder_CountsForNothing()
    {
        TaskCompletionSource<ProbeResult> held = new();
        _held = held;
        var health = Pools.NoHealth with { Probe = ProbeKind.Mqtt, Rise = 1, Fall = 1 };
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")) with { Health = health };
        await using var actor = Start(options);
        await _system.UntilAsync(() => Volatile.Read(ref _probed) == 1);

        _held = null;
        await actor.ReloadAsync(options with { Health = health with { Interval = TimeSpan.FromSeconds(3) } }, CancellationToken.None);
        await EventAsync(PoolEventKind.HealthUp);
        held.SetResult(ProbeResult.Failed("late"));
        int before = Volatile.Read(ref _probed);
        await _system.UntilAsync(() => Volatile.Read(ref _probed) > before + 3);

        Assert.Equal(HealthState.Up, actor.Pool.Snapshot.Backends[0].Health);
        Assert.False(_events.Reader.TryRead(out var more), more?.ToString());
    }

    [Fact]
    public async Task Backend_RemovedAndBackAtOnce_IsProbedAsANewOne()
    {
        var health = Pools.NoHealth with { Probe = ProbeKind.Mqtt };
        var both = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2")) with { Health = health };
        var one = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")) with { Health = health };
        await using var actor = Start(both);
        for (int i = 0; i < 20; i++)
        {
            Task<PoolChange> gone = actor.ReloadAsync(one, CancellationToken.None), back = actor.ReloadAsync(both, CancellationToken.None);
            Assert.Single((await gone).Removed);
            Assert.Single((await back).Added);
        }

        await _system.UntilAsync(() => actor.Pool.Snapshot.Backends[1].Health == HealthState.Up);
        Assert.Equal(0, RestartsOf("node/user/pool-emqx"));
        await VirtualSystem.SoonAsync(() => Actors().Count(a => a.Type == nameof(BackendActor)) == 2);
    }
}
