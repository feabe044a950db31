using System.Text.Json.Nodes;
using ActorLb.FunctionalTests.Tls;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>What a WebSocket backend is told of the client.</summary>
public sealed class HeaderTests
{
    [Theory]
    [InlineData("ws")]
    [InlineData("wss")]
    public async Task Upgrade_AtAedes_TellsTheClientsAddressAndHost(string scheme)
    {
        using var ca = new TestCertificates();
        await using var broker = await Aedes.StartAsync(proxyProtocol: false);
        await using var js = await MqttJs.StartAsync();
        await using var node = await Start(broker, scheme == "wss" ? TlsListener.With(ca.Server(["localhost", "127.0.0.1", "mqtt.example.com"])) : "");
        var client = await js.ConnectAsync(new MqttJsConnect
        {
            Url = MqttJsConnect.Address(scheme, node.EndPoint, "/mqtt"),
            Ca = scheme == "wss" ? ca.CaPath : null,
            ClientId = "a",
            Options = new JsonObject
            {
                ["wsOptions"] = new JsonObject
                {
                    ["headers"] = new JsonObject { ["Host"] = "mqtt.example.com", ["X-Forwarded-For"] = "198.51.100.9", ["X-Real-IP"] = "192.0.2.66" },
                },
            },
        });
        var seen = (await broker.WaitForClientAsync("a")).Headers;

        Assert.Equal("mqtt.example.com", seen["host"]);
        Assert.Equal("127.0.0.1", seen["x-real-ip"]);
        Assert.Equal("127.0.0.1", seen["remote-host"]);
        Assert.Equal("127.0.0.1", seen["x-forwarded-for"]);
        Assert.Equal("websocket", seen["upgrade"]);
        Assert.Equal("mqtt", seen["sec-websocket-protocol"]);
        Assert.DoesNotContain("sec-websocket-extensions", seen.Keys);

        await client.SubscribeAsync("t", qos: 1);
        await client.PublishAsync("t", new byte[300_000], qos: 1);
        Assert.Equal(300_000, (await client.NextMessageAsync()).Payload.Length);
        Assert.Equal(scheme == "wss" ? 1 : 0, node.Sum(c => c.TlsHandshakes));
    }

    [Fact]
    public async Task Upgrade_OfClientBehindAProxyHeader_TellsTheAddressInIt()
    {
        await using var broker = await Aedes.StartAsync(proxyProtocol: false);
        await using var node = await Start(broker, "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }");
        using var client = await node.DialAsync();
        byte[] header = [.. "PROXY TCP4 203.0.113.7 198.51.100.1 4000 80\r\n"u8];
        await client.SendAsync((byte[])[.. header, .. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(ConnectBytes.V311("b"))]);
        var seen = (await broker.WaitForClientAsync("b")).Headers;
        Assert.Equal(("203.0.113.7", "203.0.113.7", "203.0.113.7"), (seen["x-real-ip"], seen["remote-host"], seen["x-forwarded-for"]));
    }

