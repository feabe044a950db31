using System.Net;
using ActorLb.FunctionalTests.Tls;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Limits;

/// <summary>Clients that are refused, or that keep their CONNECT back, take nobody's place.</summary>
public sealed class PlacesTests : IAsyncDisposable
{
    /// <summary>More than the places and the refused that wait for their answer.</summary>
    private const int Many = 200;

    private static readonly IPAddress Elsewhere = IPAddress.Parse("127.0.0.2");

    private readonly FakeBroker _broker = FakeBroker.Start(FakeBroker.Accepting);
    private readonly List<RawClient> _silent = [];
    private readonly TestCertificates _ca = new();

    public async ValueTask DisposeAsync()
    {
        _silent.ForEach(c => c.Dispose());
        await _broker.DisposeAsync();
        _ca.Dispose();
    }

    public static TheoryData<string, string, string> Refusing => new()
    {
        // what refuses, who gets through, reason
        { "deny = [\"127.0.0.2/32\"]", "", nameof(CloseReason.Banned) },
        { "allow = [\"127.0.0.1/32\"]", "", nameof(CloseReason.Banned) },
        { "limits.per-address { connections = 0, rate = 1 }", "x", nameof(CloseReason.AddressRate) },
        { "limits.per-address = 1", "x", nameof(CloseReason.AddressFull) },
        { "limits.per-address { connections = 2, rate = 0 }, limits.connects-per-second = 1", "x", nameof(CloseReason.ConnectRate) },
        { "max-connections = 1", "x", nameof(CloseReason.ListenerFull) },
    };

