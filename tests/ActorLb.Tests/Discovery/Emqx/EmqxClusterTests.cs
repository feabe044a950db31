using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Discovery;
using ActorLb.Discovery.Emqx;

namespace ActorLb.Tests.Discovery.Emqx;

public sealed class EmqxClusterTests
{
    private static readonly EmqxDiscoveryOptions Options = new(
        [new Uri("http://emqx1:18083")], "key", null, true, false, 1884, TimeSpan.FromSeconds(10), BackendReader.Defaults(new DnsEndPoint("localhost", 1)) with { Weight = 5 });

    private static EmqxStatus Status(EmqxProcess?[]? evacuations = null, EmqxProcess?[]? rebalances = null, EmqxProcess?[]? purges = null) => new(evacuations, rebalances, purges);

    private static string[] Draining(DiscoveryAnswer answer) => [.. answer.Draining.OrderBy(d => d.Key, StringComparer.Ordinal).Select(d => $"{d.Key} {d.Value}")];

    [Theory]
    [InlineData("emqx@10.0.0.1", "10.0.0.1")]
    [InlineData("emqx@emqx-0.emqx-headless.default.svc.cluster.local", "emqx-0.emqx-headless.default.svc.cluster.local")]
    [InlineData("emqx@fd00::1", "fd00::1")]
    [InlineData("emqx@[fd00::1]", "fd00::1")]
    [InlineData("emqx", null)]
    [InlineData("emqx@", null)]
    [InlineData("emqx@a b", null)]
    [InlineData("emqx@host:1883", null)]
    [InlineData("emqx@1.2.3", null)]
    [InlineData(null, null)]
    public void Node_NamesItsHost(string? node, string? host) => Assert.Equal(host, EmqxCluster.HostOf(node));

    [Fact]
    public void Nodes_ThatRun_AreTheBackends_InOneOrder()
    {
        var answer = EmqxCluster.Read(
            Options, [new("emqx@10.0.0.2", "running"), new("emqx@fd00::1", "Running"), new("emqx@10.0.0.3", "stopped"), new("emqx@10.0.0.1", "running")], Status());
        Assert.Equal(["10.0.0.1:1884", "10.0.0.2:1884", "[fd00::1]:1884"], answer.Backends.Select(b => Backend.IdOf(b.Address)));
        Assert.All(answer.Backends, b => Assert.Equal(5, b.Weight));
        Assert.Equal(["10.0.0.3:1884 EMQX says that the node is stopped"], Draining(answer));
        Assert.Null(answer.Remark);
    }

    [Fact]
    public void Nodes_ThatSendClientsAway_Drain()
    {
        var answer = EmqxCluster.Read(
            Options, [.. Enumerable.Range(1, 5).Select(i => new EmqxNode($"emqx@10.0.0.{i}", "running"))],
            Status(
                [new("emqx@10.0.0.1", "waiting_takeover", null), null, new(null, "x", null), new("emqx@10.0.0.9", "prohibiting", null)],
                [new("emqx@10.0.0.5", "evicting_sessions", ["emqx@10.0.0.2", null, "emqx@10.0.0.1"]), new("emqx@10.0.0.5", null, null)],
                [new("emqx@10.0.0.3", null, null)]));
        Assert.Equal(
            [
                "10.0.0.1:1884 EMQX is evacuating it: waiting_takeover", "10.0.0.2:1884 EMQX is rebalancing its clients to other nodes: evicting_sessions",
                "10.0.0.3:1884 EMQX is purging its sessions",
            ],
            Draining(answer));
        Assert.Equal(5, answer.Backends.Length);
    }

    [Fact]
    public void Nodes_OfOneHost_AreOneBackend_WhichDrainsWhenAllDo()
    {
        EmqxNode?[] nodes = [new("a@10.0.0.1", "running"), new("b@10.0.0.1", "running"), new("c@10.0.0.1", "stopped")];
        var one = EmqxCluster.Read(Options, nodes, Status([new("a@10.0.0.1", "s", null)]));
        Assert.Single(one.Backends);
        Assert.Empty(one.Draining);
        Assert.Single(EmqxCluster.Read(Options, nodes, Status([new("a@10.0.0.1", "s", null), new("b@10.0.0.1", "s", null)])).Draining);
    }

    [Fact]
    public void Names_ThatAreNoHosts_AreToldAndLeftOut()
    {
        var answer = EmqxCluster.Read(Options, [null, new("emqx@\u001b[31m", "running"), new("emqx@10.0.0.1", "running"), new(null, null)], null);
        Assert.Equal("10.0.0.1:1884", Backend.IdOf(Assert.Single(answer.Backends).Address));
        Assert.Equal("EMQX lists nodes without a host to dial, which are left out: , emqx@\\u001b[31m, ", answer.Remark);
    }

    [Fact]
    public void Clusters_WithoutARunningNode_AreNoAnswer()
    {
        Assert.Equal("none of EMQX's 1 nodes is running", Assert.Throws<IOException>(() => EmqxCluster.Read(Options, [new("emqx@h", "error")], null)).Message);
        Assert.Throws<IOException>(() => EmqxCluster.Read(Options, [], null));
    }
}
