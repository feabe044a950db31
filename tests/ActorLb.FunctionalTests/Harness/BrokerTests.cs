using System.Globalization;
using System.Text;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Harness;

public sealed class BrokerTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task MqttJs_PublishesRetainedQos2ThroughMosquitto_GetsItBack(int version)
    {
        await using var broker = await Mosquitto.StartAsync();
        await using var js = await MqttJs.StartAsync();
        string url = MqttJsConnect.Address("mqtt", broker.EndPoint);

        var publisher = await js.ConnectAsync(new MqttJsConnect { Url = url, ClientId = "publisher", Version = version });
        await publisher.PublishAsync("a/b", "kept ☂", qos: 2, retain: true);
        var subscriber = await js.ConnectAsync(new MqttJsConnect { Url = url, ClientId = "subscriber", Version = version });
        Assert.Equal(2, await subscriber.SubscribeAsync("a/#", qos: 2));

        var message = await subscriber.NextMessageAsync();
        Assert.Equal(("a/b", "kept ☂", 2, true), (message.Topic, message.Text, message.Qos, message.Retain));
        Assert.Equal(version, (await broker.WaitForClientAsync("publisher")).Version);
        Assert.Equal(["publisher", "subscriber"], broker.Connected.Order(StringComparer.Ordinal));
        await publisher.EndAsync();
        await broker.WaitForGoneAsync("publisher");
        Assert.Equal(["subscriber"], broker.Connected);
    }

    [Fact]
    public async Task MqttJs_OverWebSocketWithPassword_IsLetInByMosquitto()
    {
        await using var broker = await Mosquitto.StartAsync(new MosquittoOptions
        {
            Listeners = [new(), new(WebSocket: true)],
            Users = new Dictionary<string, string>(StringComparer.Ordinal) { ["ann"] = "secret" },
        });
        await using var js = await MqttJs.StartAsync();
        string url = MqttJsConnect.Address("ws", broker.EndPoints[1], "/mqtt");

        var client = await js.ConnectAsync(new MqttJsConnect { Url = url, ClientId = "w", UserName = "ann", Password = "secret" });
        await client.SubscribeAsync("t", qos: 1);
        await client.PublishAsync("t", "hello", qos: 1);
        Assert.Equal("hello", (await client.NextMessageAsync()).Text);

        var refused = await Assert.ThrowsAsync<MqttJsException>(() => js.ConnectAsync(
            new MqttJsConnect { Url = url, ClientId = "x", UserName = "ann", Password = "wrong" }));
        Assert.Equal("5", refused.Code);
    }

    [Theory]
    [InlineData("mqttv31", 3)]
    [InlineData("mqttv311", 4)]
    [InlineData("mqttv5", 5)]
    public async Task MosquittoClients_EachVersion_ExchangeAMessage(string version, int level)
    {
        await using var broker = await Mosquitto.StartAsync();
        await using var subscriber = await MosquittoClients.SubscribeAsync(broker.EndPoint, "x/+", 2, version, "-i", "sub");
        await MosquittoClients.PublishAsync(broker.EndPoint, "x/1", "some words", 2, retain: false, version, "-i", "pub");

        Assert.Equal(new MosquittoMessage(false, 2, "x/1", "some words"), await subscriber.NextMessageAsync());
        Assert.Equal(level, (await broker.WaitForClientAsync("pub")).Version);
    }

    [Fact]
    public async Task Aedes_ProxyHeaderInPieces_LearnsTheAddress()
    {
        await using var broker = await Aedes.StartAsync(proxyProtocol: true);
        using var client = await RawClient.ConnectAsync(broker.Mqtt);
        byte[] bytes = Encoding.ASCII.GetBytes("PROXY TCP4 192.0.2.7 198.51.100.1 4000 1883\r\n").Concat(Packets.Connect("c1")).ToArray();
        await client.SendPiecesAsync(bytes.AsMemory(0, 3), bytes.AsMemory(3, 30), bytes.AsMemory(33, 20), bytes.AsMemory(53));

        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        var learned = await broker.WaitForClientAsync("c1");
        Assert.Equal(("192.0.2.7", 4000, 1, false), (learned.Address, learned.Port, learned.Proxy, learned.WebSocket));
    }

    [Fact]
    public async Task Aedes_ProxyHeaderV2BeforeWebSocket_LearnsTheAddress()
    {
        await using var broker = await Aedes.StartAsync(proxyProtocol: true);
        using var client = await RawClient.ConnectAsync(broker.WebSocket);
        await client.SendAsync(Packets.ProxyV2);
        await client.SendAsync(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"GET /mqtt HTTP/1.1\r\nHost: {broker.WebSocket}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"));
        Assert.Equal("HTTP/1.1 101", Encoding.ASCII.GetString(await client.ReadAsync(12)));
        byte[] connect = Packets.Connect("w1");
        // RFC 6455 section 5.2: FIN and binary, masked with zeros.
        await client.SendAsync(new byte[] { 0x82, (byte)(0x80 | connect.Length), 0, 0, 0, 0 }.Concat(connect).ToArray());

        var learned = await broker.WaitForClientAsync("w1");
        Assert.Equal(("203.0.113.9", 4660, 2, true), (learned.Address, learned.Port, learned.Proxy, learned.WebSocket));
        Assert.Equal(Convert.ToHexStringLower(Packets.ProxyV2), learned.Header);
    }

    [Fact]
    public async Task Aedes_NoProxyHeaderWhereDemanded_Refuses()
    {
        await using var broker = await Aedes.StartAsync(proxyProtocol: true);
        using var client = await RawClient.ConnectAsync(broker.Mqtt);
        await client.SendAsync(Packets.Connect("c1"));
        Assert.Equal("no PROXY header", await broker.WaitForRefusalAsync());
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
    }

    [Fact]
    public async Task NginxPeer_ProxyHeader_LogsTheAddressAndPassesTheRestOn()
    {
        await using var upstream = FakeBroker.Start(FakeBroker.Echo);
        await using var nginx = await NginxPeer.StartAsync(upstream.EndPoint);
        using (var client = await RawClient.ConnectAsync(nginx.EndPoint))
        {
            await client.SendAsync(Encoding.ASCII.GetBytes("PROXY TCP4 192.0.2.7 198.51.100.1 4000 1883\r\nping"));
            Assert.Equal("ping"u8.ToArray(), await client.ReadAsync(4));
        }

        Assert.Equal(4000, (await nginx.WaitForConnectionAsync("192.0.2.7")).Port);
    }

    [Fact]
    public async Task HaproxyPeer_ProxyHeaderV2_LogsAddressAuthorityAndUniqueId()
    {
        await using var upstream = FakeBroker.Start(FakeBroker.Echo);
        await using var haproxy = await HaproxyPeer.StartAsync(upstream.EndPoint);
        using (var client = await RawClient.ConnectAsync(haproxy.EndPoint))
        {
            await client.SendAsync(Packets.ProxyV2.Concat("ping"u8.ToArray()).ToArray());
            Assert.Equal("ping"u8.ToArray(), await client.ReadAsync(4));
        }

        Assert.Equal(
            new ProxyPeerConnection("203.0.113.9", 4660, "lb.example", "0102"),
            await haproxy.WaitForConnectionAsync("203.0.113.9"));
    }
}
