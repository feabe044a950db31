using System.Net;
using ActorLb.FunctionalTests.Server;
using ActorLb.Proxying;
using ActorLb.Server.Admin;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Proxying;

/// <summary>A test for each directive of NGINX that EMQX's guide uses and that plain TCP is enough for: what it does there, done here.</summary>
public sealed class GuideTests
{
    [Fact]
    public async Task Upstream_WeightMaxFailsFailTimeoutDownBackup_AllHold()
    {
        await using var brokers = new Brokers(5);
        await brokers[4].DisposeAsync();
        await using var node = await TestNode.StartAsync($$"""
            backends = [
              { address = "{{brokers[0].EndPoint}}", weight = 3 }
              { address = "{{brokers[1].EndPoint}}" }
              { address = "{{brokers[2].EndPoint}}", down = true }
              { address = "{{brokers[3].EndPoint}}", backup = true }
              { address = "{{brokers[4].EndPoint}}", max-fails = 2, fail-timeout = 10s }
            ]
            """);
        await ComeAndGoAsync(node, 20);
        Assert.Equal((0, 0), (brokers[2].Accepted, brokers[3].Accepted));
        Assert.Equal(20, brokers[0].Accepted + brokers[1].Accepted);
        Assert.InRange(brokers[0].Accepted, 13, 16);
        Assert.Equal(2, node.Backend(brokers[4]).Failures);
        await brokers[0].DisposeAsync();
        await brokers[1].DisposeAsync();
        await ComeAndGoAsync(node, 3);
        Assert.Equal(3, brokers[3].Accepted);
    }

    [Fact]
    public async Task Upstream_WeightedRoundRobin_IsSmooth()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(
            $"backends = [{{ address = \"{brokers[0].EndPoint}\", weight = 5 }}, \"{brokers[1].EndPoint}\", \"{brokers[2].EndPoint}\"]");
        for (int clients = 1; clients <= 21; clients++)
        {
            await ComeAndGoAsync(node, 1);
            // Never in bursts: after any number of clients each broker has its share, but for one.
            int[] accepted = brokers.Accepted;
            Assert.InRange(accepted[0] - (clients * 5 / 7.0), -1, 1);
            Assert.InRange(accepted[1] - (clients / 7.0), -1, 1);
            Assert.InRange(accepted[2] - (clients / 7.0), -1, 1);
        }

