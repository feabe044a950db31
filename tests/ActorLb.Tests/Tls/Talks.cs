using ActorLb.Native.OpenSsl;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

/// <summary>What the server saw of one connection.</summary>
internal sealed record Seen(
    HandshakeOutcome Outcome, string? Protocol = null, string? Cipher = null, string? ServerName = null, string? Alpn = null,
    bool Reused = false, PeerCertificate? Client = null, TlsProxyValues? Proxy = null);

/// <summary>Things that a test's server says.</summary>
internal static class Talks
{
    /// <summary>Handshake, one line, close_notify, then the peer's end.</summary>
    internal static Seen Greet(TlsTestConnection connection)
    {
        var outcome = connection.Handshake();
        if (outcome.Status != HandshakeStatus.Done)
        {
            return new Seen(outcome);
        }

        var tls = connection.Tls;
        var seen = new Seen(
            outcome, tls.Protocol(), tls.Cipher(), tls.ServerName(), tls.Alpn(), tls.Reused(), tls.PeerCertificate(), tls.ProxyValues());
        Assert.Equal(TlsIoStatus.Ok, connection.WriteAll("welcome\n"u8));
        Assert.Equal(TlsIoStatus.Ok, tls.Shutdown());
        connection.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        byte[] buffer = new byte[4096];
        while (connection.Read(buffer).Status == TlsIoStatus.Ok)
        {
        }

        return seen;
    }
}
