using System.Net;
using System.Text;
using ActorLb.Proxying;
using ActorLb.Testing;

namespace ActorLb.FunctionalTests.Proxying;

public sealed class AdmissionTests
{
    public static TheoryData<string, string, int, int, string> Limits => new()
    {
        // listener, node, code of 3.x, code of 5, reason
        { "", "node.max-connections = 2", 3, 0x89, nameof(CloseReason.NodeFull) },
        { "max-connections = 2", "", 3, 0x89, nameof(CloseReason.ListenerFull) },
        { "limits.per-address = 2", "", 3, 0x89, nameof(CloseReason.AddressFull) },
        { "limits.per-address.rate = 2", "", 3, 0x9F, nameof(CloseReason.AddressRate) },
        { "limits.connects-per-second = 2", "", 3, 0x9F, nameof(CloseReason.ConnectRate) },
    };

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task Client_OverALimit_GetsItsCode(string listener, string more, int old, int five, string reason)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), listener, more);
        using var first = await node.OpenAsync("first");
        using var second = await node.OpenAsync("second");
        Assert.Equal(FakeBroker.ConnackBytes((byte)old), await node.AskAsync(ConnectBytes.V311("third")));
        Assert.Equal(FakeBroker.ConnackBytes((byte)five, 5), await node.AskAsync(ConnectBytes.V5("fourth")));
        await node.UntilClosedAsync(Enum.Parse<CloseReason>(reason), 2);
        Assert.Equal(2, broker.Accepted);
    }

    [Theory]
    [InlineData("max-connections = 1", "")]
    [InlineData("limits.per-address = 1", "")]
    [InlineData("", "node.max-connections = 1")]
    public async Task Connections_OneLeaves_ItsPlaceIsFreeAgain(string listener, string more)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), listener, more);
        for (var i = 0; i < 5; i++)
        {
            using (await node.OpenAsync("one"))
            {
            }

            await node.UntilAsync(() => node.Node.Admission.Active == 0);
        }
    }

    [Fact]
    public async Task PerAddress_OtherAddress_HasItsOwnShare()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "limits.per-address { connections = 1, rate = 100 }");
        using var first = await node.OpenAsync("first", from: IPAddress.Parse("127.0.0.2"));
        using var second = await node.OpenAsync("second", from: IPAddress.Parse("127.0.0.3"));
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("third"), IPAddress.Parse("127.0.0.3")));
    }

    [Fact]
    public async Task Rate_TimePasses_ClientsComeInAgain()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "limits.connects-per-second = 20");
        var refused = 0;
        for (var accepted = 0; accepted < 25;)
        {
            var answer = await AnswerAsync(node, ConnectBytes.V5($"c{accepted}"));
            if (answer == 0)
                accepted++;
            else if (answer == 0x9F)
                refused++;
            else
                Assert.Fail($"answer {answer:x2}");
        }

        // Twenty at once, the others as the rate allows: meanwhile some were refused.
        Assert.NotEqual(0, refused);
        Assert.Equal(25, broker.Accepted);
    }

    [Theory]
    [InlineData("deny = [\"127.0.0.2/32\"]")]
    [InlineData("allow = [\"127.0.0.0/8\"], deny = [\"127.0.0.0/30\"]")]
    [InlineData("allow = [\"127.0.0.128/25\", \"10.0.0.0/8\"]")]
    public async Task Networks_ClientThatIsNotWanted_IsBanned(string listener)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), listener);
        var unwanted = IPAddress.Parse("127.0.0.2");
        Assert.Equal(FakeBroker.ConnackBytes(5), await node.AskAsync(ConnectBytes.V311("x"), unwanted));
        Assert.Equal(FakeBroker.ConnackBytes(0x8A, 5), await node.AskAsync(ConnectBytes.V5("x"), unwanted));
        await node.UntilClosedAsync(CloseReason.Banned, 2);
        Assert.Equal(0, broker.Accepted);
        using var wanted = await node.OpenAsync("y", from: IPAddress.Parse("127.0.0.130"));
    }

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
            Assert.Equal(FakeBroker.ConnackBytes(5), await banned.ReadAsync(4));
        }

        var log = await File.ReadAllTextAsync(folder["access.log"], TestContext.Current.CancellationToken);
        Assert.Contains(" 192.0.2.1:4001 mqtt mqtt=3.1.1 client=\"first\" ", log, StringComparison.Ordinal);
        Assert.Contains(" 192.0.2.1:4002 mqtt mqtt=3.1.1 client=\"second\" ", log, StringComparison.Ordinal);
        Assert.Contains(" [2001:db8::7]:4003 mqtt mqtt=3.1.1 client=\"third\" ", log, StringComparison.Ordinal);
        Assert.Contains(" 203.0.113.9:4660 mqtt mqtt=3.1.1 client=\"fourth\" ", log, StringComparison.Ordinal);
        Assert.Contains(" 203.0.113.66:4004 mqtt mqtt=3.1.1 client=\"banned\" ", log, StringComparison.Ordinal);
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
        for (var split = 1; split < all.Length; split++)
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
        for (var host = 1; host <= 20; host++)
        {
            var before = brokers.Select(b => b.Accepted).ToArray();
            for (var time = 0; time < 2; time++)
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

    private static async Task<int> AnswerAsync(TestNode node, byte[] connect)
    {
        using var client = await node.DialAsync();
        await client.SendAsync(connect);
        return (await client.ReadAsync(5))[3];
    }
}
