using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class BuildErrorTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly TestCertificate _good;

    public BuildErrorTests() => _good = _ca.Server(["a.test"]);

    public void Dispose() => _ca.Dispose();

    [Fact]
    public void Build_WithEncryptedKey_SaysSo()
    {
        string key = _ca.EncryptedKey(_good, "secret");
        AssertProblem(WithFiles(_good.CertificatePath, key), $"key {key}: the key is encrypted");
    }

    [Fact]
    public void Build_WithOtherKey_SaysThatTheyDoNotBelongTogether()
    {
        var other = _ca.Server(["b.test"]);
        AssertProblem(WithFiles(_good.CertificatePath, other.KeyPath),
            $"key {other.KeyPath}: does not belong to the certificate {_good.CertificatePath}");
        var rsa = _ca.Server(["b.test"], rsa: true);
        AssertProblem(WithFiles(_good.CertificatePath, rsa.KeyPath), "does not belong to the certificate");
    }

    [Fact]
    public void Build_WithMissingFiles_NamesAllOfThem()
    {
        string[] problems = Problems(WithFiles("/nowhere/c.pem", "/nowhere/c.key") with
        {
            VerifyClient = VerifyClient.On,
            ClientCa = "/nowhere/ca.pem",
            CrlFile = "/nowhere/crl.pem",
            TicketKeyFile = "/nowhere/ticket",
        });
        Assert.Contains("certificate /nowhere/c.pem: no such file", problems);
        Assert.Contains("key /nowhere/c.key: no such file", problems);
        Assert.Contains("CA file /nowhere/ca.pem: no such file", problems);
        Assert.Contains("CRL file /nowhere/crl.pem: no such file", problems);
        Assert.Contains("ticket key file /nowhere/ticket: no such file", problems);
        Assert.Equal(5, problems.Length);
    }

    [Fact]
    public void Build_WithFileThatIsNoPem_NamesIt()
    {
        string path = _ca.Write("noise.pem", [0, 1, 2, 255, 254]);
        AssertProblem(WithFiles(path, _good.KeyPath), $"certificate {path}: holds no readable PEM certificate (no start line)");
        AssertProblem(WithFiles(_good.CertificatePath, path), $"key {path}: holds no readable PEM private key");
        AssertProblem(Good with { VerifyClient = VerifyClient.On, ClientCa = path }, $"CA file {path}: holds no readable PEM certificate");
        AssertProblem(Good with { VerifyClient = VerifyClient.On, ClientCa = _ca.CaPath, CrlFile = path },
            $"CRL file {path}: holds no readable PEM revocation list");
        string empty = _ca.Write("empty.pem", "");
        AssertProblem(WithFiles(empty, _good.KeyPath), $"certificate {empty}: holds no readable PEM certificate");
    }

    [Fact]
    public void Build_WithBrokenSecondCertificate_NamesItsPlace()
    {
        string pem = File.ReadAllText(_good.CertificatePath);
        string path = _ca.Write("broken.pem", pem + pem.Replace("MI", "$$", StringComparison.Ordinal));
        AssertProblem(WithFiles(path, _good.KeyPath), $"certificate {path}: PEM certificate number 2 cannot be read");
    }

    [Fact]
    public void Build_WithUnusableSettings_NamesEach()
    {
        AssertProblem(Good with { Ciphers = "NONSENSE" }, "ciphers \"NONSENSE\": no cipher match");
        AssertProblem(Good with { CipherSuites = "TLS_AES_128_GCM_SHA256:TLS_NONSENSE" }, "\"TLS_NONSENSE\" is no TLS 1.3 suite");
        AssertProblem(Good with { Protocols = TlsProtocols.None }, "protocols: none is enabled");
        AssertProblem(Good with { VerifyClient = VerifyClient.Optional }, "CA file: verify-client needs it");
        AssertProblem(Good with { Certificates = [] }, "certificate: none is given");
        AssertProblem(Good with { Protocols = TlsProtocols.Tls10, Ciphers = "HIGH:@SECLEVEL=1" }, "\"@SECLEVEL=0\"");
        AssertProblem(Good with { TicketKeyFile = _ca.Write("short", new byte[79]) }, "79 bytes are not one or more keys of 80 or of 48 bytes");
        AssertProblem(Good with { TicketKeyFile = _ca.Write("none", Array.Empty<byte>()) }, "0 bytes are not");
        AssertProblem(
            Good with { Certificates = [.. Good.Certificates, .. new[] { "x.test", "x.test" }.Select(n => Good.Certificates[0] with { Names = [n] })] },
            "is the second ECDSA certificate of x.test");
    }

    [Fact]
    public void Build_WithOldProtocolsAmongOthers_Warns()
    {
        using var context = TlsServerContext.Build(
            Good with { Protocols = TlsProtocols.Tls11 | TlsProtocols.Tls12, Ciphers = "HIGH:@SECLEVEL=1" }, false, TimeProvider.System);
        Assert.Contains("@SECLEVEL=0", Assert.Single(context.Warnings, w => w.Setting == TlsSetting.Protocols).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Build_OfClientWithBadFiles_NamesThem()
    {
        var exception = Assert.Throws<TlsConfigurationException>(() => TlsClientContext.Build(
            new UpstreamTlsOptions("/nowhere/ca.pem", null, true, null, "/nowhere/key")));
        Assert.Equal(["CA file /nowhere/ca.pem: no such file", "key: is given without a certificate"], exception.Problems.Select(p => p.ToString()));
    }

    [Fact]
    public void Certificates_AfterBuild_TellNamesAndEnd()
    {
        var end = new DateTimeOffset(2031, 5, 6, 7, 8, 9, TimeSpan.Zero);
        var certificate = _ca.Server(["a.test", "*.b.test"], notAfter: end);
        using var context = TlsServerContext.Build(TlsOptions.For(certificate), false, TimeProvider.System);
        var entry = Assert.Single(context.Dated);
        Assert.Equal((certificate.CertificatePath, "CN=a.test", true), (entry.Path, entry.Subject, entry.IsLeaf));
        Assert.Equal((new DateTimeOffset(certificate.Certificate.NotBefore), end), (entry.NotBefore, entry.NotAfter));
    }

    private ListenerTlsOptions Good => TlsOptions.For(_good);

    private static ListenerTlsOptions WithFiles(string certificate, string key) =>
        TlsOptions.For() with { Certificates = [new CertificateOptions([], certificate, key)] };

    private static string[] Problems(ListenerTlsOptions options) => [.. Assert.Throws<TlsConfigurationException>(
        () => TlsServerContext.Build(options, false, TimeProvider.System).Dispose()).Problems.Select(p => p.ToString())];

    private static void AssertProblem(ListenerTlsOptions options, string expected) =>
        Assert.Contains(expected, string.Join('\n', Problems(options)), StringComparison.Ordinal);
}
