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

/// <summary>Backends that are names.</summary>
public sealed class PoolResolutionTests : PoolActorFixture
{
    /// <summary>What the configuration does not show: a name that leads to this node, from the start or later.</summary>
    [Fact]
    public async Task Name_OfThisNode_GetsNoClients()
    {
        _own["10.0.0.1:1883"] = "listener mqtt";
        _hosts["self.example"] = [IPAddress.Parse("10.0.0.1")];
        _hosts["mixed.example"] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        _hosts["later.example"] = [IPAddress.Parse("10.0.0.3")];
        await using var actor = Start(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("self.example"), Pools.Backend("mixed.example"), Pools.Backend("later.example")));
        await actor.Ready.WaitAsync(Wait.Patience);

        var backends = actor.Pool.Snapshot.Backends.ToArray();
        Assert.Null(backends[0].EndPoint);
        Assert.Equal("10.0.0.2:1883", backends[1].EndPoint!.ToString());
        Assert.Equal([0, 5, 5], actor.Pool.Spread(10));
        Assert.Contains(
            "pool emqx: backend self.example:1883 cannot be resolved: its name leads to this node itself (listener mqtt): each of its clients would come back as a new one; using none of its addresses",
            _system.Log.Lines.Select(l => l.Text[Math.Max(0, l.Text.IndexOf("pool ", StringComparison.Ordinal))..]));

        _hosts["self.example"] = [IPAddress.Parse("10.0.0.4")];
        await EventAsync(PoolEventKind.BackendResolved, "self.example:1883");
        _hosts["later.example"] = [IPAddress.Parse("10.0.0.1")];
        Assert.Contains("this node itself", (await EventAsync(PoolEventKind.BackendUnresolved, "later.example:1883")).Detail, StringComparison.Ordinal);
        Assert.Null(backends[2].EndPoint);
        Assert.Equal("10.0.0.4:1883", backends[0].EndPoint!.ToString());
    }

    [Fact]
    public async Task Start_Names_ResolvedBeforeReady()
    {
        _hosts["a.example"] = [IPAddress.Parse("10.0.0.2"), IPAddress.Parse("::9"), IPAddress.Parse("10.0.0.1")];
        await using var actor = Start(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("a.example"), Pools.Backend("b.example")));

        await actor.Ready.WaitAsync(Wait.Patience);

        var backends = actor.Pool.Snapshot.Backends.ToArray();
        Assert.Equal(["10.0.0.1:1883", "10.0.0.2:1883"], backends[0].EndPoints.ToArray().Select(e => e.ToString()));
        Assert.Null(backends[1].EndPoint);
        Assert.Equal([10, 0], actor.Pool.Spread(10));
    }

    [Fact]
    public async Task Resolve_UnknownThenKnownThenLost_KeepsTheLastAddresses()
    {
        await using var actor = Start(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("a.example")));
        Assert.NotNull((await EventAsync(PoolEventKind.BackendUnresolved)).Detail);

        _hosts["a.example"] = [IPAddress.Parse("10.0.0.1")];
        Assert.Equal("10.0.0.1", (await EventAsync(PoolEventKind.BackendResolved)).Detail);

        _hosts.Clear();
        await EventAsync(PoolEventKind.BackendUnresolved);
        Assert.Equal("10.0.0.1:1883", actor.Pool.Snapshot.Backends[0].EndPoint?.ToString());

        _hosts["a.example"] = [IPAddress.Parse("10.0.0.2")];
        Assert.Equal("10.0.0.2", (await EventAsync(PoolEventKind.BackendResolved)).Detail);
    }

    [Fact]
    public async Task Resolve_StillUnknown_OneEventADifferentProblem()
    {
        await using var actor = Start(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("a.example")));
        await EventAsync(PoolEventKind.BackendUnresolved);
        while (Volatile.Read(ref _asked) < 6)
        {
            _system.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await actor.StopAsync();

        Assert.False(_events.Reader.TryRead(out var more), more?.ToString());
    }
}
