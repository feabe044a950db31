using ActorLb.FunctionalTests.Tls;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>Between a WebSocket client and a TCP broker, a receiver that stops stops the sender; nothing is lost when it goes on.</summary>
public sealed class BackPressureTests : IDisposable
{
    private const int Count = 2_000;

    // Far more than a node may hold for one session, far less than is sent.
    private const int Bound = 256 << 10;

    private static readonly byte[] Publish = ConnectBytes.Publish("t", [.. Enumerable.Range(0, 10_000).Select(i => (byte)(i * 7))]);

    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Client_ThatStopsReading_StopsTheBroker(bool tls)
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            for (int i = 0; i < Count; i++)
                await connection.SendAsync(Publish, stop);
        });
        await using var node = await StartAsync(broker, tls);
        await using var client = await OpenAsync(node, tls);
        await StandsStillAsync(node);

        using var all = new MemoryStream();
        await client.CopyToAsync(all);
        var (_, frames) = WebSocketBytes.Split(all.ToArray());
        using var payload = new MemoryStream();
        foreach (var (first, bytes) in WebSocketBytes.Frames(frames))
        {
            if (first == 0x82)
                payload.Write(bytes);
        }

        IsWhole(payload.ToArray().AsMemory(FakeBroker.ConnackBytes(0).Length));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Broker_ThatStopsReading_StopsTheClient(bool tls)
    {
        var go = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await go.Task.WaitAsync(stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await StartAsync(broker, tls);
        await using var client = await OpenAsync(node, tls);
        var sending = Task.Run(async () =>
        {
            byte[] frame = MalformedFrames.Masked(0x82, Publish);
            for (int i = 0; i < Count; i++)
                await client.WriteAsync(frame);
            await client.WriteAsync(MalformedFrames.Masked(0x88, [3, 0xE8]));
        });
        await StandsStillAsync(node);

        go.SetResult();
        await sending;
        var connection = await broker.NextConnectionAsync();
        await connection.Ended;
        IsWhole(connection.Received.AsMemory(ConnectBytes.V311("a").Length));
    }

    private static void IsWhole(ReadOnlyMemory<byte> received)
    {
        Assert.Equal(Count * Publish.Length, received.Length);
        for (int at = 0; at < received.Length; at += Publish.Length)
            Assert.True(received.Slice(at, Publish.Length).Span.SequenceEqual(Publish));
    }

    /// <summary>Until the receiver's socket is full; from then on the node reads no more than it holds already.</summary>
    private static async Task StandsStillAsync(TestNode node)
    {
        var reactor = node.Node.Reactors.Single();
        await node.UntilAsync(() => reactor.Sessions.Any(s => s.Client.PendingLength + s.Upstream.PendingLength > 0));
        // As many turns as would do to read all that is to come.
        for (int turn = 0; turn < 1_000; turn++)
            Assert.InRange(await reactor.AskAsync(r => r.Buffers.Rented), 1, Bound);
    }

    private Task<TestNode> StartAsync(FakeBroker broker, bool tls) =>
        TestNode.StartAsync(TestNode.Backends(broker), (tls ? TlsListener.With(_ca.Server(["localhost"])) : "") + WebSocketBytes.Listener);

    private static async Task<Stream> OpenAsync(TestNode node, bool tls)
    {
        Stream stream = tls
            ? (await SecureClient.ConnectAsync(node.EndPoint)).Stream
            : new System.Net.Sockets.NetworkStream((await node.DialAsync()).Socket, ownsSocket: true);
        await stream.WriteAsync((byte[])[.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(ConnectBytes.V311("a"))]);
        await stream.FlushAsync();
        return stream;
    }
}