    [Theory]
    [MemberData(nameof(Refusing))]
    public async Task RefusedClients_ThatKeepSilent_TakeNoPlace(string listener, string first, string reason)
    {
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker), listener + ", connect-timeout = 60s",
            "node.max-connections = 10, listeners.other { bind = \"127.0.0.1:0\", pool = p }");
        using var established = first.Length > 0 ? await node.OpenAsync(first, from: Elsewhere) : null;
        await OpenSilentAsync(node, Many, from: Elsewhere);
        await node.UntilAsync(() => node.Sum(c => c.Accepted) == Many + (established is null ? 0 : 1));
        Assert.InRange(node.Node.Admission.Active, 0, 2);
        long refused = 0;
        // Within a step the oldest has still to go.
        foreach (var reactor in node.Node.Reactors) refused += await reactor.AskAsync(r => r.Counters.Refused);
        Assert.InRange(refused, 0, 128);
        Assert.True(node.Closed(Enum.Parse<CloseReason>(reason)) >= Many - 130);

        using var honest = await RawClient.ConnectAsync(node.Of("other"));
        await honest.SendAsync(ConnectBytes.V311("honest"));
        Assert.Equal(FakeBroker.ConnackBytes(0), await honest.ReadAsync(4));
        Assert.Equal(0, node.Closed(CloseReason.NodeFull));
    }

    /// <summary>Behind another balancer all connections have its address, and the header tells the clients'.</summary>
    [Theory]
    [InlineData("deny = [\"192.0.2.0/24\"]", nameof(CloseReason.Banned))]
    [InlineData("limits.per-address = 1", nameof(CloseReason.AddressFull))]
    public async Task RefusedClientsBehindAProxy_ThatKeepSilent_TakeNoPlace(string listener, string reason)
    {
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker), listener + ", connect-timeout = 60s, accept-proxy-protocol { from = [\"127.0.0.0/8\"] }",
            "node.max-connections = 10");
        byte[] header = [.. "PROXY TCP4 192.0.2.1 198.51.100.1 4001 1883\r\n"u8];
        using var first = await node.DialAsync();
        await first.SendAsync((byte[])[.. "PROXY TCP4 203.0.113.1 198.51.100.1 4001 1883\r\n"u8, .. ConnectBytes.V311("first")]);
        Assert.Equal(FakeBroker.ConnackBytes(0), await first.ReadAsync(4));
        for (int i = 0; i < Many; i++)
        {
            // One by one: whose address is not told yet has a place.
            await OpenSilentAsync(node, 1, sent: header);
            await node.UntilAsync(() => node.Sum(c => c.Accepted) == i + 2 && node.Node.Admission.Active <= 2);
        }

        await node.UntilAsync(() => node.Closed(Enum.Parse<CloseReason>(reason)) >= Many - 130);
        using var honest = await node.DialAsync();
        await honest.SendAsync((byte[])[.. "PROXY TCP4 203.0.113.2 198.51.100.1 4001 1883\r\n"u8, .. ConnectBytes.V311("honest")]);
        Assert.Equal(FakeBroker.ConnackBytes(0), await honest.ReadAsync(4));
        Assert.Equal((0, 0), (node.Closed(CloseReason.NodeFull), node.Closed(CloseReason.Displaced)));
    }

    /// <summary>The kernel's own limits are what a descriptor counts against.</summary>
    [Fact]
    public async Task DeniedClients_HoldNoDescriptor()
    {
        await using var node = await TestNode.StartAsync(TestNode.Backends(_broker), "deny = [\"127.0.0.2/32\"], connect-timeout = 60s");
        for (int i = 0; i < 20; i++)
        {
            using var client = await node.DialAsync(Elsewhere);
            Assert.Empty((await client.ReadToEndAsync()).Bytes);
        }

        await node.UntilClosedAsync(CloseReason.Banned, 20);
        Assert.Equal((0, 0), (node.Node.Reactors.Sum(r => r.SessionCount), node.Node.Admission.Active));
    }

    [Theory]
    [InlineData("max-connections = 2", "", nameof(CloseReason.ListenerFull))]
    [InlineData("", "node.max-connections = 2", nameof(CloseReason.NodeFull))]
    [InlineData("limits.per-address = 2", "", nameof(CloseReason.AddressFull))]
    public async Task FullPlace_OneLeaves_TheNextComesInWhileRefusedOnesWait(string listener, string more, string reason)
    {
        await using var node = await TestNode.StartAsync(TestNode.Backends(_broker), listener + "\nconnect-timeout = 60s", more);
        using var first = await node.OpenAsync("first");
        using (await node.OpenAsync("second"))
        {
            await OpenSilentAsync(node, Many);
            await node.UntilAsync(() => node.Sum(c => c.Accepted) == Many + 2);
        }

        await node.UntilAsync(() => node.Node.Admission.Active == 1);
        using var third = await node.OpenAsync("third");
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("fourth")));
        await node.UntilAsync(() => node.Closed(Enum.Parse<CloseReason>(reason)) > Many - 130);
        // The newest of those that keep silent are owed their answer still.
        await _silent[^1].SendAsync(ConnectBytes.V5("late"));
        Assert.Equal(FakeBroker.ConnackBytes(0x89, 5), await _silent[^1].ReadAsync(5));
        Assert.Empty((await _silent[0].ReadToEndAsync()).Bytes);
    }

    /// <summary>As much of a CONNECT as is needed to answer it, and no more.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RefusedClient_OfALargeConnect_IsAnsweredBeforeItIsWhole(bool webSocket)
    {
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker), "max-connections = 1, connect-timeout = 60s\n" + (webSocket ? WebSocketBytes.Listener : ""),
            "listeners.plain { bind = \"127.0.0.1:0\", pool = p }");
        using var holder = await node.DialAsync();
        byte[] connect = ConnectBytes.V5("holder");
        await holder.SendAsync(webSocket ? [.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(connect)] : connect);
        await node.UntilAsync(() => node.Sum(c => c.Relaying) == 1);

        using var client = await node.DialAsync();
        // MQTT 5 with a remaining length of 200,000, of which the rest never comes.
        byte[] part = [0x10, 0xC0, 0x9A, 0x0C, 0, 4, .. "MQTT"u8, 5, 0x02, 0, 60, .. new byte[3000]];
        await client.SendAsync(webSocket ? [.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(part)] : part);
        client.HalfClose();
        byte[] answer = (await client.ReadToEndAsync()).Bytes;
        if (webSocket)
            Assert.Equal(FakeBroker.ConnackBytes(0x89, 5), WebSocketBytes.Frames(WebSocketBytes.Split(answer).Body).First().Payload);
        else
            Assert.Equal(FakeBroker.ConnackBytes(0x89, 5), answer);
        await node.UntilClosedAsync(CloseReason.ListenerFull);
    }

    /// <summary>One byte, or none, or less than an upgrade, a hello, a PROXY header.</summary>
    [Theory]
    [InlineData("", "10")]
    [InlineData("", "")]
    [InlineData("protocol", "")]
    [InlineData("websocket", "47")]
    [InlineData("tls", "16")]
    [InlineData("tls", "160301000101")]
    [InlineData("accept-proxy-protocol { from = [\"127.0.0.2/32\"] }", "50")]
    public async Task ClientsThatKeepTheirConnectBack_AreDisplacedByNewOnes(string kind, string sent)
    {
        string listener = kind switch
        {
            "websocket" => WebSocketBytes.Listener,
            "tls" => TlsListener.With(_ca.Server(["localhost"]), "handshake-timeout = 60s"),
            "protocol" => "",
            _ => kind + "\n",
        };
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker), listener + "connect-timeout = 60s",
            "node.max-connections = 20, listeners.other { bind = \"127.0.0.1:0\", pool = p }");
        using var established = await OpenOtherAsync(node, "established");
        await OpenSilentAsync(node, 19, Elsewhere, Convert.FromHexString(sent));
        await node.UntilAsync(() => node.Node.Admission.Active == 20);
        await PastGiveWayAsync();
        using var honest = await OpenOtherAsync(node, "honest");
        Assert.Equal(1, node.Closed(CloseReason.Displaced));
        Assert.Empty((await _silent[0].ReadToEndAsync()).Bytes);
        // Those that are connected never give way.
        for (int i = 0; i < 18; i++)
            _silent.Add(await OpenOtherAsync(node, $"c{i}"));
        using var late = await RawClient.ConnectAsync(node.Of("other"));
        await late.SendAsync(ConnectBytes.V311("late"));
        Assert.Equal(FakeBroker.ConnackBytes(3), await late.ReadAsync(4));
        await node.UntilAsync(() => (node.Closed(CloseReason.Displaced), node.Sum(c => c.Refused)) == (19, 1));
    }

    [Fact]
    public async Task FullListener_OnlyItsOwnSilentClientsGiveWay()
    {
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker), "max-connections = 3, connect-timeout = 60s", "listeners.other { bind = \"127.0.0.1:0\", pool = p }");
        using var elsewhere = await RawClient.ConnectAsync(node.Of("other"));
        await OpenSilentAsync(node, 3, sent: [0x10]);
        await node.UntilAsync(() => node.Node.Admission.Active == 4);
        await PastGiveWayAsync();
        using var honest = await node.OpenAsync("honest");
        await elsewhere.SendAsync(ConnectBytes.V311("elsewhere"));
        Assert.Equal(FakeBroker.ConnackBytes(0), await elsewhere.ReadAsync(4));
        Assert.Equal(1, node.Closed(CloseReason.Displaced));
    }

    /// <summary>Who may not come in makes nobody go.</summary>
    [Fact]
    public async Task FullNode_ClientsThatAreRefusedForTheirAddress_DisplaceNobody()
    {
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(_broker), "deny = [\"127.0.0.2/32\"], limits.per-address = 5, connect-timeout = 60s", "node.max-connections = 5");
        await OpenSilentAsync(node, 5);
        await node.UntilAsync(() => node.Node.Admission.Active == 5);
        await PastGiveWayAsync();
        using (var denied = await node.DialAsync(Elsewhere))
            await denied.ReadToEndAsync();
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("sixth")));
        await node.UntilClosedAsync(CloseReason.AddressFull);
        Assert.Equal((0, 1), (node.Closed(CloseReason.Displaced), node.Closed(CloseReason.Banned)));
    }

    /// <summary>Answered, and then silent: the answer was theirs, the place is not.</summary>
    [Fact]
    public async Task ClientsThatLingerOverTheirRefusal_TakeNoPlace()
    {
        await using var node = await TestNode.StartAsync(TestNode.Backends(_broker), "", "node.max-connections = 10");
        // A level that nobody knows is answered (MQTT 3.1.1, 3.1.2.2).
        await OpenSilentAsync(node, Many, sent: [0x10, 12, 0, 4, .. "MQTT"u8, 9, 2, 0, 60, 0, 0]);
        foreach (var client in _silent.TakeLast(100))
            Assert.NotEmpty(await client.ReadAsync(4));
        Assert.Equal(0, node.Closed(CloseReason.NodeFull));
        using var honest = await node.OpenAsync("honest");
        Assert.Equal(1, node.Node.Admission.Active);
    }

    [Fact]
    public async Task Draining_WaitsForThoseThatAreBeingRefused()
    {
        await using var node = await TestNode.StartAsync(TestNode.Backends(_broker), "max-connections = 1, connect-timeout = 60s");
        using (await node.OpenAsync("one"))
        {
            await OpenSilentAsync(node, 3);
            await node.UntilAsync(() => node.Sum(c => c.Accepted) == 4);
        }

        await node.UntilAsync(() => (node.Node.Admission.Active, node.Sum(c => c.Refused)) == (0, 3));
        await node.Node.DrainAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Equal((0, 0), (node.Sum(c => c.Refused), node.Node.Reactors.Sum(r => r.SessionCount)));
        Assert.Equal(3, node.Closed(CloseReason.Drained));
    }

    /// <summary>The reactor's clock is the system's: there is no other way past it.</summary>
    private static Task PastGiveWayAsync() => Task.Delay(ClientPlaces.GiveWayAfter + 50);

    private static async Task<RawClient> OpenOtherAsync(TestNode node, string id)
    {
        var client = await RawClient.ConnectAsync(node.Of("other"));
        await client.SendAsync(ConnectBytes.V311(id));
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        return client;
    }

    private async Task OpenSilentAsync(TestNode node, int count, IPAddress? from = null, byte[]? sent = null)
    {
        for (int i = 0; i < count; i++)
        {
            var client = await node.DialAsync(from);
            _silent.Add(client);
            if (sent is { Length: > 0 })
                await client.SendAsync(sent);
        }
    }
}
