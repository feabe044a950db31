using System.Collections.Immutable;
using ActorLb.Balancing;
using ActorLb.Configuration.Effective;
using ActorLb.Fleet.Spread;
using ActorLb.Hosting;
using ActorLb.Sticky;
using ActorLb.Testing;
using Akka.Actor;
using Akka.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Tests.Fleet.Spread;

/// <summary>The spread state with real Akka.DistributedData: several systems in this process.</summary>
[Trait("place", "beside")]
[Trait("speed", "slow")]
public sealed class SpreadClusterTests : IAsyncDisposable
{
    private static readonly BackendKey Broker = new("emqx", "10.0.0.1:1883");
    private static readonly byte[] Secret = new byte[32];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("actorlb-spread");
    private readonly List<Node> _nodes = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes) await node.System.Terminate();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Change_OnOneMember_HoldsOnAllAndAfterARestartOfAll()
    {
        Node[] nodes = [Start("1"), Start("2"), Start("3")];
        await JoinAsync(nodes);
        var outcome = await nodes[1].State.ChangeAsync(Broker, (r, _) => r with { State = AdminState.Down, Weight = 4 });
        Assert.Equal(new ChangeOutcome(true, null), outcome);
        await Wait.UntilAsync(() => nodes.All(n => n.Of(Broker) is { State: AdminState.Down, Weight: 4, IsLocal: false }));
        Assert.Equal(AdminState.Down, nodes[0].Slots.StateOf(nodes[0].Of(Broker).Reference));
        foreach (var node in nodes) await node.System.Terminate();

        var again = Start("2");
        Assert.True(again.Of(Broker) is { State: AdminState.Down, Weight: 4 });
    }

    [Fact]
    public async Task Change_OnADetachedNode_HoldsThereAndIsTakenByTheFleetOnceItJoins()
    {
        Node[] nodes = [Start("1"), Start("2")];
        await JoinAsync(nodes[0]);
        var outcome = await nodes[1].State.ChangeAsync(Broker, (r, _) => r with { State = AdminState.Drain });
        Assert.Contains("detached", outcome.Pending, StringComparison.Ordinal);
        Assert.True(nodes[1].Of(Broker) is { State: AdminState.Drain, IsLocal: true });
        await JoinAsync(nodes);
        await Wait.UntilAsync(() => nodes.All(n => n.Of(Broker) is { State: AdminState.Drain, IsLocal: false }));
    }

    [Fact]
    public async Task Orders_OfOneMember_HoldOnAllOnOneThatJoinsLaterAndAfterARestart()
    {
        Node[] nodes = [Start("1"), Start("2"), Start("3")];
        var outcome = await nodes[0].State.Orders.SetAsync("ban/early", new byte[] { 1 });
        Assert.Contains("detached", outcome.Pending, StringComparison.Ordinal);
        await JoinAsync(nodes[..2]);
        Assert.Equal(default, await nodes[1].State.Orders.SetAsync("ban/x", new byte[] { 2 }));
        await Wait.UntilAsync(() => nodes[..2].All(n => n.State.Orders.All("ban/") is [{ IsLocal: false }, { IsLocal: false }]));
        await JoinAsync(nodes);
        await Wait.UntilAsync(() => nodes[2].State.Orders.All("ban/").Length == 2);
        Assert.Equal(default, await nodes[2].State.Orders.SetAsync("ban/early", default));
        await Wait.UntilAsync(() => nodes.All(n => n.State.Orders.All("ban/") is [{ Name: "ban/x" }]));
        foreach (var node in nodes) await node.System.Terminate();

        Assert.Equal(["ban/x"], Start("2").State.Orders.All("").Select(o => o.Name));
    }

    [Fact]
    public async Task Configurations_OfAllNodes_AreKnownToAll_AndTheNewestCounts()
    {
        Node[] nodes = [Start("1"), Start("2"), Start("3")];
        nodes[0].State.SetConfiguration("1", Fingerprint("aaaaaaaaaaaa", ("pools.emqx", "1")));
        nodes[1].State.SetConfiguration("2", Fingerprint("bbbbbbbbbbbb", ("pools.emqx", "2")));
        await JoinAsync(nodes);
        nodes[2].State.SetConfiguration("3", Fingerprint("cccccccccccc", ("pools.emqx", "1")));
        await Wait.UntilAsync(() => nodes.All(n => n.State.Configurations.Known.Count == 3));
        Assert.All(nodes, n => Assert.Equal(["pools.emqx"], ConfigurationFingerprint.Differences(
            n.State.Configurations.Known["1"].Parts, n.State.Configurations.Known["2"].Parts)));

        nodes[1].State.SetConfiguration("2", Fingerprint("dddddddddddd", ("pools.emqx", "1")));
        await Wait.UntilAsync(() => nodes.All(n => n.State.Configurations.Known["2"].Hash == "dddddddddddd"));
        Assert.All(nodes, n => Assert.Empty(ConfigurationFingerprint.Differences(
            n.State.Configurations.Known["1"].Parts, n.State.Configurations.Known["2"].Parts)));
    }

    private static ConfigurationFingerprint Fingerprint(string hash, params (string Part, string Hash)[] parts) =>
        new(hash, parts.ToImmutableSortedDictionary(p => p.Part, p => p.Hash, StringComparer.Ordinal));

    [Fact]
    public async Task Keys_OfSeveralNodes_BecomeTheSameAndStay()
    {
        Node[] nodes = [Start("1"), Start("2")];
        await JoinAsync(nodes[0]);
        await Wait.UntilAsync(() => !nodes[0].State.Tickets.Current.IsEmpty);
        byte[] first = nodes[0].State.Tickets.Current[0].Bytes.ToArray();
        await JoinAsync(nodes);
        await Wait.UntilAsync(() => !nodes[1].State.Tickets.Current.IsEmpty);
        Assert.Equal(first, nodes[1].State.Tickets.Current[0].Bytes.ToArray());
        Assert.Equal(first, nodes[0].State.Tickets.Current[0].Bytes.ToArray());
        Assert.Equal(nodes[0].State.HashKey, nodes[1].State.HashKey);
    }

    [Fact]
    public async Task HashKey_WithoutASecret_IsTheFleetsAndKept()
    {
        Node[] nodes = [Start("1", secret: null), Start("2", secret: null)];
        Assert.NotEqual(nodes[0].State.HashKey, nodes[1].State.HashKey);
        await JoinAsync(nodes[0]);
        byte[] key = nodes[0].State.HashKey;
        await Wait.UntilAsync(() => nodes[0].State.Keys.Items.ContainsKey(SpreadState.HashKeyName));
        await JoinAsync(nodes);
        await Wait.UntilAsync(() => nodes[1].State.HashKey.AsSpan().SequenceEqual(key));
        await Wait.UntilAsync(() => File.Exists(RegisterFile.PathOf(Path.Combine(_folder.FullName, "2"), SpreadState.KeysKey)));
        await nodes[1].System.Terminate();
        Assert.Equal(key, Start("2", secret: null).State.HashKey);
    }

    [Fact]
    public async Task Counts_OfTheMembers_AddUpAndADeadNodeCountsNoLonger()
    {
        Node[] nodes = [Start("1"), Start("2"), Start("3")];
        await JoinAsync(nodes);
        for (int i = 0; i < 3; i++) nodes[i].Connections = 1 << (4 * i);
        await Wait.UntilAsync(() => nodes[0].Counts.Report.ConnectionsOf(7) == 0x110 && nodes[2].Counts.Report.ConnectionsOf(7) == 0x011);
        await nodes[1].System.Terminate();
        await Wait.UntilAsync(() => nodes[0].Counts.Report is { LiveNodes: 2 } report && report.ConnectionsOf(7) == 0x100);
    }

    private Node Start(string name) => Start(name, Secret);

    private Node Start(string name, byte[]? secret)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder.FullName, name)).FullName;
        var slots = new BackendSlots();
        var state = new SpreadState(secret, "test", folder, slots, TimeProvider.System, NullLogger.Instance);
        state.Want([Broker]);
        var config = ConfigurationFactory.ParseString($$"""
            akka {
              loglevel = OFF, stdout-loglevel = OFF
              coordinated-shutdown { exit-clr = off, run-by-clr-shutdown-hook = off }
              actor {
                provider = cluster
                serializers.spread = "{{typeof(SpreadSerializer).AssemblyQualifiedName}}"
                serialization-bindings { "{{typeof(ReplicatedRegisters).AssemblyQualifiedName}}" = spread, "{{typeof(CountsMessage).AssemblyQualifiedName}}" = spread }
              }
              remote.dot-netty.tcp { hostname = "127.0.0.1", port = 0 }
              cluster {
                gossip-interval = 100ms, leader-actions-interval = 100ms, periodic-tasks-initial-delay = 100ms
                distributed-data {
                  gossip-interval = 200ms, notify-subscribers-interval = 50ms
                  durable {
                    keys = ["{{SpreadState.BackendsKey}}", "{{SpreadState.KeysKey}}", "{{SpreadState.OrdersKey}}"]
                    store-actor-class = "{{typeof(DurableFiles).AssemblyQualifiedName}}"
                    {{DurableFiles.FolderSetting}} = "{{folder}}"
                  }
                }
              }
            }
            """);
        var node = new Node(ActorSystem.Create("spread", config), state, slots, new FleetCounts(TimeProvider.System));
        node.System.ActorOf(SpreadActor.Props(state), SpreadActor.Name);
        node.System.ActorOf(CountsActor.Props(node.Counts, () => [new BackendReport(7, node.Connections, false)], _ => { }), CountsActor.Name);
        _nodes.Add(node);
        return node;
    }

    private static async Task JoinAsync(params Node[] nodes)
    {
        var first = Akka.Cluster.Cluster.Get(nodes[0].System).SelfAddress;
        using var patience = new CancellationTokenSource(Wait.Patience);
        foreach (var node in nodes) await Akka.Cluster.Cluster.Get(node.System).JoinAsync(first, patience.Token);
        await Wait.UntilAsync(() => nodes.All(n => Akka.Cluster.Cluster.Get(n.System).SelfMember.Status == Akka.Cluster.MemberStatus.Up));
    }

    private sealed record Node(ActorSystem System, SpreadState State, BackendSlots Slots, FleetCounts Counts)
    {
        public int Connections { get; set; }

        public SpreadBackend Of(BackendKey key) => State.Backends.Snapshot().Single(b => b.Key == key);
    }
}
