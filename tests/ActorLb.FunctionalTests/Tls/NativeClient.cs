using System.Net;
using System.Net.Sockets;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>A client of TLS that costs little and is stepped by hand, for tests that need thousands; or what <see cref="NativeServer"/> accepted.</summary>
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

    /// <param name="socket">Accepted.</param>
    /// <param name="context">The server's.</param>
    public NativeClient(Socket socket, TlsServerContext context)
    {
        Socket = socket;
        Socket.Blocking = false;
        _tls = context.Accept((int)Socket.Handle);
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
            if (!Socket.Poll(Wait.Patience, SelectMode.SelectRead))
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
            if (!Socket.Poll(Wait.Patience, SelectMode.SelectRead))
                throw new TimeoutException("The server sent nothing.");
        }
    }

    /// <summary>Exactly this many bytes.</summary>
    public byte[] ReadExactly(int count)
    {
        byte[] bytes = new byte[count];
        for (int read = 0; read < count;)
        {
            int more = Read(bytes.AsSpan(read));
            Assert.True(more > 0, $"The stream ended after {read} of {count} bytes.");
            read += more;
        }

        return bytes;
    }

    /// <summary>Asserts that nothing more comes, and that a close_notify says so: OpenSSL is told to take a bare FIN for one.</summary>
    public void AssertCloseNotify()
    {
        Assert.Equal(0, Read(stackalloc byte[64]));
        Assert.Equal("alert close notify received", TlsAlert.Describe());
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
