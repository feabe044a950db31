using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

/// <summary>Whether the costly part of a handshake is behind: it decides which thread goes on.</summary>
public sealed class HelloTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData(TlsProtocols.Tls12)]
    [InlineData(TlsProtocols.Tls13)]
    public void AwaitsHello_UntilItIsAnswered_IsTrue(TlsProtocols protocols)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])) with { Protocols = protocols });
        using var client = new TlsTestClient(_ca, server.Port);
        using var connection = server.Accept();
        Assert.True(connection.Tls.AwaitsHello);
        Assert.Equal(HandshakeStatus.WantRead, client.Connection.Tls.Handshake().Status);
        Assert.True(connection.Socket.Poll(Wait.Patience, SelectMode.SelectRead));
        Assert.Equal(HandshakeStatus.WantRead, connection.Tls.Handshake().Status);
        Assert.False(connection.Tls.AwaitsHello);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(9)]
    [InlineData(100)]
    public void AwaitsHello_WithPartOfIt_IsTrue(int length)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect("127.0.0.1", server.Port);
        using var connection = server.Accept();
        // A record of 512 bytes that begins a hello of 508 (RFC 8446, sections 5.1 and 4).
        byte[] hello = [22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, .. new byte[100]];
        client.Send(hello.AsSpan(0, length));
        Assert.True(connection.Socket.Poll(Wait.Patience, SelectMode.SelectRead));
        Assert.Equal(HandshakeStatus.WantRead, connection.Tls.Handshake().Status);
        Assert.True(connection.Tls.AwaitsHello);
    }
}
