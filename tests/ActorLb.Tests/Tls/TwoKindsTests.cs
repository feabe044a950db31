using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

/// <summary>An RSA and an ECDSA certificate for one name: each client gets the one that it can verify.</summary>
public sealed class TwoKindsTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData("-tls1_3", "rsa_pss_rsae_sha256", "RSA-PSS")]
    [InlineData("-tls1_3", "ecdsa_secp256r1_sha256", "ECDSA")]
    [InlineData("-tls1_2", "rsa_pkcs1_sha256", "RSA")]
    [InlineData("-tls1_2", "ecdsa_secp256r1_sha256", "ECDSA")]
    public async Task Handshake_BySignaturesOfTheClient_ServesTheKindThatItTakes(string version, string signatures, string expected)
    {
        using var intermediate = _ca.Intermediate("Int");
        TestCertificate rsa = _ca.Server(["a.test"], rsa: true, issuer: intermediate), ecdsa = _ca.Server(["a.test"]);
        TestCertificate otherRsa = _ca.Server(["*.b.test"], rsa: true), otherEcdsa = _ca.Server(["*.b.test"], issuer: intermediate);
        using var context = TlsServerContext.Build(
            TlsOptions.For(rsa, ecdsa) with { Certificates = [Of(rsa), Of(ecdsa), Of(otherRsa, "*.b.test", "c.test"), Of(otherEcdsa, "*.B.test")] },
            false, TimeProvider.System);
        foreach (var (name, subject, chained) in new[] { ("a.test", "a.test", expected != "ECDSA"), ("x.b.test", "*.b.test", expected == "ECDSA") })
        {
            using var server = new TlsTestServer(context, ownsContext: false);
            var served = server.Serve(Talks.Greet);
            string output = await OpenSslClient.Run(server.Port, version, "-servername", name, "-sigalgs", signatures, "-showcerts");
            Assert.Equal(HandshakeStatus.Done, (await served).Outcome.Status);
            Assert.Contains($"Peer signature type: {expected}\n", output, StringComparison.Ordinal);
            Assert.Contains($"subject=CN = {subject}\n", output, StringComparison.Ordinal);
            // Each with its own chain.
            Assert.Equal(chained ? 2 : 1, output.Split("BEGIN CERTIFICATE").Length - 1);
        }

        // A name of one entry alone has its kind alone.
        using var one = new TlsTestServer(context, ownsContext: false);
        var seen = one.Serve(Talks.Greet);
        await OpenSslClient.Run(one.Port, version, "-servername", "c.test", "-sigalgs", signatures);
        Assert.Equal(expected == "ECDSA" ? HandshakeStatus.Failed : HandshakeStatus.Done, (await seen).Outcome.Status);
        Assert.Equal(6, context.Dated.Length);
    }

    [Fact]
    public void Build_WithTwoOfOneKind_NamesTheSecond()
    {
        TestCertificate one = _ca.Server(["a.test"]), two = _ca.Server(["a.test"]), rsa = _ca.Server(["a.test"], rsa: true);
        Assert.Equal([$"certificate {two.CertificatePath}: is the second ECDSA certificate of the listener, after {one.CertificatePath}: of each kind, such as RSA and ECDSA, there is one"],
            Problems(Of(one), Of(rsa), Of(two)));
        Assert.Equal([$"certificate {two.CertificatePath}: is the second ECDSA certificate of b.test, after {one.CertificatePath}: of each kind, such as RSA and ECDSA, there is one"],
            Problems(Of(rsa), Of(one, "b.test", "c.test"), Of(two, "B.TEST")));
    }

    [Fact]
    public void Build_WithTheKeysSwapped_NamesBoth()
    {
        TestCertificate ecdsa = _ca.Server(["a.test"]), rsa = _ca.Server(["a.test"], rsa: true);
        // OpenSSL would put each key beside the certificate of its kind, and leave it at that.
        string[] problems = Problems(Of(ecdsa) with { Key = rsa.KeyPath }, Of(rsa) with { Key = ecdsa.KeyPath });
        Assert.Equal(2, problems.Length);
        Assert.StartsWith($"key {rsa.KeyPath}: does not belong to the certificate {ecdsa.CertificatePath}", problems[0], StringComparison.Ordinal);
        Assert.StartsWith($"key {ecdsa.KeyPath}: does not belong to the certificate {rsa.CertificatePath}", problems[1], StringComparison.Ordinal);
    }

    private static CertificateOptions Of(TestCertificate certificate, params string[] names) => new([.. names], certificate.CertificatePath, certificate.KeyPath);

    private static string[] Problems(params CertificateOptions[] certificates) => [.. Assert.Throws<TlsConfigurationException>(
        () => TlsServerContext.Build(TlsOptions.For() with { Certificates = [.. certificates] }, false, TimeProvider.System)).Problems.Select(p => p.ToString())];
}