    [Theory]
    [InlineData("accept-forwarded-for = [\"127.0.0.0/8\"]", "198.51.100.9", "192.0.2.66, 198.51.100.9, 127.0.0.1")]
    [InlineData("accept-forwarded-for = [\"10.0.0.0/8\", \"::/0\"]", "127.0.0.1", "127.0.0.1")]
    public async Task ForwardedFor_IsBelievedOfItsNetworksAlone(string setting, string client, string chain)
    {
        string head = await RequestAsync(setting, "X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-For: 198.51.100.9");
        Assert.Contains($"\r\nX-Real-IP: {client}\r\nREMOTE-HOST: {client}\r\nX-Forwarded-For: {chain}\r\n", head, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ForwardedFor_OfSenderBehindAProxyHeader_IsJudgedByTheAddressInIt()
    {
        const string Fields = "X-Forwarded-For: 192.0.2.66";
        byte[] proxied = [.. "PROXY TCP4 203.0.113.7 198.51.100.1 4000 80\r\n"u8];
        const string Accepts = "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }\n";
        Assert.Contains("X-Forwarded-For: 203.0.113.7\r\n",
            await RequestAsync("accept-forwarded-for = [\"127.0.0.0/8\"]", Fields, Accepts, before: proxied), StringComparison.Ordinal);
        Assert.Contains("X-Forwarded-For: 192.0.2.66, 203.0.113.7\r\n",
            await RequestAsync("accept-forwarded-for = [\"203.0.113.0/24\"]", Fields, Accepts, before: proxied), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "Authorization: Basic YTpi\r\nCookie: a=1; b=2\r\nOrigin: https://a.example\r\nUser-Agent: t/1\r\n", "X-Tenant")]
    [InlineData("pass-headers = [X-Tenant]", "X-Tenant: seven\r\n", "Authorization")]
    [InlineData("pass-headers = []", "", "Authorization")]
    public async Task Fields_OfTheUpgrade_ReachTheBroker(string setting, string passed, string dropped)
    {
        string head = await RequestAsync(
            setting, "Authorization: Basic YTpi\r\nCookie: a=1\r\nOrigin: https://a.example\r\nUser-Agent: t/1\r\nCookie: b=2\r\nX-Tenant: seven");
        Assert.Contains("\r\nSec-WebSocket-Protocol: mqtt\r\n" + passed + "X-Real-IP: 127.0.0.1\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain(dropped, head, StringComparison.Ordinal);
        Assert.StartsWith("GET /broker HTTP/1.1\r\n", head, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Query_OfTheUpgrade_ReachesTheBrokerAndEachOneTried()
    {
        string upgrade = System.Text.Encoding.ASCII.GetString(WebSocketBytes.Upgrade).Replace("/mqtt ", "/mqtt?token=a%2Fb&x ", StringComparison.Ordinal);
        await using var dead = FakeBroker.Start(FakeBroker.CloseAtOnce);
        await using var broker = FakeBroker.Start(FramedBroker.Accepting((_, _) => Task.CompletedTask));
        await using var node = await TestNode.StartAsync(TestNode.Backends(dead, broker) + "websocket { path = \"/broker?v=1\" }", WebSocketBytes.Listener);
        for (int i = 0; i < 2; i++)
        {
            using var client = await node.DialAsync();
            await client.SendAsync((byte[])[.. System.Text.Encoding.ASCII.GetBytes(upgrade), .. WebSocketBytes.Binary(ConnectBytes.V311("q"))]);
            var connection = await broker.NextConnectionAsync();
            await connection.Ended;
            Assert.StartsWith(
                "GET /broker?v=1&token=a%2Fb&x HTTP/1.1\r\nHost: mqtt.example.com\r\n", System.Text.Encoding.ASCII.GetString(connection.Received), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("https://app.example.com", 101)]
    [InlineData("HTTPS://App.Example.com", 101)]
    [InlineData("http://localhost:3000", 101)]
    [InlineData(null, 101)]
    [InlineData("https://app.example.com.evil.example", 403)]
    [InlineData("null", 403)]
    public async Task Origin_OfABrowser_IsOneOfTheListeners(string? origin, int status)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), "websocket { origins = [\"https://app.example.com:443\", \"http://localhost:3000\"] }");
        using var client = await node.DialAsync();
        await client.SendAsync(Upgrade(origin is null ? "X: y" : "Origin: " + origin));
        Assert.Equal($"HTTP/1.1 {status} ", System.Text.Encoding.ASCII.GetString(await client.ReadAsync(13)));
    }

    [Theory]
    [InlineData(401, 5)]
    [InlineData(403, 5)]
    [InlineData(431, 3)]
    [InlineData(404, 3)]
    public async Task Broker_ThatRefusesWhatTheClientSent_IsNotTakenOut(int status, byte code)
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            while (connection.Received.AsSpan().IndexOf("\r\n\r\n"u8) < 0) await connection.ReadSomeAsync(stop);
            bool bad = connection.Received.AsSpan().IndexOf("Authorization: bad"u8) >= 0;
            if (bad) await connection.SendAsync(System.Text.Encoding.ASCII.GetBytes($"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n"), stop);
            else await FramedBroker.Accepting((_, _) => Task.CompletedTask)(connection, stop);
        });
        await using var other = FakeBroker.Start(broker.Script);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker, other) + "websocket { path = \"/mqtt\" }", WebSocketBytes.Listener);
        for (int i = 0; i < 3; i++)
        {
            using var client = await node.DialAsync();
            await client.SendAsync((byte[])[.. Upgrade("Authorization: bad"), .. WebSocketBytes.Binary(ConnectBytes.V311("bad"))]);
            var (_, frames) = WebSocketBytes.Split((await client.ReadToEndAsync()).Bytes);
            Assert.Equal([0x20, 2, 0, code], WebSocketBytes.Frames(frames).First().Payload);
        }

        // 401 and 403 go to no second broker.
        Assert.Equal(code == 5 ? 3 : 6, broker.Accepted + other.Accepted);
        Assert.All(new[] { broker, other }, b => Assert.Equal(ActorLb.Balancing.BackendBlocks.None, node.Backend(b).Blocks));
    }

    private static byte[] Upgrade(string fields) => System.Text.Encoding.ASCII.GetBytes(
        System.Text.Encoding.ASCII.GetString(WebSocketBytes.Upgrade)[..^2] + fields + "\r\n\r\n");

    /// <summary>The upgrade request that a broker gets of a client with these fields.</summary>
    private static async Task<string> RequestAsync(string webSocket, string fields, string listener = "", byte[]? before = null)
    {
        await using var broker = FakeBroker.Start(FramedBroker.Accepting((_, _) => Task.CompletedTask));
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "websocket { path = \"/broker\" }", $"websocket {{ {webSocket} }}\n{listener}");
        using var client = await node.DialAsync();
        await client.SendAsync((byte[])[.. before ?? [], .. Upgrade(fields), .. WebSocketBytes.Binary(ConnectBytes.V311("h"))]);
        var connection = await broker.NextConnectionAsync();
        await connection.Ended;
        return WebSocketBytes.Split(connection.Received).Head;
    }

    private static Task<TestNode> Start(Aedes broker, string listener = "") => TestNode.StartAsync(
        $"backends = [\"{broker.WebSocket}\"], websocket {{ path = \"/mqtt\" }}",
        "websocket { path = \"/mqtt\", hosts = [\"mqtt.example.com\"] }\n" + listener);
}
