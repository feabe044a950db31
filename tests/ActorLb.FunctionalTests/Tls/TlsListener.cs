using ActorLb.Testing;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>Settings of a listener's <c>tls</c> block.</summary>
internal static class TlsListener
{
    public static string With(TestCertificate server, string more = "") =>
        $"tls {{ certificate = \"{server.CertificatePath}\", key = \"{server.KeyPath}\"\n{more} }}\n";

    /// <summary>A whole record with the first byte of a hello: the server begins with the handshake and waits for the rest.</summary>
    public static ReadOnlyMemory<byte> EndlessHello { get; } = new byte[] { 0x16, 3, 1, 0, 1, 1 };

    /// <summary>Clients must show a certificate of the authority's, or may.</summary>
    public static string Verifying(TestCertificate server, TestCertificates ca, string verify = "on", string more = "") =>
        With(server, $"client-ca = \"{ca.CaPath}\", verify-client = {verify}\n{more}");
}
