using System.Net;
using System.Net.Sockets;
using ActorLb.Native.OpenSsl;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>A client of TLS that costs little and is stepped by hand, for tests that need thousands.</summary>
internal sealed class NativeClient : IDisposable
{
    private TlsSession _tls;

    /// <param name="name">Server name; each name resumes sessions of its own.</param>
    public NativeClient(TlsClientContext context, IPEndPoint server, string name)
    {
        Socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Socket.Connect(server);
        Socket.Blocking = false;
        _tls = context.Connect((int)Socket.Handle, name);
    }

    public Socket Socket { get; }

    public TlsSession Tls => _tls;

    /// <summary>One step; the first sends the hello.</summary>
    public HandshakeStatus Step() => _tls.Handshake().Status;

    /// <summary>Done or Failed.</summary>
    public HandshakeStatus Handshake()
    {
        HandshakeStatus status;
        while ((status = Step()) == HandshakeStatus.WantRead)
        {
            if (!Socket.Poll(TimeSpan.FromSeconds(60), SelectMode.SelectRead))
                throw new TimeoutException("The server did not go on with the handshake.");
        }

        return status;
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_tls.Write(bytes) is not { Status: TlsIoStatus.Ok } result || result.Count != bytes.Length)
            throw new IOException("A few bytes did not fit.");
    }

    public int Read(Span<byte> bytes)
    {
        while (true)
        {
            var result = _tls.Read(bytes);
            if (result.Status != TlsIoStatus.WantRead)
                return result.Status == TlsIoStatus.Ok ? result.Count : 0;
            if (!Socket.Poll(TimeSpan.FromSeconds(60), SelectMode.SelectRead))
                throw new TimeoutException("The server sent nothing.");
        }
    }

    /// <summary>Closes with RST.</summary>
    public void Abort()
    {
        Socket.LingerState = new LingerOption(true, 0);
        Dispose();
    }

    public void Dispose()
    {
        _tls.Dispose();
        _tls = default;
        Socket.Dispose();
    }
}
