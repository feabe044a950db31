using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Configuration;
using ActorLb.Configuration.Checks;
using Akka.Remote.Transport.DotNetty;

namespace ActorLb.Fleet.Membership;

/// <summary>
/// How members authenticate each other: mutual TLS, either with a key pair that all derive from the shared secret, or with
/// certificates of the user's own authority. Anyone who reaches Akka's port can stop and start actors, so without either the port
/// may be bound only to loopback addresses.
/// </summary>
internal sealed class FleetSecurity : IDisposable
{
    private readonly Func<X509Certificate2?, string?> _judge;

    private FleetSecurity(X509Certificate2? own, Func<X509Certificate2?, string?> judge)
    {
        Own = own;
        _judge = judge;
    }

    /// <summary>Null if members don't use TLS.</summary>
    public X509Certificate2? Own { get; }

    /// <exception cref="InvalidOperationException">A file is missing or unusable; the message names it.</exception>
    public static FleetSecurity Load(FleetSettings settings)
    {
        if (settings.Tls is { } tls) return OfAuthority(tls);
        return settings.SecretFile is { } file ? OfSecret(ReadSecret(file)) : new FleetSecurity(null, _ => null);
    }

    /// <exception cref="InvalidOperationException">The file cannot be read, or is too short.</exception>
    public static byte[] ReadSecret(string file)
    {
        byte[] bytes;
        try
        {
            bytes = InputFile.ReadBytes(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"cluster.secret-file {file}: {e.Message}", e);
        }
        // Editors and echo append a line break.
        byte[] secret = bytes.AsSpan().TrimEnd("\r\n"u8).ToArray();
        return secret.Length >= FleetChecks.MinSecretBytes
            ? secret
            : throw new InvalidOperationException($"cluster.secret-file {file}: {secret.Length} bytes, at least {FleetChecks.MinSecretBytes} are needed");
    }

    /// <summary>The TLS setup for Akka's transport; null without TLS.</summary>
    /// <param name="refused">Called with the peer that was refused and the reason.</param>
    public DotNettySslSetup? ToSetup(Action<string, string> refused)
    {
        if (Own is null) return null;
        return new DotNettySslSetup(
            Own, suppressValidation: false, requireMutualAuthentication: true,
            customValidator: (certificate, _, peer, _, _) =>
            {
                if (_judge(certificate) is not { } reason) return true;
                refused(peer, reason);
                return false;
            });
    }

    public void Dispose() => Own?.Dispose();

    /// <summary>
    /// Derives the same P-256 key pair on every node that has the secret (HKDF-SHA-256; FIPS 186-5 A.2.1 makes a private key of
    /// extra random bits). Only the public key is checked, not names or dates, so a wrong clock excludes no node.
    /// </summary>
    internal static ECDsa DeriveKey(ReadOnlySpan<byte> secret)
    {
        Span<byte> bits = stackalloc byte[40];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, bits, "actorlb fleet"u8, "key pair"u8);
        var order = new System.Numerics.BigInteger(
            Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"), isUnsigned: true, isBigEndian: true);
        var d = (new System.Numerics.BigInteger(bits, isUnsigned: true, isBigEndian: true) % (order - 1)) + 1;
        byte[] scalar = new byte[32];
        byte[] digits = d.ToByteArray(isUnsigned: true, isBigEndian: true);
        digits.CopyTo(scalar, scalar.Length - digits.Length);
        try
        {
            return ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = scalar });
        }
        finally
        {
            CryptographicOperations.ZeroMemory(scalar);
            CryptographicOperations.ZeroMemory(bits);
        }
    }

    private static FleetSecurity OfSecret(byte[] secret)
    {
        using var key = DeriveKey(secret);
        byte[] expected = key.ExportSubjectPublicKeyInfo();
        var request = new CertificateRequest("CN=actorlb fleet", key, HashAlgorithmName.SHA256);
        // DotNetty takes the server's name from its own certificate.
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("fleet.actorlb.invalid");
        request.CertificateExtensions.Add(names.Build());
        var from = new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
        return new FleetSecurity(
            request.CreateSelfSigned(from, from.AddYears(1000)),
            certificate => certificate is null ? "it presents no certificate"
                : CryptographicOperations.FixedTimeEquals(certificate.PublicKey.ExportSubjectPublicKeyInfo(), expected) ? null
                : "its certificate was not derived from this node's cluster.secret-file");
    }

    private static FleetSecurity OfAuthority(ServiceTlsOptions tls)
    {
        var own = ServiceCertificates.OwnOf(tls)!;
        var intermediates = ServiceCertificates.IntermediatesOf(tls);
        ServiceCertificates.TrustOf(tls);
        return new FleetSecurity(own, certificate => JudgeByAuthority(certificate, tls, intermediates));
    }

    /// <summary>Reads the authorities' file at each handshake, so that a change of trust applies at once.</summary>
    private static string? JudgeByAuthority(X509Certificate2? certificate, ServiceTlsOptions tls, X509Certificate2Collection intermediates)
    {
        if (certificate is null) return "it presents no certificate";
        try
        {
            using var chain = new X509Chain { ChainPolicy = ServiceCertificates.TrustOf(tls)! };
            // Peers send only their own certificate; members of one fleet usually share the issuer.
            chain.ChainPolicy.ExtraStore.AddRange(intermediates);
            if (chain.Build(certificate)) return null;
            string problems = string.Join("; ", chain.ChainStatus.Select(s => s.StatusInformation.Trim().TrimEnd('.')).Distinct());
            return $"its certificate {certificate.Subject} is not trusted: {problems}";
        }
        catch (InvalidOperationException e)
        {
            return $"its certificate cannot be checked: {e.Message}";
        }
    }
}
