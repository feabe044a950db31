using System.Text.Json.Nodes;
using ActorLb.FunctionalTests.Tls;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Guide;

/// <summary>The rows of the design's table of the guide that speak of TLS and WebSocket, with real peers on both sides.</summary>
public sealed class GuideRowTests : IAsyncLifetime
{
    private readonly TestCertificates _ca = new();
    private TestCertificate _server = null!;
    private TestCertificate _device = null!;
    private Mosquitto _broker = null!;

    public async ValueTask InitializeAsync()
    {
        _server = _ca.Server(["localhost", "127.0.0.1", "mqtt.example.com"]);
        _device = _ca.Client("CN=device-7, O=Example", serial: [0x0A, 0xBC, 0x01]);
        _broker = await Mosquitto.StartAsync(new MosquittoOptions { Listeners = [new(), new(WebSocket: true)] });
    }

    public async ValueTask DisposeAsync()
    {
        await _broker.DisposeAsync();
        _ca.Dispose();
    }

    [Theory]
    [InlineData("$ssl_client_serial", "0ABC01")]
    [InlineData("$ssl_client_s_dn", "O=Example,CN=device-7")]
    public async Task MqttSetConnectClientId_FromTheCertificate_IsWhatTheBrokerSees(string template, string id)
    {
        await using var node = await Start(TlsListener.Verifying(_server, _ca) + $"rewrite {{ client-id = \"{template}\" }}");
        await MosquittoClients.PublishAsync(node.EndPoint, "t", "x", 1, retain: false, "mqttv311", [.. WithCertificate, "-i", "whoever"]);
        await Mosquitto.WaitForSessionsAsync(1, _broker);
        string seen = _broker.Accepted.Single().Id;
        // RFC 2253, section 2.1 names the last first; which of both is last is the certificate's own affair.
        Assert.True(seen == id || seen == string.Join(',', id.Split(',').Reverse()), seen);
    }

