using System.Net;
using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

/// <summary>A connection of the client's context to a port on loopback, driven like the server's.</summary>
internal sealed class TlsTestClient : IDisposable
{
    private readonly TlsClientContext? _owned;

    internal TlsTestClient(TestCertificates ca, int port, string host = "a.test")
        : this(TlsClientContext.Build(new UpstreamTlsOptions(ca.CaPath, null, true, null, null)), port, host, owns: true)
    {
    }

    internal TlsTestClient(TlsClientContext context, int port, string host, bool owns = false)
    {
        _owned = owns ? context : null;
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPAddress.Loopback, port);
        socket.Blocking = false;
        socket.NoDelay = true;
        Connection = new TlsTestConnection(socket, context.Connect((int)socket.Handle, host));
    }

    internal TlsTestConnection Connection { get; }

    public void Dispose()
    {
        Connection.Dispose();
        _owned?.Dispose();
    }
}
