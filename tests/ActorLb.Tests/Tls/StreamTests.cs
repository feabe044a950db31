using System.Net.Sockets;
using System.Security.Cryptography;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class StreamTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly TlsTestServer _server;

    public StreamTests() => _server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])));

    public void Dispose()
    {
        _server.Dispose();
        _ca.Dispose();
    }

    [Fact]
    public async Task Write_OfTwentyMegabytesToASlowReader_ArrivesIntact()
    {
        byte[] sent = RandomNumberGenerator.GetBytes(20 * 1024 * 1024);
        int waits = 0;
        var served = _server.Serve(connection =>
        {
            connection.Socket.SendBufferSize = 65536;
            Assert.Equal(HandshakeStatus.Done, connection.Handshake().Status);
            var rest = sent.AsMemory();
            while (!rest.IsEmpty)
            {
                var result = connection.Tls.Write(rest.Span[..Math.Min(rest.Length, 65536)]);
                if (result.Status == TlsIoStatus.WantWrite)
                {
                    waits++;

                    // The bytes of the second attempt lie elsewhere.
                    byte[] copy = rest.Span[..Math.Min(rest.Length, 65536)].ToArray();
                    connection.Socket.Poll(Wait.Patience, SelectMode.SelectWrite);
                    result = connection.Tls.Write(copy);
                }

                Assert.Contains(result.Status, (TlsIoStatus[])[TlsIoStatus.Ok, TlsIoStatus.WantWrite]);
                rest = rest[result.Count..];
            }

            return connection.Shutdown();
        });

        using var client = new TlsTestClient(_ca, _server.Port);
        Assert.Equal(HandshakeStatus.Done, client.Connection.Handshake().Status);
        using var received = new MemoryStream(sent.Length);
        byte[] buffer = new byte[3001];
        TlsIoResult read;
        while ((read = client.Connection.Read(buffer)).Status == TlsIoStatus.Ok)
        {
            received.Write(buffer, 0, read.Count);
        }

        Assert.Equal(TlsIoStatus.Closed, read.Status);
        Assert.Equal(TlsIoStatus.Ok, await served);
        Assert.True(waits > 0, "The socket's buffer never filled.");
        Assert.True(received.GetBuffer().AsSpan(0, (int)received.Length).SequenceEqual(sent));
    }

    [Fact]
    public async Task Read_AfterManySmallRecordsAtOnce_YieldsAllBeforeWantRead()
    {
        using var written = new SemaphoreSlim(0);
        var served = _server.Serve(connection =>
        {
            Assert.Equal(HandshakeStatus.Done, connection.Handshake().Status);
            written.Wait();
            int count = 0;
            int pending = 0;
            byte[] buffer = new byte[100];
            TlsIoResult result;
            while ((result = connection.Tls.Read(buffer)).Status == TlsIoStatus.Ok)
            {
                count += result.Count;
                pending += connection.Tls.HasPending ? 1 : 0;
            }

            Assert.False(connection.Tls.HasPending);
            return (count, pending, result.Status);
        });
        using var client = new TlsTestClient(_ca, _server.Port);
        Assert.Equal(HandshakeStatus.Done, client.Connection.Handshake().Status);
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(TlsIoStatus.Ok, client.Connection.WriteAll("0123456789"u8));
        }

        written.Release();
        var (count, pending, status) = await served;
        Assert.Equal((500, TlsIoStatus.WantRead), (count, status));
        Assert.True(pending > 0, "Nothing was read ahead.");
    }

    [Fact]
    public async Task Close_WithFinAlone_IsClosed()
    {
        var served = _server.Serve(connection =>
        {
            Assert.Equal(HandshakeStatus.Done, connection.Handshake().Status);
            return connection.Echo();
        });
        using var client = new TlsTestClient(_ca, _server.Port);
        Assert.Equal(HandshakeStatus.Done, client.Connection.Handshake().Status);
        client.Connection.Socket.Shutdown(SocketShutdown.Send);
        Assert.Equal(TlsIoStatus.Closed, await served);
    }

    [Fact]
    public async Task Shutdown_OfOneSide_LetsTheOtherGoOn()
    {
        var served = _server.Serve(connection =>
        {
            Assert.Equal(HandshakeStatus.Done, connection.Handshake().Status);
            Assert.Equal(TlsIoStatus.Closed, connection.Read(new byte[10]).Status);
            Assert.Equal(TlsIoStatus.Ok, connection.WriteAll("last words"u8));
            return connection.Tls.Shutdown();
        });
        using var client = new TlsTestClient(_ca, _server.Port);
        Assert.Equal(HandshakeStatus.Done, client.Connection.Handshake().Status);
        Assert.Equal(TlsIoStatus.Ok, client.Connection.Tls.Shutdown());
        byte[] buffer = new byte[100];
        var result = client.Connection.Read(buffer);
        Assert.Equal("last words"u8.ToArray(), buffer[..result.Count]);
        Assert.Equal(TlsIoStatus.Closed, client.Connection.Read(buffer).Status);
        Assert.Equal(TlsIoStatus.Ok, await served);
    }

    [Fact]
    public async Task Shutdown_BeforeTheHandshakeOrBehindAStuckWrite_DoesNotCrash()
    {
        var served = _server.Serve(connection =>
        {
            Assert.Equal(TlsIoStatus.Ok, connection.Tls.Shutdown());
            Assert.Equal(HandshakeStatus.Done, connection.Handshake().Status);
            byte[] bytes = new byte[16384];
            TlsIoResult result;
            while ((result = connection.Tls.Write(bytes)).Status == TlsIoStatus.Ok)
            {
            }

            Assert.Equal(TlsIoStatus.WantWrite, result.Status);
            return connection.Tls.Shutdown();
        });
        using var client = new TlsTestClient(_ca, _server.Port);
        Assert.Equal(HandshakeStatus.Done, client.Connection.Handshake().Status);
        Assert.NotEqual(TlsIoStatus.Ok, await served);
    }

    [Fact]
    public async Task ReadAndWrite_OfManyMessages_AllocateNothing()
    {
        var served = _server.Serve(connection =>
        {
            Assert.Equal(HandshakeStatus.Done, connection.Handshake().Status);
            return connection.Echo();
        });
        using var client = new TlsTestClient(_ca, _server.Port);
        Assert.Equal(HandshakeStatus.Done, client.Connection.Handshake().Status);
        var tls = client.Connection.Tls;
        byte[] buffer = new byte[64];
        long before = 0;
        var (written, read) = (0, 0);
        for (int i = 0; i < 1100; i++)
        {
            if (i == 100)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            written += tls.Write(buffer).Count;
            while (read < written)
            {
                read += tls.Read(buffer).Count;
            }
        }

        // The runtime allocates a little of its own when it compiles the loop anew; a byte a message would be a thousand.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 999);
        Assert.Equal(1100 * 64, read);
        client.Connection.Tls.Shutdown();
        Assert.Equal(TlsIoStatus.Closed, await served);
    }
}
