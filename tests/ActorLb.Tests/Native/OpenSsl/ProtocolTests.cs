using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;

namespace ActorLb.Tests.Native.OpenSsl;

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
        var output = await OpenSslClient.Run(server.Port, flag, "-cipher", AnyLevel);
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
        var output = await OpenSslClient.Run(server.Port, flag, "-cipher", AnyLevel);
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
            Protocols = TlsProtocols.Tls12, Ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384",
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
    [InlineData("http/1.1", false, null)]
    [InlineData("h2,http/1.1", true, "http/1.1")]
    [InlineData("mqtt", true, "mqtt")]
    [InlineData("h2", true, null)]
    public async Task Alpn_Offered_ChoosesOwnOrGoesOnWithout(string offered, bool webSocket, string? chosen)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])), webSocket);
        var served = server.Serve(Talks.Greet);
        var output = await OpenSslClient.Run(server.Port, "-alpn", offered);
        var seen = await served;
        Assert.Equal(HandshakeStatus.Done, seen.Outcome.Status);
        Assert.Equal(chosen, seen.Alpn);
        Assert.Contains(chosen is null ? "No ALPN negotiated" : $"ALPN protocol: {chosen}", output, StringComparison.Ordinal);
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
        var output = await OpenSslClient.RunTyping(server.Port, "R\n", "-tls1_2");
        Assert.Contains("RENEGOTIATING", output, StringComparison.Ordinal);
        Assert.Contains("no renegotiation", output, StringComparison.Ordinal);
        Assert.NotEqual(TlsIoStatus.Ok, await served);
    }
}
