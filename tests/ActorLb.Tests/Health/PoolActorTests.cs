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

/// <summary>Failures of the actors, and their end.</summary>
public sealed class PoolActorTests : PoolActorFixture
{
    [Fact]
    public async Task Reload_AfterStop_Fails()
    {
        var actor = Start(Pools.Options(BalanceKind.RoundRobin));
        await actor.DisposeAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => actor.ReloadAsync(Pools.Options(BalanceKind.RoundRobin), CancellationToken.None));
        await actor.Ready.WaitAsync(Wait.Patience);
    }

    [Fact]
    public async Task Failure_OfOneBackendsActor_DisturbsNoOther()
    {
        var options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1"), Pools.Backend("10.0.0.2"));
        await using var actor = Start(options with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } });
        await EventAsync(PoolEventKind.HealthUp);
        await EventAsync(PoolEventKind.HealthUp);

        // An order that cannot be followed.
        _system.System.ActorSelection("/user/pool-emqx/10.0.0.2:1883").Tell(new ProbeOrder(new FakeProbe(this), null!));
        await _system.UntilAsync(() => RestartsOf("node/user/pool-emqx/10.0.0.2:1883") == 1);
        Assert.Equal((0, 0), (RestartsOf("node/user/pool-emqx"), RestartsOf("node/user/pool-emqx/10.0.0.1:1883")));
        Assert.All(actor.Pool.Snapshot.Backends.ToArray(), b => Assert.Equal(HealthState.Up, b.Health));

        // It probes again, by the pool's options.
        _dead["10.0.0.2:1883"] = true;
        Assert.Equal("10.0.0.2:1883", (await EventAsync(PoolEventKind.HealthDown)).Backend!.Id);
    }

    [Fact]
    public async Task Failure_OfThePoolsActor_WhoAskedIsTold_VerdictsStayAndTheWorkGoesOn()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        _dead["10.0.0.2:1883"] = true;
        var options = Discovering(srv: false) with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } };
        await using var actor = Start(options);
        await _system.UntilAsync(() => actor.Pool.Snapshot.Backends.ToArray().Count(b => b.Health != HealthState.Unknown) == 2);
        _broken = true;
        await Assert.ThrowsAsync<InvalidOperationException>(() => actor.ReloadAsync(
            options with { Health = options.Health with { Interval = TimeSpan.FromSeconds(3) } }, CancellationToken.None));
        Assert.Equal([HealthState.Up, HealthState.Down], actor.Pool.Snapshot.Backends.ToArray().Select(b => b.Health));

        _broken = false;

        // What the broken reload set is in force; probes and discovery go on by it.
        Assert.Equal(TimeSpan.FromSeconds(3), actor.Pool.Options.Health.Interval);
        _dead.Clear();
        await EventAsync(PoolEventKind.HealthUp, "10.0.0.2:1883");
        Assert.Equal(1, RestartsOf("node/user/pool-emqx"));
        _hosts["emqx-headless"] = [.. _hosts["emqx-headless"], IPAddress.Parse("10.0.0.3")];
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(3, actor.Pool.Snapshot.Backends.Length);
        Assert.Empty((await actor.ReloadAsync(options, CancellationToken.None)).Removed);
    }
}
