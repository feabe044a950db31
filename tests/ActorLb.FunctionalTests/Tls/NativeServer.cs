using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>A backend of TLS whose every step the test makes, close_notify and FIN apart.</summary>
internal sealed class NativeServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly TlsServerContext _context;

    public NativeServer(TestCertificate certificate, TlsProtocols protocols = TlsProtocols.Tls12 | TlsProtocols.Tls13)
    {
        var options = new ListenerTlsOptions(
            [new CertificateOptions([], certificate.CertificatePath, certificate.KeyPath)], protocols, "HIGH:!aNULL:!MD5", CipherSuites: null,
            SessionCache: 0, SessionTimeout: TimeSpan.FromMinutes(10), SessionTickets: true, TicketKeyFile: null,
            ClientCa: null, VerifyClient.Off, VerifyDepth: 1, CrlFile: null, CrlCheck.Leaf, CrlExpired.Refuse, TimeSpan.FromSeconds(10), MaxHandshakes: 1000);
        _context = TlsServerContext.Build(options, webSocket: false, TimeProvider.System);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
    }

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndPoint!;

    /// <summary>The next connection, its handshake done.</summary>
    public async Task<NativeClient> AcceptAsync()
    {
        using var deadline = new CancellationTokenSource(Wait.Patience);
        var connection = new NativeClient(await _listener.AcceptAsync(deadline.Token), _context);
        Assert.Equal(HandshakeStatus.Done, connection.Handshake());
        return connection;
    }

    public void Dispose()
    {
        _listener.Dispose();
        _context.Dispose();
    }
}
