using System.Net;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Peers;

/// <summary>PROXY headers that the node writes, read by programs that others wrote.</summary>
public sealed class ProxyHeaderTests
{
    private static readonly IPAddress Client = IPAddress.Parse("127.0.0.77");

    [Fact]
    [Trait("speed", "slow")]
    public async Task RabbitMq_EitherVersion_ShowsTheClientsAddress()
    {
        // It takes longer to start than all the rest here.
        await using var broker = await RabbitMq.StartAsync();
        await using var first = await StartAsync(broker.EndPoint, "v1");
        using var one = await first.OpenAsync("rabbit-1", from: Client);
        var expected = new RabbitMqConnection("127.0.0.77", one.Local.Port, "rabbit-1");
        Assert.Equal(expected, await broker.WaitForClientAsync("rabbit-1"));
        Assert.Equal([expected], await broker.ListConnectionsAsync());

        await using var second = await StartAsync(broker.EndPoint, "v2");
        using var two = await second.OpenAsync("rabbit-2", from: Client);
        Assert.Equal(new RabbitMqConnection("127.0.0.77", two.Local.Port, "rabbit-2"), await broker.WaitForClientAsync("rabbit-2"));
        Assert.Equal(2, (await broker.ListConnectionsAsync()).Count);
    }

    [Theory]
    [InlineData("v1", 1)]
    [InlineData("v2", 2)]
    public async Task Aedes_EitherVersion_ShowsTheClientsAddress(string version, int number)
    {
        await using var broker = await Aedes.StartAsync(proxyProtocol: true);
        await using var node = await StartAsync(broker.Mqtt, version);
        using var client = await node.OpenAsync("aedes", from: Client);
        var learned = await broker.WaitForClientAsync("aedes");
        Assert.Equal(("127.0.0.77", client.Local.Port, number), (learned.Address, learned.Port, learned.Proxy));
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v2")]
    public async Task Nginx_EitherVersion_LogsTheClientsAddress(string version)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var nginx = await NginxPeer.StartAsync(broker.EndPoint);
        await using var node = await StartAsync(nginx.EndPoint, version);
        int port;
        using (var client = await node.OpenAsync("nginx", from: Client))
        {
            port = client.Local.Port;
            await client.SendAsync("more"u8.ToArray());
            Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
        }

        Assert.Equal(port, (await nginx.WaitForConnectionAsync("127.0.0.77")).Port);
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v2")]
    public async Task Haproxy_EitherVersion_LogsTheClientsAddressAndUniqueId(string version)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var haproxy = await HaproxyPeer.StartAsync(broker.EndPoint);
        await using var node = await StartAsync(haproxy.EndPoint, version, "proxy-protocol-tlvs = [unique-id, crc32c]");
        var ids = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < 2; i++)
        {
            string address = $"127.0.0.{80 + i}";
            int port;
            using (var client = await node.OpenAsync("haproxy", from: IPAddress.Parse(address)))
                port = client.Local.Port;
            var learned = await haproxy.WaitForConnectionAsync(address);
            Assert.Equal(port, learned.Port);
            if (version == "v1")
                Assert.Null(learned.UniqueId);
            else
                Assert.True(ids.Add(learned.UniqueId!));
        }
    }

    /// <summary>A probe speaks for nobody, and says so: without a header each of them would be an error in the peer's log.</summary>
    [Theory]
    [InlineData("v1", "tcp")]
    [InlineData("v2", "tcp")]
    [InlineData("v1", "mqtt")]
    [InlineData("v2", "mqtt")]
    public async Task Haproxy_Probes_AreNoErrors(string version, string probe)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var haproxy = await HaproxyPeer.StartAsync(broker.EndPoint);
        int Errors() => haproxy.Process.Lines.Count(l => l.Contains("PROXY", StringComparison.Ordinal));
        int Passed() => haproxy.Process.Lines.Count(l => l.StartsWith("peer 127.0.0.1 ", StringComparison.Ordinal));
        // Who waited for its port connected without one.
        await haproxy.Process.WaitForLineAsync("PROXY");
        int before = Errors();
        await using var node = await StartAsync(haproxy.EndPoint, version, $"health {{ probe = {probe}, interval = 100ms }}");
        await node.UntilAsync(() => Passed() >= 3);
        Assert.Equal(before, Errors());
        Assert.Equal(Balancing.HealthState.Up, node.Node.Pools.Single().Pool.Snapshot.Backends[0].Health);
    }

    [Fact]
    public async Task Haproxy_NodeBehindANode_PassesTheClientsAddressOn()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var haproxy = await HaproxyPeer.StartAsync(broker.EndPoint);
        await using var back = await TestNode.StartAsync(
            $"backends = [\"{haproxy.EndPoint}\"], proxy-protocol = v2", "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }");
        await using var front = await StartAsync(back.EndPoint, "v1");
        int port;
        using (var client = await front.OpenAsync("far", from: Client))
            port = client.Local.Port;
        Assert.Equal(port, (await haproxy.WaitForConnectionAsync("127.0.0.77")).Port);
    }

    private static Task<TestNode> StartAsync(IPEndPoint broker, string version, string tlvs = "") =>
        TestNode.StartAsync($"backends = [\"{broker}\"], proxy-protocol = {version}, connect-timeout = 10s, retry.tries = 1\n{tlvs}");
}
