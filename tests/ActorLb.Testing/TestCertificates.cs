using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace ActorLb.Testing;

/// <summary>PEM files of one certificate: its chain (leaf first) and its key.</summary>
public sealed record TestCertificate(string CertificatePath, string KeyPath, X509Certificate2 Certificate);

/// <summary>
/// A certificate authority of a test's own, whose PEM files lie in a directory that <see cref="Dispose"/> removes.
/// Keys are EC P-256 (quick) unless RSA is asked for.
/// </summary>
public sealed class TestCertificates : IDisposable
{
    private readonly X509Certificate2 _root;
    private int _files;

    public TestCertificates(string name = "ActorLb Test CA")
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("actorlb-ca-").FullName;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        AddAuthorityExtensions(request);
        _root = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-30), DateTimeOffset.UtcNow.AddDays(3650));
        CaPath = Write("ca.pem", _root.ExportCertificatePem());
    }

    public string Directory { get; }

    /// <summary>The root alone.</summary>
    public string CaPath { get; }

    public X509Certificate2 Root => _root;

    /// <summary>A server certificate for DNS names, wildcards and addresses.</summary>
    public TestCertificate Server(string[] names, bool rsa = false, DateTimeOffset? notAfter = null, X509Certificate2? issuer = null)
    {
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (string name in names)
        {
            if (IPAddress.TryParse(name, out var address))
            {
                alternatives.AddIpAddress(address);
            }
            else
            {
                alternatives.AddDnsName(name);
            }
        }

        return Issue(new X500DistinguishedName($"CN={names[0]}"), null, notAfter, issuer, rsa, "1.3.6.1.5.5.7.3.1", alternatives);
    }

    /// <summary>A client certificate.</summary>
    /// <param name="subject">As X500DistinguishedName reads it: the first part is the most specific.</param>
    /// <param name="serial">Big-endian; null is random.</param>
    public TestCertificate Client(
        string subject, byte[]? serial = null, DateTimeOffset? notAfter = null, X509Certificate2? issuer = null, bool rsa = false) =>
        Issue(new X500DistinguishedName(subject), serial, notAfter, issuer, rsa, "1.3.6.1.5.5.7.3.2", null);

    /// <summary>As <see cref="Client(string, byte[], DateTimeOffset?, X509Certificate2, bool)"/>, with a subject built by the caller.</summary>
    public TestCertificate Client(X500DistinguishedName subject, byte[]? serial = null) =>
        Issue(subject, serial, null, null, false, "1.3.6.1.5.5.7.3.2", null);

    /// <summary>An intermediate authority with its key, to give as issuer; its certificate joins the chain files it issues.</summary>
    public X509Certificate2 Intermediate(string name, X509Certificate2? issuer = null, DateTimeOffset? notAfter = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        AddAuthorityExtensions(request);
        using var signed = request.Create(
            issuer ?? _root, DateTimeOffset.UtcNow.AddDays(-20), notAfter ?? DateTimeOffset.UtcNow.AddDays(3000), RandomSerial());
        return signed.CopyWithPrivateKey(key);
    }

    /// <summary>A revocation list of the root, and lists of the other authorities in the same file, as PEM.</summary>
    public string RevocationList(X509Certificate2[] revoked, params X509Certificate2[] otherAuthorities)
    {
        string text = string.Join('\n', otherAuthorities.Prepend(_root).Select(authority =>
        {
            var builder = new CertificateRevocationListBuilder();
            foreach (var certificate in revoked.Where(c => c.IssuerName.RawData.AsSpan().SequenceEqual(authority.SubjectName.RawData)))
            {
                builder.AddEntry(certificate);
            }

            byte[] list = builder.Build(
                authority, 1, DateTimeOffset.UtcNow.AddDays(30), HashAlgorithmName.SHA256, thisUpdate: DateTimeOffset.UtcNow.AddDays(-1));
            return PemEncoding.WriteString("X509 CRL", list);
        }));
        return Write($"crl-{++_files}.pem", text);
    }

    /// <summary>A revocation list of one authority alone, with its time, as PEM.</summary>
    /// <param name="signer">Whose key signs, when it is not the authority's own.</param>
    public string RevocationListOf(
        X509Certificate2 authority, TimeSpan since, TimeSpan until, X509Certificate2[]? revoked = null, X509Certificate2? signer = null)
    {
        var builder = new CertificateRevocationListBuilder();
        foreach (var certificate in revoked ?? [])
        {
            builder.AddEntry(certificate);
        }

        var now = DateTimeOffset.UtcNow;
        using var key = (signer ?? authority).GetECDsaPrivateKey()!;
        var identifier = X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(
            authority.Extensions.OfType<X509SubjectKeyIdentifierExtension>().First());
        byte[] list = builder.Build(
            authority.SubjectName, X509SignatureGenerator.CreateForECDsa(key), 1, now + until, HashAlgorithmName.SHA256, identifier, now + since);
        return Write($"crl-{++_files}.pem", PemEncoding.WriteString("X509 CRL", list) + "\n");
    }

    /// <summary>One file of the content of others.</summary>
    public string Join(params string[] files) => Write($"joined-{++_files}.pem", string.Join('\n', files.Select(File.ReadAllText)));

    /// <summary>The certificate's key, encrypted with a password.</summary>
    public string EncryptedKey(TestCertificate certificate, string password)
    {
        using var key = ECDsa.Create();
        key.ImportFromPem(File.ReadAllText(certificate.KeyPath));
        return Write($"encrypted-{++_files}.key", key.ExportEncryptedPkcs8PrivateKeyPem(
            password, new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)));
    }

    /// <summary>Writes a file of any content into the directory and returns its path.</summary>
    public string Write(string name, string content)
    {
        string path = Path.Combine(Directory, name);
        File.WriteAllText(path, content);
        return path;
    }

    /// <inheritdoc cref="Write(string, string)"/>
    public string Write(string name, byte[] content)
    {
        string path = Path.Combine(Directory, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    public void Dispose()
    {
        _root.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    private TestCertificate Issue(
        X500DistinguishedName subject, byte[]? serial, DateTimeOffset? notAfter, X509Certificate2? issuer, bool rsa, string usage,
        SubjectAlternativeNameBuilder? alternatives)
    {
        using var rsaKey = rsa ? RSA.Create(2048) : null;
        using var ecKey = rsa ? null : ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = rsaKey is not null
            ? new CertificateRequest(subject, rsaKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(subject, ecKey!, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        if (alternatives is not null)
        {
            request.CertificateExtensions.Add(alternatives.Build());
        }

        var authority = issuer ?? _root;
        var end = notAfter ?? DateTimeOffset.UtcNow.AddDays(365);
        using var authorityKey = authority.GetECDsaPrivateKey()!;
        using var certificate = request.Create(
            authority.SubjectName, X509SignatureGenerator.CreateForECDsa(authorityKey),
            DateTimeOffset.UtcNow.AddDays(-10), end, serial ?? RandomSerial());
        string pem = certificate.ExportCertificatePem() + (issuer is null ? "" : "\n" + issuer.ExportCertificatePem());
        int number = ++_files;
        string keyPem = rsaKey?.ExportPkcs8PrivateKeyPem() ?? ecKey!.ExportPkcs8PrivateKeyPem();
        return new TestCertificate(
            Write($"{number}.pem", pem + "\n"), Write($"{number}.key", keyPem + "\n"),
            rsaKey is not null ? certificate.CopyWithPrivateKey(rsaKey) : certificate.CopyWithPrivateKey(ecKey!));
    }

    private static void AddAuthorityExtensions(CertificateRequest request)
    {
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
    }

    private static byte[] RandomSerial()
    {
        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7F) | 1);
        return serial;
    }
}