        Assert.Equal([15, 3, 3], brokers.Accepted);
    }

    [Fact]
    public async Task IpHash_ClientsOfOneNetwork_GoToOneServer()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync("balance = ip-hash\n" + TestNode.Backends(brokers.All));
        for (int host = 1; host <= 9; host++)
        {
            using (await node.OpenAsync("x", from: IPAddress.Parse($"127.3.4.{host}")))
            {
            }
        }

        Assert.Equal([0, 0, 9], brokers.Accepted.Order());
    }

    [Fact]
    public async Task LeastConn_ServerWithFewest_GetsTheNext()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync("balance = least-connections\n" + TestNode.Backends(brokers.All));
        using var first = await node.OpenAsync("1");
        using var second = await node.OpenAsync("2");
        (await brokers[0].NextConnectionAsync()).Abort();
        await node.UntilAsync(() => node.Backend(brokers[0]).Active == 0);
        await ComeAndGoAsync(node, 1);
        Assert.Equal([2, 1], brokers.Accepted);
    }

    [Fact]
    public async Task MqttPreread_HashOfTheClientIdConsistent_FewMoveWhenAServerIsAdded()
    {
        const int Clients = 60;
        await using var brokers = new Brokers(4);
        await using var node = await TestNode.StartAsync(
            "balance = hash, hash-key = \"$mqtt_preread_clientid\"\n" + TestNode.Backends(brokers.All.Take(3)));
        int[] before = await brokers.HomesAsync(node, Clients);
        await node.ReloadAsync(TestNode.Text("balance = hash\n" + TestNode.Backends(brokers.All)));
        int[] after = await brokers.HomesAsync(node, Clients);
        Assert.All(before.Zip(after), pair => Assert.True(pair.First == pair.Second || pair.Second == 3));
        // A quarter is to move; five standard deviations.
        Assert.InRange(after.Count(home => home == 3), 1, 32);
    }

    [Fact]
    public async Task MappingTable_ClientIdToNode_OutlivesAChangeOfTheServers()
    {
        await using var brokers = new Brokers(4);
        await using var node = await TestNode.StartAsync("balance = sticky\n" + TestNode.Backends(brokers.All.Take(3)));
        int[] before = await brokers.HomesAsync(node, 30);
        await node.ReloadAsync(TestNode.Text("balance = sticky\n" + TestNode.Backends(brokers.All)));
        Assert.Equal(before, await brokers.HomesAsync(node, 30));
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v2")]
    public async Task ProxyProtocol_On_BrokerLearnsTheClientsAddress(string version)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var nginx = await NginxPeer.StartAsync(broker.EndPoint);
        await using var node = await TestNode.StartAsync($"backends = [\"{nginx.EndPoint}\"], proxy-protocol = {version}");
        int port;
        using (var client = await node.OpenAsync("x", from: IPAddress.Parse("127.0.0.9")))
            port = client.Local.Port;
        Assert.Equal(port, (await nginx.WaitForConnectionAsync("127.0.0.9")).Port);
    }

    [Fact]
    public async Task ProxyConnectTimeout_ServerThatDoesNotAnswer_IsLeftForTheNext()
    {
        await using var silent = FakeBroker.Start(FakeBroker.Silent);
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(silent, broker) + "connect-timeout = 150ms");
        await ComeAndGoAsync(node, 1);
        await node.UntilAsync(() => (silent.Accepted, broker.Accepted) == (1, 1));
    }

    [Fact]
    public async Task ProxyTimeout_NothingEitherWay_EndsTheSession()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "idle-timeout = 150ms");
        using var client = await node.OpenAsync("x");
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.IdleTimeout);
    }

    [Fact]
    public async Task ProxyBufferSize_ReceiverThatStops_HoldsOneBuffer()
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await Task.Delay(Timeout.Infinite, stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "buffer-size = 16KiB");
        using var client = await node.OpenAsync("x");
        var sending = client.SendAsync(new byte[32 << 20]);
        var reactor = node.Node.Reactors[0];
        // The sockets may still take it: whatever is held at a time is one buffer.
        long held = 0;
        await node.UntilAsync(() => (held = reactor.Buffers.Rented) > 0);
        Assert.InRange(held, 1, 16 * 1024);
        Assert.False(sending.IsCompleted);
        client.Abort();
        await Assert.ThrowsAnyAsync<Exception>(() => sending);
    }

    [Theory]
    [InlineData("on")]
    [InlineData("off")]
    public async Task TcpNodelay_EitherWay_MessagesPass(string noDelay)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + $"tcp.no-delay = {noDelay}");
        using var client = await node.OpenAsync("x");
        await client.SendPiecesAsync("a"u8.ToArray(), "b"u8.ToArray());
        Assert.Equal("ab"u8.ToArray(), await client.ReadAsync(2));
    }

    [Fact]
    public async Task WorkerProcesses_Four_ShareTheListener()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: "node.workers = 4");
        Assert.Equal(4, node.Node.Reactors.Count);
        await ComeAndGoAsync(node, 80);
        // The kernel spreads by a hash of the addresses: a worker without any of 80 would be one chance in 10 thousand million.
        Assert.All(node.Node.Reactors, r => Assert.NotEqual(0, r.Counters.Accepted));
    }

    [Fact]
    public async Task WorkerConnections_Reached_ClientIsTold()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: "node.max-connections = 3");
        var clients = new List<RawClient>();
        for (int i = 0; i < 3; i++)
            clients.Add(await node.OpenAsync($"{i}"));
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("over")));
        clients.ForEach(c => c.Dispose());
    }

    [Fact]
    public async Task SplitClients_ProxyBindMultiIp_UsesEverySource()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "source-addresses = [{ address = \"127.0.0.21\", share = 50% }, { address = \"127.0.0.22\", share = 50% }]");
        await ComeAndGoAsync(node, 60);
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < 60; i++)
        {
            string source = (await broker.NextConnectionAsync()).Remote.Address.ToString();
            seen[source] = seen.GetValueOrDefault(source) + 1;
        }

        Assert.Equal(["127.0.0.21", "127.0.0.22"], seen.Keys.Order(StringComparer.Ordinal));
        Assert.All(seen.Values, n => Assert.InRange(n, 8, 52));
    }

    [Fact]
    public async Task StubStatus_Page_HasItsText()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("x");
        await node.UntilAsync(() => node.Sum(c => Volatile.Read(ref c.Relaying)) == 1);
        Assert.Equal(
            "Active connections: 1 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 0 Waiting: 1 \n",
            StatusPage.Render(node.Node));
    }

    [Fact]
    public async Task Commands_TestReloadStop_DoTheirPart()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        Assert.Equal(0, (await NodeFiles.RunAsync("check", files.Path)).ExitCode);
        await using var node = await files.StartAsync();
        using var client = await files.OpenAsync("x");
        Assert.Equal(0, (await NodeFiles.RunAsync("reload", files.Path)).ExitCode);
        await client.SendAsync("more"u8.ToArray());
        Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
        Assert.Equal(0, (await NodeFiles.RunAsync("stop", files.Path, "--now")).ExitCode);
    }

    [Fact]
    public async Task Compose_TenConnectionsOverThreeNodes_AreSpreadEvenly()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All));
        var bench = await ActorLbProcess.RunAsync(
            "bench", "conn", "-c", "10", "-h", "127.0.0.1", "-p", $"{node.EndPoint.Port}", "--hold", "0s");
        Assert.True(bench.ExitCode == 0, bench.Output);
        Assert.Equal([3, 3, 4], brokers.Accepted.Order());
    }

    private static async Task ComeAndGoAsync(TestNode node, int count)
    {
        for (int i = 0; i < count; i++)
        {
            using (await node.OpenAsync($"client-{i}"))
            {
            }
        }
    }
}
