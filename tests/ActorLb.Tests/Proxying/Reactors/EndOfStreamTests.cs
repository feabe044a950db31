using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Testing;
using ActorLb.Tests.Tls;
using ActorLb.Tls;

namespace ActorLb.Tests.Proxying.Reactors;

/// <summary>The last thing that a peer gets, where its socket has just no room for it.</summary>
public sealed class EndOfStreamTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly byte[] _buffer = new byte[1 << 20];

    public void Dispose() => _ca.Dispose();

    [Fact]
    public void CloseNotify_OnAFullSocket_IsSentWhenThereIsRoom()
    {
        using var serverContext = TlsServerContext.Build(TlsOptions.For(_ca.Server(["a.test"])), false, TimeProvider.System);
        using var clientContext = TlsClientContext.Build(new UpstreamTlsOptions(_ca.CaPath, "a.test", true, null, null));
        using var pair = new SocketPair();
        var side = new Side { Fd = pair.One, Writable = true, Tls = serverContext.Accept(pair.One) };
        using var client = clientContext.Connect(pair.Two, "a.test");
        while ((client.Handshake().Status, side.Tls.Handshake().Status) != (HandshakeStatus.Done, HandshakeStatus.Done))
        {
        }

        Fill(pair.One);
        Channel.Finish(ref side);
        Assert.Equal((false, false), (side.Finished, side.Writable));
        Drain(pair.Two);
        Assert.Equal(Tcp.WouldBlock, Tcp.Receive(pair.Two, _buffer));

        side.Writable = true;
        Channel.Finish(ref side);
        Assert.True(side.Finished);
        // A record of type application_data, as all of TLS 1.3 are, of the length that an alert has (RFC 8446, sections 5.2 and 6).
        Assert.Equal(24, Tcp.Receive(pair.Two, _buffer));
        Assert.Equal([23, 3, 3, 0, 19], _buffer[..5]);
        Assert.Equal(0, Tcp.Receive(pair.Two, _buffer));
        side.Tls.Dispose();
    }

    [Fact]
    public void CloseFrame_OnAFullSocket_IsSentBeforeTheEnd()
    {
        var services = BareServices.Create();
        using Reactor reactor = BareServices.ReactorOf(services);
        var relay = new Relay(new SessionCloser(services));
        using var pair = new SocketPair();
        // The backend has ended; it does not take what the client sends, so nothing is read from that one.
        var session = new Session(reactor)
        {
            EndReason = CloseReason.BackendClosed,
            WebSocket = new WebSocketRelay(framesClient: true, framesBackend: false),
            Client = new Side { Fd = pair.One, Writable = true },
            Upstream = new Side { Fd = -1, Ended = true, Pending = new byte[256], PendingEnd = 1 },
        };
        session.BringTo(Phase.Relay);
        Fill(pair.One);
        relay.Advance(session);
        Drain(pair.Two);
        session.Client.Writable = true;
        relay.Advance(session);

        Assert.Equal(4, Tcp.Receive(pair.Two, _buffer));
        Assert.Equal([0x88, 2, 0x03, 0xE8], _buffer[..4]);
        Assert.Equal(0, Tcp.Receive(pair.Two, _buffer));
        Assert.True(session.Client.Finished);
    }

    private static void Fill(int descriptor)
    {
        foreach (int size in new[] { 4096, 1 })
        {
            while (Tcp.Send(descriptor, new byte[size]) > 0)
            {
            }
        }
    }

    private void Drain(int descriptor)
    {
        while (Tcp.Receive(descriptor, _buffer) > 0)
        {
        }
    }
}
