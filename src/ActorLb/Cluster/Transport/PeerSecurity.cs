using System.Net;
using System.Security.Cryptography;
using ActorLb.Configuration;
using ActorLb.Protocol.Peer;

namespace ActorLb.Cluster.Transport;

/// <summary>
/// How peers know each other: by certificates, by a shared secret, or by both. The secret itself never crosses the network; each side
/// shows that it has it by an HMAC-SHA-256 over both Hellos, nonces included, so that no proof can be used twice.
/// </summary>
internal sealed class PeerSecurity
{
    /// <summary>Fewer bytes could be guessed from one recorded handshake.</summary>
    public const int ShortestSecret = 16;

    private readonly byte[] _secret;

    private PeerSecurity(byte[] secret, ServiceTlsOptions? tls)
    {
        _secret = secret;
        Tls = tls;
    }

    public ServiceTlsOptions? Tls { get; }

    /// <summary>What is wrong with the settings, or null. Files are not opened.</summary>
    public static string? Check(ClusterOptions options)
    {
        if (options.Tls is { } tls)
        {
            return tls.Certificate is null || tls.Ca is null
                ? "cluster.tls: peers check each other, so certificate, key and ca are all needed"
                : null;
        }

        return options.SecretFile is null && !IPAddress.IsLoopback(options.Bind.Address)
            ? $"cluster.secret-file: peers on {options.Bind} need a shared secret, or certificates in cluster.tls; without either any host could join"
            : null;
    }

    /// <exception cref="InvalidOperationException">The settings or a file are unusable; the message names which.</exception>
    public static PeerSecurity Load(ClusterOptions options)
    {
        if (Check(options) is { } wrong)
        {
            throw new InvalidOperationException(wrong);
        }

        if (options.Tls is { } tls)
        {
            // Read here, so that an unusable file stops the start and not the first peer.
            ServiceCertificates.OwnOf(tls)?.Dispose();
            ServiceCertificates.TrustOf(tls);
        }

        return new PeerSecurity(options.SecretFile is { } file ? ReadSecret(file) : [], options.Tls);
    }

    /// <param name="role">What is proven: see <see cref="PeerHandshake"/>.</param>
    /// <param name="dialler">The dialler's Hello.</param>
    /// <param name="listener">The listener's Hello; its proof is left out.</param>
    public byte[] Proof(ReadOnlySpan<byte> role, PeerHello dialler, PeerHello listener)
    {
        Span<byte> hello = stackalloc byte[PeerHello.MaxSize];
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, _secret);
        hmac.AppendData(role);
        hmac.AppendData(hello[..(dialler with { Proof = [] }).Write(hello)]);
        hmac.AppendData(hello[..(listener with { Proof = [] }).Write(hello)]);
        return hmac.GetHashAndReset();
    }

    public bool Verify(ReadOnlySpan<byte> proof, ReadOnlySpan<byte> role, PeerHello dialler, PeerHello listener) =>
        CryptographicOperations.FixedTimeEquals(proof, Proof(role, dialler, listener));

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

        // Editors and echo end a file with a line break.
        var secret = bytes.AsSpan().TrimEnd("\r\n"u8).ToArray();
        return secret.Length >= ShortestSecret
            ? secret
            : throw new InvalidOperationException($"cluster.secret-file {file}: {secret.Length} bytes, at least {ShortestSecret} are needed");
    }
}
