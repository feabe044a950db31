using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class ClientCertificateTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData(VerifyClient.On, "-tls1_2")]
    [InlineData(VerifyClient.On, "-tls1_3")]
    [InlineData(VerifyClient.Optional, "-tls1_3")]
    public async Task Verify_OfGoodCertificate_TellsItsFields(VerifyClient verify, string version)
    {
        var client = _ca.Client("CN=device-1,O=Plant", [0x0A, 0xBC, 0x01]);
        var seen = await Connect(With(verify), client, version);
        Assert.Equal(HandshakeStatus.Done, seen.Outcome.Status);
        Assert.Equal("0ABC01", seen.Client!.Serial);
        Assert.Equal("CN=device-1,O=Plant", seen.Client.SubjectDn);
        Assert.Equal("device-1", seen.Client.CommonName);
        Assert.Equal(client.Certificate.Thumbprint.ToLowerInvariant(), seen.Client.Fingerprint);
        Assert.Equal("ecdsa-with-SHA256", seen.Client.SignatureAlgorithm);
        Assert.Equal("EC256", seen.Client.KeyAlgorithm);
        Assert.Equal(0u, seen.Proxy!.Verify);
        Assert.Equal("device-1", seen.Proxy.CommonName);
    }

    [Fact]
    public async Task Values_ForProxyHeader_TellTheServersOwnCertificate()
    {
        var seen = await Connect(TlsOptions.For(_ca.Server(["a.test"], rsa: true)), null);
        Assert.Equal(TlsProxyClient.Ssl, seen.Proxy!.Client);
        Assert.NotEqual(0u, seen.Proxy.Verify);
        Assert.Null(seen.Proxy.CommonName);
        Assert.Equal("TLSv1.3", seen.Proxy.Version);
        Assert.Equal("RSA2048", seen.Proxy.KeyAlgorithm);
        Assert.Equal("ecdsa-with-SHA256", seen.Proxy.SignatureAlgorithm);
        Assert.StartsWith("TLS_", seen.Proxy.Cipher, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_Off_AsksForNoCertificate()
    {
        var seen = await Connect(With(VerifyClient.Off), _ca.Client("CN=device-1"));
        Assert.Equal(HandshakeStatus.Done, seen.Outcome.Status);
        Assert.Null(seen.Client);
    }

    [Fact]
    public async Task Verify_OptionalWithoutCertificate_IsDone()
    {
        var seen = await Connect(With(VerifyClient.Optional), null);
        Assert.Equal(HandshakeStatus.Done, seen.Outcome.Status);
        Assert.Null(seen.Client);
    }

    [Theory]
    [InlineData("-tls1_2", "alert handshake failure sent")]
    [InlineData("-tls1_3", "alert certificate required sent")]
    public async Task Verify_OnWithoutCertificate_Fails(string version, string alert)
    {
        var seen = await Connect(With(VerifyClient.On), null, version);
        Assert.Equal($"peer did not return a certificate ({alert})", seen.Outcome.Reason);
    }

    [Theory]
    [InlineData(VerifyClient.On)]
    [InlineData(VerifyClient.Optional)]
    public async Task Verify_OfForeignCertificate_Fails(VerifyClient verify)
    {
        using var foreign = new TestCertificates("Foreign CA");
        var seen = await Connect(With(verify), foreign.Client("CN=device-1"));
        Assert.Equal(
            "certificate verify failed: unable to get local issuer certificate (alert unknown CA sent)", seen.Outcome.Reason);
        Assert.Equal(48, seen.Outcome.Alert); // RFC 8446, section 6: unknown_ca
    }

    [Fact]
    public async Task Verify_OfExpiredCertificate_Fails()
    {
        var seen = await Connect(With(VerifyClient.On), _ca.Client("CN=device-1", notAfter: DateTimeOffset.UtcNow.AddDays(-1)));
        Assert.Equal("certificate verify failed: certificate has expired (alert certificate expired sent)", seen.Outcome.Reason);
    }

    [Fact]
    public async Task Verify_WithRevocationList_FailsOnlyForTheRevoked()
    {
        var good = _ca.Client("CN=good");
        var revoked = _ca.Client("CN=revoked");
        var options = With(VerifyClient.On) with { CrlFile = _ca.RevocationList([revoked.Certificate]) };
        Assert.Equal(HandshakeStatus.Done, (await Connect(options, good)).Outcome.Status);
        var seen = await Connect(options, revoked);
        Assert.Equal("certificate verify failed: certificate revoked (alert certificate revoked sent)", seen.Outcome.Reason);
    }

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(1, 1, true)]
    [InlineData(2, 1, false)]
    [InlineData(2, 2, true)]
    public async Task Verify_WithDepth_AllowsAsManyIntermediates(int intermediates, int depth, bool done)
    {
        System.Security.Cryptography.X509Certificates.X509Certificate2? issuer = null;
        string chain = "";
        for (int i = 0; i < intermediates; i++)
        {
            issuer = _ca.Intermediate($"Intermediate {i}", issuer);
            chain = issuer.ExportCertificatePem() + "\n" + chain;
        }

        var client = _ca.Client("CN=device-1", issuer: issuer);
        string chainFile = _ca.Write("chain.pem", chain);
        var seen = await Connect(
            With(VerifyClient.On) with { VerifyDepth = depth }, client, "-tls1_3", intermediates > 0 ? ["-cert_chain", chainFile] : []);
        if (done)
        {
            Assert.True(seen.Outcome.Status == HandshakeStatus.Done, seen.Outcome.Reason);
        }
        else
        {
            Assert.StartsWith("certificate verify failed: certificate chain too long", seen.Outcome.Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Verify_On_NamesTheAuthorityToTheClient()
    {
        using var server = new TlsTestServer(With(VerifyClient.Optional));
        var served = server.Serve(Talks.Greet);
        string output = await OpenSslClient.Run(server.Port, "-tls1_3");
        await served;
        Assert.Contains("Acceptable client certificate CA names\nCN = ActorLb Test CA", output, StringComparison.Ordinal);
    }

    private ListenerTlsOptions With(VerifyClient verify) =>
        TlsOptions.For(_ca.Server(["a.test"])) with { VerifyClient = verify, ClientCa = _ca.CaPath };

    private static async Task<Seen> Connect(
        ListenerTlsOptions options, TestCertificate? client, string version = "-tls1_3", params string[] more)
    {
        using var server = new TlsTestServer(options);
        var served = server.Serve(Talks.Greet);
        string[] identity = client is null ? [] : ["-cert", client.CertificatePath, "-key", client.KeyPath];
        _ = await OpenSslClient.Run(server.Port, [version, .. identity, .. more]);
        return await served;
    }
}
