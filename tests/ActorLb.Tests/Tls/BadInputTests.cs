using System.Net.Sockets;
using System.Text;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class BadInputTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly TlsTestServer _server;

    public BadInputTests() => _server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])));

    public void Dispose()
    {
        _server.Dispose();
        _ca.Dispose();
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "http request")]
    [InlineData("CONNECT a.test:1 HTTP/1.1\r\n\r\n", "https proxy request")]
    [InlineData("\u0010\u000c\u0000\u0004MQTT\u0004\u0002\u0000\u003c\u0000\u0000", "wrong version number")]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n", "wrong version number")]
    public async Task Handshake_WithAnotherProtocol_FailsWithItsReason(string text, string reason)
    {
        var outcome = await Send(Encoding.Latin1.GetBytes(text), end: false);
        Assert.Equal(HandshakeStatus.Failed, outcome.Status);
        Assert.StartsWith(reason, outcome.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Handshake_WithHelloCutAnywhere_SaysThatThePeerClosed()
    {
        byte[] hello = ClientHello();
        for (int length = 0; length < hello.Length; length++)
        {
            var outcome = await Send(hello[..length], end: true);
            Assert.Equal(HandshakeStatus.Failed, outcome.Status);
            Assert.Equal("the peer closed the connection during the handshake", outcome.Reason);
        }
    }

    [Fact]
    public async Task Handshake_WithRandomAndMutatedBytes_FailsWithAReason()
    {
        var random = new Random(20240611);
        byte[] hello = ClientHello();
        for (int i = 0; i < 1000; i++)
        {
            byte[] bytes;
            if (i % 2 == 0)
            {
                bytes = new byte[random.Next(1, 600)];
                random.NextBytes(bytes);
            }
            else
            {
                bytes = [.. hello];
                for (int k = random.Next(1, 5); k > 0; k--)
                {
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                }
            }

            var outcome = await Send(bytes, end: true);
            Assert.Equal(HandshakeStatus.Failed, outcome.Status);
            Assert.False(string.IsNullOrEmpty(outcome.Reason));
        }
    }

    [Fact]
    public async Task Read_OfNoiseAfterTheHandshake_IsAnErrorWithAReason()
    {
        var served = _server.Serve(connection =>
        {
            Assert.Equal(HandshakeStatus.Done, connection.Handshake().Status);
            var result = connection.Read(new byte[100]);
            return (result.Status, TlsSession.LastError, After: connection.Tls.Write("x"u8).Status);
        });
        using var pair = new TlsTestClient(_ca, _server.Port);
        Assert.Equal(HandshakeStatus.Done, pair.Connection.Handshake().Status);
        pair.Connection.Socket.Send([0x17, 0x03, 0x03, 0x00, 0x20, .. new byte[32]]);
        var (status, reason, after) = await served;
        Assert.Equal(TlsIoStatus.Error, status);
        Assert.Equal("decryption failed or bad record mac", reason);
        Assert.Equal(TlsIoStatus.Error, after);
    }

    [Fact]
    public async Task Write_ToAResetConnection_IsAnError()
    {
        using var gone = new SemaphoreSlim(0);
        var served = _server.Serve(connection =>
        {
            Assert.Equal(HandshakeStatus.Done, connection.Handshake().Status);
            gone.Wait();
            var status = connection.WriteAll("first"u8);
            while (status == TlsIoStatus.Ok)
            {
                status = connection.WriteAll("more"u8);
            }

            return (status, TlsSession.LastError);
        });
        var client = new TlsTestClient(_ca, _server.Port);
        Assert.Equal(HandshakeStatus.Done, client.Connection.Handshake().Status);
        client.Connection.Socket.LingerState = new LingerOption(true, 0);
        client.Dispose();
        gone.Release();
        var (status, reason) = await served;
        Assert.Equal(TlsIoStatus.Error, status);
        Assert.Contains(reason, (string[])["Connection reset by peer", "Broken pipe"]);
    }

    private async Task<HandshakeOutcome> Send(byte[] bytes, bool end)
    {
        var served = _server.Serve(connection => connection.Handshake());
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", _server.Port);
        client.Client.Send(bytes);
        if (end)
        {
            client.Client.Shutdown(SocketShutdown.Send);
        }

        return await served;
    }

    private static byte[] ClientHello()
    {
        using var context = TlsClientContext.Build(new ActorLb.Configuration.UpstreamTlsOptions(null, "a.test", false, null, null));
        using var pipe = new TlsTestServer(context: null!, ownsContext: false);
        using var client = new TcpClient();
        client.Connect("127.0.0.1", pipe.Port);
        using var accepted = pipe.AcceptPlain();
        client.Client.Blocking = false;
        using var session = context.Connect((int)client.Client.Handle, "a.test");
        Assert.Equal(HandshakeStatus.WantRead, session.Handshake().Status);
        byte[] buffer = new byte[4096];
        return buffer[..accepted.Receive(buffer)];
    }
}
