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

/// <summary>Backends that a name server lists.</summary>
public sealed class PoolDiscoveryTests : PoolActorFixture
{
    [Fact]
    public async Task Discovery_OfThisNode_LeavesItOut()
    {
        _own["10.0.0.1:1883"] = "listener mqtt";
        _hosts[Discovering(srv: false).Discovery!.Source] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        await using var actor = Start(Discovering(srv: false));
        await actor.Ready.WaitAsync(Wait.Patience);
        Assert.Equal(["10.0.0.2:1883"], actor.Pool.Snapshot.Backends.ToArray().Select(b => b.Id));
        Assert.Contains(_system.Log.Lines, l => l.Text.Contains("lists this node itself: 10.0.0.1:1883 (listener mqtt); it is left out", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Discovery_Addresses_ComeAndGo()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.2"), IPAddress.Parse("10.0.0.1")];
        await using var actor = Start(Discovering(srv: false));
        await actor.Ready.WaitAsync(Wait.Patience);
        Assert.Equal(["10.0.0.1:1883", "10.0.0.2:1883"], Ids(actor));
        var kept = actor.Pool.Snapshot.Backends[1];

        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.2"), IPAddress.Parse("10.0.0.3")];
        await EventAsync(PoolEventKind.BackendRemoved);
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.2:1883", "10.0.0.3:1883"], Ids(actor));
        Assert.Same(kept, actor.Pool.Snapshot.Backends[0]);

        _hosts.Clear();
        await EventAsync(PoolEventKind.DiscoveryFailed);
        Assert.Equal(2, actor.Pool.Snapshot.Backends.Length);

        await actor.ReloadAsync(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.9")), CancellationToken.None);
        Assert.Equal(["10.0.0.9:1883"], Ids(actor));
    }

    [Fact]
    public async Task Discovery_AnswerOfStrangers_WorkingOnesStayUntilTheyAreReplaced()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        _dead["10.0.0.9:1883"] = true;
        await using var actor = Start(Discovering(srv: false) with { Health = Pools.NoHealth with { Probe = ProbeKind.Mqtt } });
        await EventAsync(PoolEventKind.HealthUp);
        await EventAsync(PoolEventKind.HealthUp);

        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.9")];
        await EventAsync(PoolEventKind.Discovered);
        await EventAsync(PoolEventKind.HealthDown);
        Assert.Equal(["10.0.0.9:1883", "10.0.0.1:1883", "10.0.0.2:1883"], Ids(actor));
        Assert.Equal([0, 5, 5], actor.Pool.Spread(10));

        // What is kept and fails goes with its failure, the rest when the new one works.
        _dead["10.0.0.1:1883"] = true;
        await EventAsync(PoolEventKind.BackendRemoved);
        Assert.Equal(["10.0.0.9:1883", "10.0.0.2:1883"], Ids(actor));
        _dead.Clear();
        await EventAsync(PoolEventKind.BackendRemoved);
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.9:1883"], Ids(actor));
    }

    [Fact]
    public async Task Discovery_WithoutProbes_ClientsTakenCountAsProof()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2")];
        await using var actor = Start(Discovering(srv: false));
        await EventAsync(PoolEventKind.Discovered);
        actor.Pool.Snapshot.Backends[0].ReportSuccess(1);

        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.9")];
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.9:1883", "10.0.0.1:1883"], Ids(actor));
        actor.Pool.Snapshot.Backends[0].ReportSuccess(1);
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.9:1883"], Ids(actor));
    }

    [Fact]
    public async Task Discovery_AnotherNameByReload_OldBackendsServeUntilItIsAnswered()
    {
        _hosts["emqx-headless"] = [IPAddress.Parse("10.0.0.1")];
        await using var actor = Start(Discovering(srv: false));
        await actor.Ready.WaitAsync(Wait.Patience);

        var other = Discovering(srv: false) with { Discovery = (DnsDiscoveryOptions)Discovering(srv: false).Discovery! with { Name = "other" } };
        await actor.ReloadAsync(other, CancellationToken.None);
        await EventAsync(PoolEventKind.DiscoveryFailed);
        Assert.Equal(["10.0.0.1:1883"], Ids(actor));
        _hosts["other"] = [IPAddress.Parse("10.0.0.2")];
        await EventAsync(PoolEventKind.Discovered);
        Assert.Equal(["10.0.0.2:1883"], Ids(actor));
    }

    [Fact]
    public async Task Discovery_ThousandsOfAddresses_Bounded()
    {
        _hosts["emqx-headless"] = [.. Enumerable.Range(0, 3000).Select(i => new IPAddress(0x0A000000L + i))];
        _hosts["many.example"] = _hosts["emqx-headless"];
        await using var actor = Start(Discovering(srv: false));
        await actor.Ready.WaitAsync(Wait.Patience);
        Assert.Equal(DiscoveryMerge.MaxTargets, actor.Pool.Snapshot.Backends.Length);

        await actor.ReloadAsync(Pools.Options(BalanceKind.RoundRobin, Pools.Backend("many.example")), CancellationToken.None);
        await EventAsync(PoolEventKind.BackendResolved);
        Assert.Equal(DiscoveryMerge.MaxTargets, actor.Pool.Snapshot.Backends[0].EndPoints.Length);
    }

    [Fact]
    public async Task Discovery_Srv_PortsWeightsAndPriorities()
    {
        _services["_mqtt._tcp.example"] =
        [
            new SrvRecord(20, 5, 1885, "c.example"), new SrvRecord(10, 0, 1884, "b.example"), new SrvRecord(10, 7, 1883, "a.example"),
        ];
        foreach (string host in new[] { "a", "b", "c" })
        {
            _hosts[$"{host}.example"] = [IPAddress.Parse("10.0.0.1")];
        }

        await using var actor = Start(Discovering(srv: true));
        await actor.Ready.WaitAsync(Wait.Patience);

        Assert.Equal(["a.example:1883 7 False", "b.example:1884 1 False", "c.example:1885 5 True"],
            actor.Pool.Snapshot.Backends.ToArray().Select(b => $"{b.Id} {b.Weight} {b.Backup}"));
        Assert.NotNull(actor.Pool.Snapshot.Backends[2].EndPoint);
    }
}
