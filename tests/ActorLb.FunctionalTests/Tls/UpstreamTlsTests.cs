using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>TLS to real brokers.</summary>
public sealed class UpstreamTlsTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly TestCertificates _stranger = new("A Stranger's CA");

    public void Dispose()
    {
        _ca.Dispose();
        _stranger.Dispose();
    }

    [Fact]
    public async Task Backend_WithCertificateOfAnotherName_IsPassedOver()
    {
        await using var wrong = await Broker(_ca.Server(["other.test"]));
        await using var right = await Broker(_ca.Server(["localhost", "127.0.0.1"]));
        await AllGoTo(right, wrong, "IP address mismatch");
    }

    [Fact]
    public async Task Backend_WithCertificateOfAnotherAuthority_IsPassedOver()
    {
        await using var wrong = await Broker(_stranger.Server(["localhost", "127.0.0.1"]));
        await using var right = await Broker(_ca.Server(["127.0.0.1"]));
        await AllGoTo(right, wrong, "unable to get local issuer certificate");
    }

    [Fact]
    public async Task Backend_OfServerName_IsVerifiedByIt()
    {
        await using var right = await Broker(_ca.Server(["emqx.test"]));
        await using var wrong = await Broker(_ca.Server(["127.0.0.1"]));
        await AllGoTo(right, wrong, "hostname mismatch", "server-name = emqx.test");
    }

    /// <summary>The wait for a place among this node's own handshakes says nothing of the backend.</summary>
    [Fact]
    public async Task Backend_WhoseHandshakeGetsNoPlaceInTime_IsNotBlamed()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "tls { verify = off }, connect-timeout = 200ms, retry { tries = 1 }",
            TlsListener.With(_ca.Server(["localhost"]), "max-handshakes = 1, handshake-timeout = 60s") + "connect-timeout = 120s",
            "listeners.plain { bind = \"127.0.0.1:0\", pool = p }");
        using var held = new HeldPlaces(node.Node.Handshakes);
        using var client = await RawClient.ConnectAsync(node.Of("plain"));
        await client.SendAsync(ConnectBytes.V311("a"));
        Assert.Equal(FakeBroker.ConnackBytes(3), (await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(ActorLb.Proxying.CloseReason.HandshakeLimit);
        Assert.DoesNotContain(node.Log.Lines, l => l.Text.Contains("no TLS handshake", StringComparison.Ordinal));
        Assert.Equal((1, 0), (node.Node.Handshakes.Handshakes, node.Node.Handshakes.Waiting));
    }

    /// <summary>A broker that hangs in its handshakes takes no place of those of others.</summary>
    [Fact]
    public async Task Backend_ThatAnswersNoHello_KeepsNoHandshakeWaiting()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "tls { verify = off }, connect-timeout = 60s",
            TlsListener.With(_ca.Server(["localhost"]), "max-handshakes = 1"), "listeners.plain { bind = \"127.0.0.1:0\", pool = p }");
        var waiting = new List<RawClient>();
        for (int i = 0; i < 5; i++)
        {
            waiting.Add(await RawClient.ConnectAsync(node.Of("plain")));
            await waiting[i].SendAsync(ConnectBytes.V311($"c{i}"));
            await (await broker.NextConnectionAsync()).WaitForReceivedAsync(1);
        }

        await node.UntilAsync(() => (node.Node.Handshakes.Handshakes, node.Node.Handshakes.Waiting) == (0, 0));
        await using var client = await SecureClient.ConnectAsync(node.EndPoint);
        Assert.Equal(5, node.Sum(c => Volatile.Read(ref c.Connecting)));
        waiting.ForEach(c => c.Dispose());
    }

    [Fact]
    public async Task Backend_OfAnyCertificate_IsTakenWithVerifyOff()
    {
        await using var broker = await Broker(_stranger.Server(["other.test"]));
        await using var node = await TestNode.StartAsync(Pool("verify = off", broker));
        using var client = await node.OpenAsync("a");
        await broker.WaitForClientAsync("a");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Backend_ThatWantsACertificate_GetsOurs(bool shown)
    {
        var server = _ca.Server(["127.0.0.1"]);
        var own = _ca.Client("CN=balancer");
        await using var broker = await Mosquitto.StartAsync(new MosquittoOptions
        {
            Listeners = [new(Tls: new(server.CertificatePath, server.KeyPath, _ca.CaPath), Settings: ["use_identity_as_username true"])],
        });
        await using var node = await TestNode.StartAsync(Pool(
            $"ca = \"{_ca.CaPath}\"" + (shown ? $", certificate = \"{own.CertificatePath}\", key = \"{own.KeyPath}\"" : ""), broker));
        if (shown)
        {
            using var client = await node.OpenAsync("a");
            Assert.Contains(broker.Process.Lines, l => l.Contains("u'balancer'", StringComparison.Ordinal));
        }
        else
        {
            Assert.Equal([0x20, 2, 0, 3], await node.AskAsync(ConnectBytes.V311("a")));
            Assert.Empty(broker.Accepted);
        }
    }

    [Fact]
    public async Task Messages_ThroughTlsOnBothSides_ComeWhole()
    {
        var server = _ca.Server(["localhost", "127.0.0.1"]);
        await using var broker = await Broker(server);
        await using var node = await TestNode.StartAsync(Pool($"ca = \"{_ca.CaPath}\"", broker), TlsListener.With(server));
        string[] options = ["--cafile", _ca.CaPath];
        await using var subscriber = await MosquittoClients.SubscribeAsync(node.EndPoint, "t", 2, "mqttv5", options);
        string text = new string('x', 100_000);
        await MosquittoClients.PublishAsync(node.EndPoint, "t", text, 2, retain: false, "mqttv5", options);
        Assert.Equal(text, (await subscriber.NextMessageAsync()).Payload);
    }

    private async Task AllGoTo(Mosquitto right, Mosquitto wrong, string reason, string more = "")
    {
        await using var node = await TestNode.StartAsync(Pool($"ca = \"{_ca.CaPath}\", {more}", wrong, right));
        for (int i = 0; i < 4; i++)
        {
            using var client = await node.OpenAsync($"c{i}");
        }

        await Mosquitto.WaitForSessionsAsync(4, right, wrong);
        Assert.Equal(4, right.Accepted.Count);
        Assert.Empty(wrong.Accepted);
        await node.Log.LineAsync(l => l.Text.Contains($"backend {wrong.EndPoint} of pool p: TLS handshake failed", StringComparison.Ordinal)
            && l.Text.Contains(reason, StringComparison.OrdinalIgnoreCase));
    }

    // Whatever fails is asked again by the next client: the test is about each try.
    private static string Pool(string tls, params Mosquitto[] brokers) =>
        $"backends = [{string.Join(", ", brokers.Select(b => $"{{ address = \"{b.EndPoint}\", max-fails = 0 }}"))}]\ntls {{ {tls} }}";

    private static Task<Mosquitto> Broker(TestCertificate certificate) => Mosquitto.StartAsync(new MosquittoOptions
    {
        Listeners = [new(Tls: new(certificate.CertificatePath, certificate.KeyPath))],
    });
}
