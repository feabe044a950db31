using ActorLb.Configuration;
using ActorLb.Testing;
using ActorLb.Tls;

namespace ActorLb.Tests.Tls;

public sealed class ClientContextTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData("a.test", "a.test", null, null)]
    [InlineData("x.wild.test", "*.wild.test", null, null)]
    [InlineData("10.0.0.7", "a.test", "a.test", null)]
    [InlineData("127.0.0.1", "127.0.0.1", null, null)]
    [InlineData("b.test", "a.test", null, "certificate verify failed: hostname mismatch")]
    [InlineData("127.0.0.1", "a.test", null, "certificate verify failed: IP address mismatch")]
    [InlineData("a.test", "a.test", "b.test", "certificate verify failed: hostname mismatch")]
    public async Task Connect_ToHost_VerifiesItsName(string host, string certificate, string? serverName, string? reason)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server([certificate])));
        var served = server.Serve(Talks.Greet);
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(_ca.CaPath, serverName, true, null, null));
        var outcome = Greet(context, server.Port, host);
        var seen = await served;
        if (reason is null)
        {
            Assert.True(outcome.Status == HandshakeStatus.Done, outcome.Reason);
            string expected = serverName ?? host;
            Assert.Equal(expected.StartsWith("127", StringComparison.Ordinal) ? null : expected, seen.ServerName);
        }
        else
        {
            Assert.StartsWith(reason, outcome.Reason, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("received", seen.Outcome.Reason, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Connect_ToUnknownAuthority_FailsUnlessVerifyIsOff(bool verify)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test"])));
        var served = server.Serve(Talks.Greet);
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, verify, null, null));
        Assert.Equal(
            verify ? HandshakeStatus.Failed : HandshakeStatus.Done, Greet(context, server.Port, "a.test").Status);
        await served;
    }

    [Fact]
    public async Task Connect_WithClientCertificate_ShowsIt()
    {
        var client = _ca.Client("CN=balancer");
        using var server = new TlsTestServer(
            TlsOptions.For(_ca.Server(["a.test"])) with { VerifyClient = VerifyClient.On, ClientCa = _ca.CaPath });
        var served = server.Serve(Talks.Greet);
        using var context = TlsClientContext.Build(
            new UpstreamTlsOptions(_ca.CaPath, null, true, client.CertificatePath, client.KeyPath));
        Assert.Equal(HandshakeStatus.Done, Greet(context, server.Port, "a.test").Status);
        Assert.Equal("balancer", (await served).Client!.CommonName);
        Assert.Equal(["CN=ActorLb Test CA", "CN=balancer"], context.Dated.Select(e => e.Subject));
    }

    [Theory]
    [InlineData(TlsProtocols.Tls12)]
    [InlineData(TlsProtocols.Tls13)]
    public async Task Connect_AgainToTheSameHost_ResumesTheSession(TlsProtocols protocol)
    {
        using var server = new TlsTestServer(TlsOptions.For(_ca.Server(["a.test", "b.test"])) with { Protocols = protocol });
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(_ca.CaPath, null, true, null, null));
        Assert.False(await Connect("a.test"));
        Assert.True(await Connect("a.test"));
        Assert.False(await Connect("b.test"));
        for (int i = 0; i < 12; i++)
        {
            Assert.True(await Connect(i % 3 == 0 ? "a.test" : "b.test"));
        }

        async Task<bool> Connect(string host)
        {
            var served = server.Serve(Talks.Greet);
            Assert.Equal(HandshakeStatus.Done, Greet(context, server.Port, host).Status);
            return (await served).Reused;
        }
    }

    private static HandshakeOutcome Greet(TlsClientContext context, int port, string host)
    {
        using var client = new TlsTestClient(context, port, host);
        var outcome = client.Connection.Handshake();
        if (outcome.Status == HandshakeStatus.Done)
        {
            byte[] buffer = new byte[100];
            Assert.Equal("welcome\n"u8.ToArray(), buffer[..client.Connection.Read(buffer).Count]);
            Assert.Equal(TlsIoStatus.Closed, client.Connection.Read(buffer).Status);
        }

        return outcome;
    }
}
