using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using ActorLb.Native.OpenSsl;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class HandshakeTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData(SslProtocols.Tls12, "TLSv1.2", true)]
    [InlineData(SslProtocols.Tls13, "TLSv1.3", true)]
    [InlineData(SslProtocols.Tls12, "TLSv1.2", false)]
    [InlineData(SslProtocols.Tls13, "TLSv1.3", false)]
    public async Task Handshake_WithSslStream_CarriesBytesBothWaysAndEndsWithCloseNotify(SslProtocols protocol, string name, bool rsa)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["localhost"], rsa)));
        var served = server.Serve(c =>
        {
            var outcome = c.Handshake();
            Assert.Equal(HandshakeStatus.Done, outcome.Status);
            var values = (c.Tls.Protocol(), c.Tls.ServerName(), c.Tls.Cipher(), c.Tls.Reused(), c.Tls.PeerCertificate());
            return (values, End: c.Echo(), Shutdown: c.Tls.Shutdown());
        });

        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", server.Port);
        await using var stream = new SslStream(client.GetStream(), false, (_, _, _, _) => true);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", EnabledSslProtocols = protocol });
        await stream.WriteAsync("hello"u8.ToArray());
        byte[] buffer = new byte[5];
        await stream.ReadExactlyAsync(buffer);
        Assert.Equal("hello", Encoding.ASCII.GetString(buffer));
        await stream.ShutdownAsync();
        Assert.Equal(0, await stream.ReadAsync(buffer));

        var result = await served;
        Assert.Equal(TlsIoStatus.Closed, result.End);
        Assert.Equal(TlsIoStatus.Ok, result.Shutdown);
        Assert.Equal(name, result.values.Item1);
        Assert.Equal("localhost", result.values.Item2);
        Assert.NotEmpty(result.values.Item3);
        Assert.False(result.values.Item4);
        Assert.Null(result.values.Item5);
    }
}
