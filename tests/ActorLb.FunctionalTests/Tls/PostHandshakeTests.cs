using System.Runtime.InteropServices;
using ActorLb.Configuration;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>What a client may do with TLS once the handshake is over.</summary>
public sealed partial class PostHandshakeTests(ITestOutputHelper output) : IDisposable
{
    // More than the sockets between the node and a client hold.
    private const int Messages = 1_500;

    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Fact]
    public async Task KeyUpdates_AFew_LeaveTheSessionAsItIs()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await StartAsync(broker);
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var client = Established(context, node);
        byte[] packet = ConnectBytes.Publish("t", new byte[100]);
        byte[] echo = new byte[packet.Length];
        for (int i = 0; i < 20; i++)
        {
            Update(client, wanted: i % 2);
            client.Write(packet);
            for (int read = 0; read < echo.Length;)
                read += client.Read(echo.AsSpan(read));
            Assert.Equal(packet, echo);
        }
    }

    /// <summary>Each costs the node more than the 27 bytes that it takes: one client must not keep a reactor from all the others.</summary>
    [Fact]
    public async Task KeyUpdates_WithoutEnd_EndTheSession()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await StartAsync(broker);
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var client = Established(context, node);
        using var go = new ManualResetEventSlim();
        var reactor = node.Node.Reactors.Single();
        reactor.Post(_ => go.Wait());
        int updates = 0;
        while (TryUpdate(client))
            updates++;
        var stopwatch = System.Diagnostics.Stopwatch.StartNew();
        go.Set();
        // Behind the event of the client's that is there already.
        for (int i = 0; i < 3; i++)
            await reactor.AskAsync(_ => true);
        output.WriteLine($"{updates} updates held the reactor up for {stopwatch.ElapsedMilliseconds} ms");
        Assert.InRange(updates, 2_000, int.MaxValue);
        await node.UntilAsync(() => node.Node.Admission.Active == 0);
    }

    /// <summary>A byte between them does not make them cheaper: each read goes through a few, and more are no honest client's.</summary>
    [Theory]
    [InlineData(10, true)]
    [InlineData(60, false)]
    public async Task KeyUpdates_BeforeAByte_EndTheSessionWhenTheyAreMany(int updates, bool goesOn)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await StartAsync(broker);
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var client = Established(context, node);
        await using (await Proxying.HeldReactor.OfAsync(node))
        {
            for (int n = 0; n < updates; n++)
                Update(client, wanted: 0);
            client.Write([0xC0]);
        }

        Assert.Equal(goesOn ? 1 : 0, client.Read(new byte[1]));
    }

    /// <summary>A client that asks for the node's update too while it reads nothing: the answer has no room, and the reading waits for it.</summary>
    [Fact]
    public async Task KeyUpdate_WhoseAnswerHasNoRoom_LosesNothingBehindIt()
    {
        byte[] message = ConnectBytes.Publish("t", new byte[10_000]);
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            var reading = connection.ReadToEndAsync(stop);
            for (int i = 0; i < Messages; i++)
                await connection.SendAsync(message, stop);
            await reading;
        });
        await using var node = await StartAsync(broker);
        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        using var client = Established(context, node);
        var reactor = node.Node.Reactors.Single();
        await node.UntilAsync(() => reactor.Sessions.Any(s => s.Client is { PendingLength: > 0, Writable: false }));
        byte[] behind = ConnectBytes.Publish("t", "behind"u8);
        await using (await Proxying.HeldReactor.OfAsync(node))
        {
            Update(client, wanted: 1);
            client.Write(behind);
        }

        for (int i = 0; i < 3; i++)
            await reactor.AskAsync(_ => true);

        Assert.Equal(Messages * message.Length, client.ReadExactly(Messages * message.Length).Length);
        var connection = await broker.NextConnectionAsync();
        byte[] connect = ConnectBytes.V311("a");
        Assert.Equal(behind, (await connection.WaitForReceivedAsync(connect.Length + behind.Length))[connect.Length..]);
    }

    private Task<TestNode> StartAsync(FakeBroker broker) =>
        TestNode.StartAsync(TestNode.Backends(broker), TlsListener.With(_ca.Server(["localhost"]), "protocols = [TLSv1.3]"));

    private static NativeClient Established(TlsClientContext context, TestNode node)
    {
        var client = new NativeClient(context, node.EndPoint, "localhost");
        Assert.Equal(HandshakeStatus.Done, client.Handshake());
        client.Write(ConnectBytes.V311("a"));
        byte[] connack = new byte[4];
        Assert.Equal(4, client.Read(connack));
        return client;
    }

    private static void Update(NativeClient client, int wanted)
    {
        Assert.Equal(1, SSL_key_update(client.Tls.Pointer, wanted));
        Assert.Equal(HandshakeStatus.Done, client.Step());
    }

    /// <summary>False when the socket takes no more.</summary>
    private static bool TryUpdate(NativeClient client) =>
        SSL_key_update(client.Tls.Pointer, 0) == 1 && client.Step() == HandshakeStatus.Done;

    [LibraryImport("libssl.so.3")]
    private static partial int SSL_key_update(nint ssl, int type);
}
