using ActorLb.Configuration;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class ProtocolTests : IDisposable
{
    private const TlsProtocols All = TlsProtocols.Tls10 | TlsProtocols.Tls11 | TlsProtocols.Tls12 | TlsProtocols.Tls13;
    private const string AnyLevel = "DEFAULT:@SECLEVEL=0";

    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData("-tls1", "TLSv1")]
    [InlineData("-tls1_1", "TLSv1.1")]
    [InlineData("-tls1_2", "TLSv1.2")]
    [InlineData("-tls1_3", "TLSv1.3")]
    public async Task Handshake_WithEachProtocolOfOpenSsl_IsDone(string flag, string name)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])) with { Protocols = All, Ciphers = AnyLevel });
        var served = server.Serve(Talks.Greet);
        string output = await OpenSslClient.Run(server.Port, flag, "-cipher", AnyLevel);
        var seen = await served;
        Assert.Equal(HandshakeStatus.Done, seen.Outcome.Status);
        Assert.Equal(name, seen.Protocol);
        Assert.Contains("welcome", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(TlsProtocols.Tls13, "-tls1_2")]
    [InlineData(TlsProtocols.Tls12, "-tls1_3")]
    [InlineData(TlsProtocols.Tls12 | TlsProtocols.Tls13, "-tls1_1")]
    public async Task Handshake_WithDisabledProtocol_FailsNamingIt(TlsProtocols enabled, string flag)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])) with { Protocols = enabled, Ciphers = AnyLevel });
        var served = server.Serve(Talks.Greet);
        string output = await OpenSslClient.Run(server.Port, flag, "-cipher", AnyLevel);
        var seen = await served;
        Assert.Equal(HandshakeStatus.Failed, seen.Outcome.Status);
        Assert.Equal("unsupported protocol (alert protocol version sent)", seen.Outcome.Reason);
        Assert.Equal(70, seen.Outcome.Alert); // RFC 8446, section 6: protocol_version
        Assert.Contains("alert protocol version", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Handshake_WithProtocolInAHoleOfTheRange_Fails()
    {
        var options = TlsOptions.For(_ca.Server(["a.test"])) with { Protocols = TlsProtocols.Tls10 | TlsProtocols.Tls12, Ciphers = AnyLevel };
        using var server = new TlsTestServer(options);
        var served = server.Serve(Talks.Greet);
        _ = await OpenSslClient.Run(server.Port, "-tls1_1", "-cipher", AnyLevel);
        Assert.Equal(HandshakeStatus.Failed, (await served).Outcome.Status);
    }

    [Fact]
    public async Task Handshake_WithoutSharedCipher_FailsNamingIt()
    {
        var options = TlsOptions.For(_ca.Server(["a.test"])) with
        {
            Protocols = TlsProtocols.Tls12,
            Ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384",
        };
        using var server = new TlsTestServer(options);
        var served = server.Serve(Talks.Greet);
        _ = await OpenSslClient.Run(server.Port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256");
        var seen = await served;
        Assert.Equal("no shared cipher (alert handshake failure sent)", seen.Outcome.Reason);
    }

    [Fact]
    public async Task Handshake_WithCipherSuite_UsesTheOneConfigured()
    {
        var options = TlsOptions.For(_ca.Server(["a.test"])) with { CipherSuites = "TLS_CHACHA20_POLY1305_SHA256" };
        using var server = new TlsTestServer(options);
        var served = server.Serve(Talks.Greet);
        _ = await OpenSslClient.Run(server.Port, "-tls1_3");
        Assert.Equal("TLS_CHACHA20_POLY1305_SHA256", (await served).Cipher);
    }

    [Fact]
    public async Task Handshake_WithSeveralCiphers_PrefersTheServersOrder()
    {
        var options = TlsOptions.For(_ca.Server(["a.test"])) with
        {
            Ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
        };
        using var server = new TlsTestServer(options);
        var served = server.Serve(Talks.Greet);
        _ = await OpenSslClient.Run(
            server.Port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256");
        Assert.Equal("ECDHE-ECDSA-AES128-GCM-SHA256", (await served).Cipher);
    }

    [Theory]
    [InlineData("mqtt", false, "mqtt")]
    [InlineData("x-other,mqtt", false, "mqtt")]
    [InlineData("x-amzn-mqtt-ca", false, "x-amzn-mqtt-ca")]
    [InlineData("x-amzn-mqtt-ca,mqtt", false, "mqtt")]
    [InlineData("h2,http/1.1", true, "http/1.1")]
    [InlineData("mqtt", true, "mqtt")]
    [InlineData("h2,x-amzn-mqtt-ca", true, "x-amzn-mqtt-ca")]
    public async Task Alpn_Offered_ChoosesOwn(string offered, bool webSocket, string chosen)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])), webSocket);
        var served = server.Serve(Talks.Greet);
        string output = await OpenSslClient.Run(server.Port, "-alpn", offered);
        var seen = await served;
        Assert.Equal(HandshakeStatus.Done, seen.Outcome.Status);
        Assert.Equal(chosen, seen.Alpn);
        Assert.Contains($"ALPN protocol: {chosen}", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http/1.1", false, "-tls1_2")]
    [InlineData("http/1.1", false, "-tls1_3")]
    [InlineData("mqttx,x-amzn-mqtt", false, "-tls1_3")]
    [InlineData("MQTT", false, "-tls1_3")]
    [InlineData("h2", true, "-tls1_3")]
    public async Task Alpn_NoneThatIsKnown_GetsTheAlert(string offered, bool webSocket, string version)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])), webSocket);
        var served = server.Serve(Talks.Greet);
        string output = await OpenSslClient.Run(server.Port, "-alpn", offered, version);
        var seen = await served;
        Assert.Equal((HandshakeStatus.Failed, 120), (seen.Outcome.Status, seen.Outcome.Alert));
        Assert.Contains("alert no application protocol sent", seen.Outcome.Reason, StringComparison.Ordinal);
        Assert.Contains("alert number 120", output, StringComparison.Ordinal);
    }

    /// <summary>A name of the certificates' list brings a context of its own, which must judge alike.</summary>
    [Fact]
    public async Task Alpn_NoneThatIsKnownForAnotherName_GetsTheAlert()
    {
        var other = _ca.Server(["b.test"]);
        var options = TlsOptions.For(_ca.Server(["a.test"]));
        options = options with { Certificates = options.Certificates.Add(new CertificateOptions(["b.test"], other.CertificatePath, other.KeyPath)) };
        using var server = new TlsTestServer(options);
        var served = server.Serve(Talks.Greet);
        _ = await OpenSslClient.Run(server.Port, "-alpn", "foo", "-servername", "b.test");
        Assert.Equal(120, (await served).Outcome.Alert);
    }

    [Theory]
    [InlineData("foo", null)]
    [InlineData("foo,mqtt", "mqtt")]
    public async Task Alpn_OfAListenerThatPassesAnything_IsNeverRefused(string offered, string? chosen)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])), passesAnything: true);
        var served = server.Serve(Talks.Greet);
        _ = await OpenSslClient.Run(server.Port, "-alpn", offered);
        var seen = await served;
        Assert.Equal((HandshakeStatus.Done, chosen), (seen.Outcome.Status, seen.Alpn));
    }

    [Fact]
    public async Task Renegotiation_AskedByClient_IsRefused()
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])));
        var served = server.Serve(connection =>
        {
            Assert.Equal(HandshakeStatus.Done, connection.Handshake().Status);
            return connection.Echo();
        });
        string output = await OpenSslClient.RunTyping(server.Port, "R\n", "-tls1_2");
        Assert.Contains("RENEGOTIATING", output, StringComparison.Ordinal);
        Assert.Contains("no renegotiation", output, StringComparison.Ordinal);
        Assert.NotEqual(TlsIoStatus.Ok, await served);
    }
}