    [Fact]
    public async Task ProxyProtocolV2_OfTlsClient_ReachesTheBrokerWithItsTlvs()
    {
        await using var broker = await Aedes.StartAsync(proxyProtocol: true);
        await using var node = await TestNode.StartAsync(
            $"backends = [\"{broker.Mqtt}\"], proxy-protocol = v2, proxy-protocol-tlvs = [ssl]", TlsListener.Verifying(_server, _ca));
        await MosquittoClients.PublishAsync(node.EndPoint, "t", "x", 1, retain: false, "mqttv311", [.. WithCertificate, "-i", "a"]);
        var seen = await broker.WaitForClientAsync("a");
        Assert.Equal(("127.0.0.1", 2), (seen.Address, seen.Proxy));
        // PP2_SUBTYPE_SSL_CN with the name in it (PROXY protocol, section 2.2.6).
        Assert.Contains("220008" + Convert.ToHexString("device-7"u8), seen.Header, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task SslProtocolsAndCiphers_OfTheListener_AreAllThatIsSpoken()
    {
        await using var node = await Start(TlsListener.With(
            _server, "protocols = [TLSv1.2], ciphers = \"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256\""));
        string spoken = await OpenSslClient.TalkAsync(node.EndPoint, "Verify return code", "-CAfile", _ca.CaPath);
        Assert.Contains("New, TLSv1.2, Cipher is ECDHE-ECDSA-CHACHA20-POLY1305", spoken, StringComparison.Ordinal);
        Assert.Contains("Verify return code: 0 (ok)", spoken, StringComparison.Ordinal);
        Assert.Contains("alert number 70", await OpenSslClient.FailAsync(node.EndPoint, "-tls1_3"), StringComparison.Ordinal);
        Assert.Contains("alert number 40", await OpenSslClient.FailAsync(node.EndPoint, "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SslSessionCacheAndTimeout_WithoutTickets_ResumeByIdUntilItIsOver()
    {
        await using var node = await Start(TlsListener.With(_server, "session-tickets = off, session-cache = 1m, session-timeout = 1s"));
        string session = Path.Combine(_ca.Directory, "session");
        await OpenSslClient.TalkAsync(node.EndPoint, "Verify return code", "-tls1_2", "-sess_out", session);
        Assert.Contains("Reused", await OpenSslClient.TalkAsync(node.EndPoint, "Verify return code", "-tls1_2", "-sess_in", session), StringComparison.Ordinal);
        // OpenSSL counts whole seconds of its own clock: asked until it is over.
        for (bool reused = true; reused;)
        {
            reused = (await OpenSslClient.TalkAsync(node.EndPoint, "Verify return code", "-tls1_2", "-sess_in", session)).Contains("Reused", StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task SslVerifyClient_On_LetsInThoseWithACertificateAlone()
    {
        await using var node = await Start(TlsListener.Verifying(_server, _ca));
        await MosquittoClients.PublishAsync(node.EndPoint, "t", "x", 1, retain: false, "mqttv5", [.. WithCertificate, "-i", "with"]);
        await Assert.ThrowsAsync<InvalidOperationException>(() => MosquittoClients.PublishAsync(
            node.EndPoint, "t", "x", 1, retain: false, "mqttv5", "--cafile", _ca.CaPath, "-i", "without"));
        await Mosquitto.WaitForSessionsAsync(1, _broker);
        Assert.Equal("with", _broker.Accepted.Single().Id);
    }

    [Fact]
    public async Task Certificates_BySni_AreThoseOfTheName()
    {
        var wildcard = _ca.Server(["*.example.com"]);
        await using var node = await Start(TlsListener.With(
            _server, $"certificates = [{{ names = [\"*.example.com\"], certificate = \"{wildcard.CertificatePath}\", key = \"{wildcard.KeyPath}\" }}]"));
        Assert.Contains("CN = *.example.com", await OpenSslClient.TalkAsync(node.EndPoint, "Verify return code", "-servername", "a.example.com"), StringComparison.Ordinal);
        Assert.Contains("CN = localhost", await OpenSslClient.TalkAsync(node.EndPoint, "Verify return code", "-servername", "example.org"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ws")]
    [InlineData("wss")]
    public async Task WebSocketLocationAndServerName_Others_AreNotFoundOrMisdirected(string scheme)
    {
        await using var node = await Start(
            (scheme == "wss" ? TlsListener.With(_server) : "") + "websocket { path = \"/mqtt\", hosts = [\"mqtt.example.com\"] }");
        await using var js = await MqttJs.StartAsync();
        var client = await js.ConnectAsync(Connect("/mqtt", "mqtt.example.com"));
        await client.SubscribeAsync("t", qos: 1);
        await client.PublishAsync("t", "hello", qos: 1);
        Assert.Equal("hello", (await client.NextMessageAsync()).Text);
        Assert.Equal("404", await Status("/other", "mqtt.example.com"));
        Assert.Equal("421", await Status("/mqtt", "other.example.com"));

        async Task<string> Status(string path, string host)
        {
            var result = await ProcessHost.RunAsync("curl",
            [
                "-s", "--http1.1", "--cacert", _ca.CaPath, "-o", "/dev/null", "-w", "%{http_code}", "-H", $"Host: {host}",
                "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13",
                "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "-H", "Sec-WebSocket-Protocol: mqtt",
                $"{(scheme == "wss" ? "https" : "http")}://{node.EndPoint}{path}",
            ]);
            return result.Output;
        }

        MqttJsConnect Connect(string path, string host) => new()
        {
            Url = MqttJsConnect.Address(scheme, node.EndPoint, path),
            ClientId = "a",
            Ca = scheme == "wss" ? _ca.CaPath : null,
            Options = new JsonObject { ["wsOptions"] = new JsonObject { ["headers"] = new JsonObject { ["Host"] = host } } },
        };
    }

    [Fact]
    public async Task XForwardedFor_OfAClientBehindNginx_HasBothHops()
    {
        await using var broker = await Aedes.StartAsync(proxyProtocol: false);
        await using var node = await TestNode.StartAsync(
            $"backends = [\"{broker.WebSocket}\"], websocket {{ path = \"/mqtt\" }}", "websocket { path = \"/mqtt\", hosts = [\"mqtt.example.com\"], accept-forwarded-for = [\"127.0.0.1/32\"] }");
        await using var nginx = await NginxWebSocket.StartAsync(node.EndPoint);
        await using var js = await MqttJs.StartAsync();
        var client = await js.ConnectAsync(new MqttJsConnect { Url = MqttJsConnect.Address("ws", nginx.EndPoint, "/mqtt"), ClientId = "a" });
        await client.SubscribeAsync("t", qos: 1);
        await client.PublishAsync("t", new byte[100_000], qos: 1);
        Assert.Equal(100_000, (await client.NextMessageAsync()).Payload.Length);
        var seen = (await broker.WaitForClientAsync("a")).Headers;
        Assert.Equal(("mqtt.example.com", "127.0.0.1", "127.0.0.1, 127.0.0.1"), (seen["host"], seen["x-real-ip"], seen["x-forwarded-for"]));
    }

    [Fact]
    public async Task WebSocketTimeout_OfASilentClient_ClosesIt()
    {
        await using var node = await Start("websocket { path = \"/mqtt\" }\nidle-timeout = 300ms");
        await using var js = await MqttJs.StartAsync();
        var client = await js.ConnectAsync(new MqttJsConnect { Url = MqttJsConnect.Address("ws", node.EndPoint, "/mqtt"), ClientId = "a", KeepAlive = 0 });
        await client.WaitForCloseAsync();
        await node.UntilClosedAsync(ActorLb.Proxying.CloseReason.IdleTimeout);
    }

    private string[] WithCertificate => ["--cafile", _ca.CaPath, "--cert", _device.CertificatePath, "--key", _device.KeyPath];

    private Task<TestNode> Start(string listener) => TestNode.StartAsync($"backends = [\"{_broker.EndPoints[0]}\"]", listener);
}
