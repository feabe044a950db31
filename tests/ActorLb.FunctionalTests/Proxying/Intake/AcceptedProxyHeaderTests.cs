using System.Net;
using System.Text;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Intake;

public sealed class AcceptedProxyHeaderTests
{
    [Fact]
    public async Task ProxyHeader_FromListedNetwork_ItsAddressCounts()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var folder = new TempFolder();
        await using (var node = await TestNode.StartAsync(
            TestNode.Backends(broker),
            "accept-proxy-protocol { from = [\"127.0.0.2/32\"] }, limits.per-address = 1, deny = [\"203.0.113.66/32\"]",
            $"log {{ access = \"{folder["access.log"]}\" }}"))
        {
            var front = IPAddress.Parse("127.0.0.2");
            using var first = await ProxiedAsync(node, front, "PROXY TCP4 192.0.2.1 198.51.100.1 4001 1883\r\n"u8, "first");
            Assert.Equal(FakeBroker.ConnackBytes(0), await first.ReadAsync(4));
            using var second = await ProxiedAsync(node, front, "PROXY TCP4 192.0.2.1 198.51.100.1 4002 1883\r\n"u8, "second");
            Assert.Equal(FakeBroker.ConnackBytes(3), await second.ReadAsync(4));
            using var third = await ProxiedAsync(node, front, "PROXY TCP6 2001:db8::7 2001:db8::1 4003 1883\r\n"u8, "third");
            Assert.Equal(FakeBroker.ConnackBytes(0), await third.ReadAsync(4));
            using var fourth = await ProxiedAsync(node, front, Harness.Packets.ProxyV2, "fourth");
            Assert.Equal(FakeBroker.ConnackBytes(0), await fourth.ReadAsync(4));
            using var banned = await ProxiedAsync(node, front, "PROXY TCP4 203.0.113.66 198.51.100.1 4004 1883\r\n"u8, "banned");
            Assert.Empty((await banned.ReadToEndAsync()).Bytes);
        }

