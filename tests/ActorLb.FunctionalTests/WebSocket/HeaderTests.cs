using System.Text.Json.Nodes;
using ActorLb.FunctionalTests.Tls;
using ActorLb.Testing;

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
        Assert.Equal("198.51.100.9, 127.0.0.1", seen["x-forwarded-for"]);
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

    private static Task<TestNode> Start(Aedes broker, string listener = "") => TestNode.StartAsync(
        $"backends = [\"{broker.WebSocket}\"], websocket {{ path = \"/mqtt\" }}",
        "websocket { path = \"/mqtt\", hosts = [\"mqtt.example.com\"] }\n" + listener);
}
