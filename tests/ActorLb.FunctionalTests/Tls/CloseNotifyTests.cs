using ActorLb.Configuration;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>An end of one side is the other side's end too, by close_notify where that side has TLS, and leaves the other direction open.</summary>
public sealed class CloseNotifyTests : IDisposable
{
    private static readonly byte[] Connect = ConnectBytes.V311("a");
    private static readonly byte[] Publish = ConnectBytes.Publish("t", "last words"u8);

    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData("TLSv1.2")]
    [InlineData("TLSv1.3")]
    public async Task CloseNotify_OfTheClientWithoutFin_IsTheBrokersEndAndLeavesItTheLastWord(string protocol)
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadToEndAsync(stop);
            await connection.SendAsync(Publish, stop);
        });
        await using var node = await StartAsync(broker, protocol);
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var client = Established(context, node);
        Assert.Equal(TlsIoStatus.Ok, client.Tls.Shutdown());

        Assert.Equal(Publish, client.ReadExactly(Publish.Length));
        client.AssertCloseNotify();
        await node.UntilClosedAsync(CloseReason.ClientClosed);
    }

    [Theory]
    [InlineData("TLSv1.2")]
    [InlineData("TLSv1.3")]
    public async Task End_OfTheBroker_IsTheClientsCloseNotifyAndLeavesItTheLastWord(string protocol)
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            connection.HalfClose();
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await StartAsync(broker, protocol);
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var client = Established(context, node);
        client.AssertCloseNotify();

        client.Write(Publish);
        Assert.Equal(TlsIoStatus.Ok, client.Tls.Shutdown());
        var connection = await broker.NextConnectionAsync();
        await connection.Ended;
        Assert.Equal([.. Connect, .. Publish], connection.Received);
        await node.UntilClosedAsync(CloseReason.BackendClosed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task End_OfTheClient_IsTheTlsBackendsCloseNotifyAndLeavesItTheLastWord(bool tls13)
    {
        using var server = new NativeServer(_ca.Server(["127.0.0.1"]), tls13 ? TlsProtocols.Tls13 : TlsProtocols.Tls12);
        await using var node = await StartAsync(server);
        var (client, backend) = await OpenAsync(node, server);
        using (client)
        using (backend)
        {
            client.HalfClose();
            backend.AssertCloseNotify();
            backend.Write(Publish);
            Assert.Equal(TlsIoStatus.Ok, backend.Tls.Shutdown());
            var ending = await client.ReadToEndAsync();
            Assert.Equal(Publish, ending.Bytes);
            Assert.False(ending.Reset);
            await node.UntilClosedAsync(CloseReason.ClientClosed);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CloseNotify_OfTheTlsBackendWithoutFin_IsTheClientsEndAndLeavesItTheLastWord(bool tls13)
    {
        using var server = new NativeServer(_ca.Server(["127.0.0.1"]), tls13 ? TlsProtocols.Tls13 : TlsProtocols.Tls12);
        await using var node = await StartAsync(server);
        var (client, backend) = await OpenAsync(node, server);
        using (client)
        using (backend)
        {
            Assert.Equal(TlsIoStatus.Ok, backend.Tls.Shutdown());
            var ending = await client.ReadToEndAsync();
            Assert.Empty(ending.Bytes);
            Assert.False(ending.Reset);
            await client.SendAsync(Publish);
            client.HalfClose();
            Assert.Equal(Publish, backend.ReadExactly(Publish.Length));
            backend.AssertCloseNotify();
            await node.UntilClosedAsync(CloseReason.BackendClosed);
        }
    }

    private Task<TestNode> StartAsync(FakeBroker broker, string protocol) =>
        TestNode.StartAsync(TestNode.Backends(broker), TlsListener.With(_ca.Server(["localhost"]), $"protocols = [{protocol}]"));

    private static Task<TestNode> StartAsync(NativeServer server) =>
        TestNode.StartAsync($"backends = [\"{server.EndPoint}\"], tls {{ verify = off }}");

    private static NativeClient Established(TlsClientContext context, TestNode node)
    {
        var client = new NativeClient(context, node.EndPoint, "localhost");
        Assert.Equal(HandshakeStatus.Done, client.Handshake());
        client.Write(Connect);
        Assert.Equal(FakeBroker.ConnackBytes(0), client.ReadExactly(4));
        return client;
    }

    private static async Task<(RawClient Client, NativeClient Backend)> OpenAsync(TestNode node, NativeServer server)
    {
        var opening = node.OpenAsync("a");
        var backend = await server.AcceptAsync();
        Assert.Equal(Connect, backend.ReadExactly(Connect.Length));
        backend.Write(FakeBroker.ConnackBytes(0));
        return (await opening, backend);
    }
}
