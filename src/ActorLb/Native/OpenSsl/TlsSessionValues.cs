using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>What a complete handshake agreed on. Every value is made at each reading; keep what is used twice.</summary>
internal static unsafe class TlsSessionValues
{
    /// <summary>As <c>$ssl_protocol</c>: "TLSv1.2", "TLSv1.3".</summary>
    internal static string Protocol(this TlsSession session) => OpenSslErrors.Text(LibSsl.SSL_get_version(session.Pointer));

    /// <summary>As <c>$ssl_cipher</c>: OpenSSL's name of the suite.</summary>
    internal static string Cipher(this TlsSession session) =>
        OpenSslErrors.Text(LibSsl.SSL_CIPHER_get_name(LibSsl.SSL_get_current_cipher(session.Pointer)));

    /// <summary>As <c>$ssl_server_name</c>: the name that the client asked for; null if it named none.</summary>
    internal static string? ServerName(this TlsSession session)
    {
        nint name = LibSsl.SSL_get_servername(session.Pointer, 0);
        return name == 0 ? null : OpenSslErrors.Text(name);
    }

    /// <summary>The protocol agreed on by ALPN (RFC 7301); null if none.</summary>
    internal static string? Alpn(this TlsSession session)
    {
        byte* protocol;
        uint length;
        LibSsl.SSL_get0_alpn_selected(session.Pointer, &protocol, &length);
        return length == 0 ? null : System.Text.Encoding.ASCII.GetString(protocol, (int)length);
    }

    internal static bool Reused(this TlsSession session) => LibSsl.SSL_session_reused(session.Pointer) != 0;

    /// <summary>The client's certificate, of this connection or of the session that it resumed; null if it gave none.</summary>
    internal static PeerCertificate? PeerCertificate(this TlsSession session)
    {
        nint certificate = LibSsl.SSL_get0_peer_certificate(session.Pointer);
        return certificate == 0 ? null : CertificateText.Read(certificate);
    }

    /// <summary>What the SSL TLV of a PROXY v2 header holds of the connection.</summary>
    internal static TlsProxyValues ProxyValues(this TlsSession session)
    {
        nint ssl = session.Pointer;
        nint client = LibSsl.SSL_get0_peer_certificate(ssl);
        nint own = LibSsl.SSL_get_certificate(ssl);
        var flags = TlsProxyClient.Ssl;
        if (client != 0)
        {
            flags |= TlsProxyClient.CertificateOfSession;
            flags |= session.Reused() ? TlsProxyClient.None : TlsProxyClient.CertificateOfConnection;
        }

        // PROXY protocol, section 2.2.6: verify is zero only if the client presented a certificate and it was verified.
        uint verify = client == 0 ? 1u : (uint)LibSsl.SSL_get_verify_result(ssl);
        return new TlsProxyValues(
            flags, verify, session.Protocol(), session.Cipher(), client == 0 ? null : CertificateText.CommonName(client),
            own == 0 ? null : CertificateText.SignatureAlgorithm(own), own == 0 ? null : CertificateText.KeyAlgorithm(own));
    }
}

/// <summary>The client field of PP2_TYPE_SSL (PROXY protocol, section 2.2.6).</summary>
[Flags]
internal enum TlsProxyClient : byte
{
    None = 0,
    Ssl = 1,
    CertificateOfConnection = 2,
    CertificateOfSession = 4,
}

/// <param name="Verify">The verify field: 0 if the client gave a certificate and it was found good.</param>
/// <param name="CommonName">CN of the client's certificate.</param>
/// <param name="SignatureAlgorithm">By which the balancer's own certificate is signed, for example "RSA-SHA256".</param>
/// <param name="KeyAlgorithm">Key of the balancer's own certificate, for example "RSA2048" or "EC256".</param>
internal sealed record TlsProxyValues(
    TlsProxyClient Client, uint Verify, string Version, string Cipher, string? CommonName, string? SignatureAlgorithm, string? KeyAlgorithm);

/// <param name="Serial">As <c>$ssl_client_serial</c>: upper-case hexadecimal.</param>
/// <param name="SubjectDn">As <c>$ssl_client_s_dn</c>: the form of RFC 2253.</param>
/// <param name="CommonName">The subject's first CN.</param>
/// <param name="Fingerprint">As <c>$ssl_client_fingerprint</c>: SHA-1 in lower-case hexadecimal.</param>
/// <param name="SignatureAlgorithm">By which it is signed, for example "RSA-SHA256".</param>
/// <param name="KeyAlgorithm">Its key, for example "RSA2048" or "EC256"; null for kinds without such a name.</param>
internal sealed record PeerCertificate(
    string Serial, string SubjectDn, string? CommonName, string Fingerprint, string? SignatureAlgorithm, string? KeyAlgorithm);
