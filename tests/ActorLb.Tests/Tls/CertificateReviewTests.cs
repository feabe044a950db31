using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

/// <summary>Files that OpenSSL takes and clients then do not.</summary>
public sealed class CertificateReviewTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly X509Certificate2 _intermediate, _other;
    private readonly TestCertificate _server;

    public CertificateReviewTests()
    {
        _intermediate = _ca.Intermediate("Int");
        _other = _ca.Intermediate("Other");
        _server = _ca.Server(["a.test"], issuer: _intermediate);
    }

    public void Dispose()
    {
        _intermediate.Dispose();
        _other.Dispose();
        _ca.Dispose();
    }

    [Theory]
    [InlineData("leaf int", null)]
    [InlineData("leaf int root", null)]
    [InlineData("leaf", "holds no chain: clients that do not trust 'CN=Int' itself need its certificate behind this one")]
    [InlineData("leaf root int", "holds 'CN=ActorLb Test CA' as number 2 in the wrong order: each certificate must be signed by the next")]
    [InlineData("leaf other", "holds 'CN=Other' as number 2, which is unrelated: it has signed none of the others")]
    [InlineData("leaf int other", "holds 'CN=Other' as number 3, which is unrelated: it has signed none of the others")]
    [InlineData("leaf leaf", "holds 'CN=a.test' as number 2, which it held before")]
    public void Chain_OfAFile_IsWarnedOf(string parts, string? expected)
    {
        string file = File(parts);
        using var context = TlsServerContext.Build(Options(file), false, TimeProvider.System);
        Assert.Equal(expected is null ? [] : [$"certificate {file}: {expected}"], context.Warnings.Select(w => w.ToString()));
    }

    [Fact]
    public void Chain_WithItsOwnCertificateBehind_IsAnError()
    {
        string file = File("int leaf");
        var problems = Assert.Throws<TlsConfigurationException>(() => TlsServerContext.Build(Options(file), false, TimeProvider.System)).Problems;
        Assert.Equal($"certificate {file}: is in the wrong order: the certificate of the key, which must come first, is number 2", Assert.Single(problems).ToString());
    }

    [Fact]
    public void Leaf_OfAnAuthorityThatClientsHave_NeedsNoChain()
    {
        var server = _ca.Server(["b.test"]);
        using var context = TlsServerContext.Build(
            TlsOptions.For(server) with { VerifyClient = VerifyClient.On, ClientCa = _ca.CaPath }, false, TimeProvider.System);
        Assert.Empty(context.Warnings);
    }

    [Fact]
    public void Leaf_OfAPoolsClientCertificate_NeedsNoChain()
    {
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(_ca.CaPath, null, true, File("leaf"), _server.KeyPath));
        Assert.Empty(context.Warnings);
        using var unrelated = TlsClientContext.Build(new UpstreamTlsOptions(_ca.CaPath, null, true, File("leaf other"), _server.KeyPath));
        Assert.Contains("unrelated", Assert.Single(unrelated.Warnings).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1024, "SHA256", "HIGH", "ee key too small: security level 2 of the ciphers asks for 112 bits")]
    [InlineData(2048, "SHA1", "HIGH", "ca md too weak: security level 2 of the ciphers asks for 112 bits")]
    [InlineData(1024, "SHA1", "HIGH:@SECLEVEL=0", null)]
    public void Certificate_TooWeakForTheCiphers_IsAnErrorThatSaysSo(int bits, string hash, string ciphers, string? expected)
    {
        var (certificate, key) = Weak("CN=weak", bits, new HashAlgorithmName(hash), authority: false);
        var options = Options(certificate, key) with { Ciphers = ciphers };
        if (expected is null)
        {
            TlsServerContext.Build(options, false, TimeProvider.System).Dispose();
            return;
        }

        var problems = Assert.Throws<TlsConfigurationException>(() => TlsServerContext.Build(options, false, TimeProvider.System)).Problems;
        Assert.StartsWith($"certificate {certificate}: {expected}", Assert.Single(problems).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1024, "SHA256", "HIGH", "holds 'CN=weak', whose key (RSA1024) is too small for security level 2: its certificates are refused")]
    [InlineData(2048, "SHA1", "HIGH", "holds 'CN=weak', whose signature (ecdsa-with-SHA1) is too weak for security level 2: its certificates are refused")]
    [InlineData(1024, "SHA1", "HIGH:@SECLEVEL=0", null)]
    public void Authority_TooWeakForTheCiphers_IsWarnedOf(int bits, string hash, string ciphers, string? expected)
    {
        string authorities = _ca.Join(Weak("CN=weak", bits, new HashAlgorithmName(hash), authority: true).Certificate, _ca.CaPath);
        using var context = TlsServerContext.Build(
            Options(File("leaf int")) with { VerifyClient = VerifyClient.On, ClientCa = authorities, Ciphers = ciphers }, false, TimeProvider.System);
        Assert.Equal(expected is null ? [] : [$"CA file {authorities}: {expected}"], context.Warnings.Select(w => w.ToString()));
    }

    [Fact]
    public void Dated_HoldsEveryCertificateAuthorityAndListOfEveryFile()
    {
        string clients = _ca.Join(_ca.CaPath, _ca.Write("int.pem", _intermediate.ExportCertificatePem()));
        using var context = TlsServerContext.Build(
            Options(File("leaf int")) with { VerifyClient = VerifyClient.On, ClientCa = clients, CrlFile = _ca.RevocationList([], _intermediate) },
            false, TimeProvider.System);
        Assert.Equal(
            ["Ca CN=ActorLb Test CA", "Ca CN=Int", "Crl CN=ActorLb Test CA", "Crl CN=Int", "Certificate CN=a.test", "Certificate CN=Int"],
            context.Dated.Select(e => $"{e.Setting} {e.Subject}"));
    }

    private ListenerTlsOptions Options(string certificate, string? key = null) =>
        TlsOptions.For() with { Certificates = [new CertificateOptions([], certificate, key ?? _server.KeyPath)] };

    private string File(string parts) => _ca.Write($"{parts.Replace(' ', '-')}.pem", string.Join('\n', parts.Split(' ').Select(p => p switch
    {
        "leaf" => _server.Certificate.ExportCertificatePem(),
        "int" => _intermediate.ExportCertificatePem(),
        "root" => _ca.Root.ExportCertificatePem(),
        _ => _other.ExportCertificatePem(),
    })));

    private (string Certificate, string Key) Weak(string subject, int bits, HashAlgorithmName hash, bool authority)
    {
        using var rsa = RSA.Create(bits);
        using var signer = _ca.Root.GetECDsaPrivateKey()!;
        var request = new CertificateRequest(subject, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(authority, false, 0, true));
        using var certificate = request.Create(
            _ca.Root.SubjectName, hash == HashAlgorithmName.SHA1 ? new Sha1Generator(signer) : X509SignatureGenerator.CreateForECDsa(signer), DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(90), [7, 7]);
        return (_ca.Write("weak.pem", certificate.ExportCertificatePem() + "\n"), _ca.Write("weak.key", rsa.ExportPkcs8PrivateKeyPem()));
    }

    /// <summary>ecdsa-with-SHA1 (RFC 3279, section 2.2.3), which the framework signs no more.</summary>
    private sealed class Sha1Generator(ECDsa key) : X509SignatureGenerator
    {
        public override byte[] GetSignatureAlgorithmIdentifier(HashAlgorithmName hashAlgorithm) => Convert.FromHexString("300906072A8648CE3D0401");

        public override byte[] SignData(byte[] data, HashAlgorithmName hashAlgorithm) =>
            key.SignData(data, HashAlgorithmName.SHA1, DSASignatureFormat.Rfc3279DerSequence);

        protected override PublicKey BuildPublicKey() => new(key);
    }
}