        string log = await File.ReadAllTextAsync(folder["access.log"], TestContext.Current.CancellationToken);
        Assert.Contains(" 192.0.2.1:4001 mqtt mqtt=3.1.1 client=\"first\" ", log, StringComparison.Ordinal);
        Assert.Contains(" 192.0.2.1:4002 mqtt mqtt=3.1.1 client=\"second\" ", log, StringComparison.Ordinal);
        Assert.Contains(" [2001:db8::7]:4003 mqtt mqtt=3.1.1 client=\"third\" ", log, StringComparison.Ordinal);
        Assert.Contains(" 203.0.113.9:4660 mqtt mqtt=3.1.1 client=\"fourth\" ", log, StringComparison.Ordinal);
        Assert.Contains(" 203.0.113.66:4004 mqtt mqtt=- client=\"-\" ", log, StringComparison.Ordinal);
    }

    /// <summary>The balancer's health check is none of the clients that the lists and limits are for.</summary>
    [Theory]
    [InlineData("allow = [\"192.0.2.0/24\"]")]
    [InlineData("limits.per-address = 1")]
    [InlineData("limits { connects-per-second = 1 }")]
    public async Task ProxyHeader_OfTheProxyItself_IsAccepted(string limits)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), "accept-proxy-protocol { from = [\"127.0.0.2/32\"] }, " + limits);
        var checks = new List<RawClient>();
        for (int i = 0; i < 3; i++)
        {
            checks.Add(await node.DialAsync(IPAddress.Parse("127.0.0.2")));
            await checks[i].SendAsync((byte[])[.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x20, 0, 0, 0, .. ConnectBytes.V311($"check{i}")]);
            Assert.Equal(FakeBroker.ConnackBytes(0), await checks[i].ReadAsync(4));
        }

        checks.ForEach(c => c.Dispose());
    }

    [Fact]
    public async Task ProxyHeader_FromAnybodyElse_IsNoConnect()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), "accept-proxy-protocol { from = [\"127.0.0.2/32\"] }");
        using (var liar = await ProxiedAsync(node, IPAddress.Loopback, "PROXY TCP4 192.0.2.1 198.51.100.1 4001 1883\r\n"u8, "liar"))
            Assert.Empty((await liar.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.BadConnect);
        using var honest = await node.OpenAsync("honest");
        Assert.Equal(1, broker.Accepted);
    }

    [Theory]
    [InlineData("PROXY TCP4 1.2.3 198.51.100.1 4001 1883\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.1 4001 1883\n\n")]
    [InlineData("")]
    public async Task ProxyHeader_MissingOrMalformed_IsClosedAndReachesNoBroker(string header)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), "accept-proxy-protocol { from = [\"127.0.0.1/32\"] }");
        using (var client = await ProxiedAsync(node, IPAddress.Loopback, Encoding.ASCII.GetBytes(header), "x"))
            Assert.Empty((await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.BadProxyHeader);
        Assert.Equal(0, broker.Accepted);
    }

    [Fact]
    public async Task ProxyHeader_SplitAtEveryByte_IsTaken()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), "accept-proxy-protocol { from = [\"127.0.0.1/32\"] }");
        byte[] all = [.. "PROXY TCP4 192.0.2.1 198.51.100.1 4001 1883\r\n"u8, .. ConnectBytes.V311("x")];
        for (int split = 1; split < all.Length; split++)
        {
            using var client = await node.DialAsync();
            await client.SendPiecesAsync(all.AsMemory(0, split), all.AsMemory(split));
            Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        }
    }

    [Fact]
    public async Task ProxyHeader_Unknown_LeavesTheConnectionsOwnAddress()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), "accept-proxy-protocol { from = [\"127.0.0.1/32\"] }, allow = [\"127.0.0.1/32\"]");
        using var client = await ProxiedAsync(node, IPAddress.Loopback, "PROXY UNKNOWN\r\n"u8, "x");
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
    }

    [Fact]
    public async Task ProxyHeader_IpHash_FollowsTheClientNotTheFront()
    {
        var brokers = Enumerable.Range(0, 4).Select(_ => FakeBroker.Start(FakeBroker.Accepting)).ToArray();
        await using var node = await TestNode.StartAsync(
            "balance = ip-hash\n" + TestNode.Backends(brokers), "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }");
        for (int host = 1; host <= 60; host++)
        {
            int[] before = brokers.Select(b => b.Accepted).ToArray();
            for (int time = 0; time < 2; time++)
            {
                using var client = await ProxiedAsync(
                    node, IPAddress.Loopback, Encoding.ASCII.GetBytes($"PROXY TCP4 192.0.{host}.{7 + time} 198.51.100.1 {4000 + time} 1883\r\n"), "x");
                Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
            }

            Assert.Equal([0, 0, 0, 2], brokers.Select((b, i) => b.Accepted - before[i]).Order());
        }

        Assert.All(brokers, b => Assert.NotEqual(0, b.Accepted));
        foreach (var broker in brokers)
            await broker.DisposeAsync();
    }

    [Fact]
    public async Task ProxyHeader_LocalCommand_LeavesTheConnectionsOwnAddress()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), "accept-proxy-protocol { from = [\"127.0.0.1/32\"] }, allow = [\"127.0.0.1/32\"]");
        // PROXY protocol 2.2: LOCAL with addresses that are to be skipped, as another balancer's health check sends it.
        byte[] header = [.. Harness.Packets.ProxyV2];
        header[12] = 0x20;
        using var client = await ProxiedAsync(node, IPAddress.Loopback, header, "x");
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
    }

    [Theory]
    [InlineData("")]
    [InlineData("PROXY TCP4 192.0.2.1 ")]
    public async Task ProxyHeader_DoesNotEnd_IsClosedInTime(string sent)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), "accept-proxy-protocol { from = [\"127.0.0.1/32\"] }, connect-timeout = 150ms");
        using var client = await node.DialAsync();
        await client.SendAsync(Encoding.ASCII.GetBytes(sent));
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.ConnectTimeout);
    }

    private static Task<RawClient> ProxiedAsync(TestNode node, IPAddress from, ReadOnlySpan<byte> header, string id)
    {
        byte[] bytes = [.. header, .. ConnectBytes.V311(id)];
        return SendAsync();

        async Task<RawClient> SendAsync()
        {
            var client = await node.DialAsync(from);
            await client.SendAsync(bytes);
            return client;
        }
    }
}
