using ActorLb.FunctionalTests.Proxying;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>
/// Frames that come all at once, with nothing behind them: there is one event for them, so whatever is read of them must lead to the
/// rest. The counts stand around the sizes of reads.
/// </summary>
public sealed class GluedFramesTests
{
    private static readonly byte[] Ping = MalformedFrames.Masked(0x89, []);

    public static TheoryData<int> Counts => [1, 1_300, 1_364, 1_365, 1_366, 1_400, 2_731, 10_900, 10_923, 15_000];

    [Theory]
    [MemberData(nameof(Counts))]
    public async Task Connect_BehindPings_IsRead(int count)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), WebSocketBytes.Listener);
        using var client = await UpgradedAsync(node);
        await using (await HeldReactor.OfAsync(node))
            await client.SendAsync((byte[])[.. Repeat(Ping, count), .. WebSocketBytes.Binary(ConnectBytes.V311("a"))]);
        Assert.Equal([.. Repeat([0x8A, 0], count), 0x82, 4, .. FakeBroker.ConnackBytes(0)], await client.ReadAsync((2 * count) + 6));
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public async Task Connect_BehindEmptyFragments_IsRead(int count)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), WebSocketBytes.Listener);
        using var client = await UpgradedAsync(node);
        await using (await HeldReactor.OfAsync(node))
        {
            await client.SendAsync((byte[])[
                .. MalformedFrames.Masked(0x02, []), .. Repeat(MalformedFrames.Masked(0, []), count),
                .. MalformedFrames.Masked(0x80, ConnectBytes.V311("a"))]);
        }

        Assert.Equal([0x82, 4, .. FakeBroker.ConnackBytes(0)], await client.ReadAsync(6));
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public async Task Publish_BehindPings_IsRelayed(int count)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), WebSocketBytes.Listener);
        using var client = await UpgradedAsync(node);
        await client.SendAsync(WebSocketBytes.Binary(ConnectBytes.V311("a")));
        await client.ReadAsync(6);
        byte[] publish = ConnectBytes.Publish("t", "x"u8);
        await using (await HeldReactor.OfAsync(node))
            await client.SendAsync((byte[])[.. Repeat(Ping, count), .. WebSocketBytes.Binary(publish)]);
        Assert.Equal([.. Repeat([0x8A, 0], count), 0x82, (byte)publish.Length, .. publish], await client.ReadAsync((2 * count) + 2 + publish.Length));
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public async Task Connack_BehindPings_IsRead(int count)
    {
        await using var broker = FakeBroker.Start(FramedBroker.Upgrading(async (connection, stop) =>
        {
            await connection.SendAsync((byte[])[.. Repeat([0x89, 0], count), 0x82, 4, .. FakeBroker.ConnackBytes(0)], stop);
            await connection.ReadToEndAsync(stop);
        }));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "websocket { path = \"/mqtt\" }");
        using var client = await node.OpenAsync("a");
    }

    /// <summary>The broker's last frame, not only its FIN, ends the session; a CONNACK before it is passed on.</summary>
    [Fact]
    public async Task CloseFrame_BehindTheConnack_EndsTheSession()
    {
        await using var broker = FakeBroker.Start(FramedBroker.Upgrading(async (connection, stop) =>
        {
            await connection.SendAsync((byte[])[0x82, 4, .. FakeBroker.ConnackBytes(0), 0x88, 2, 3, 0xE8], stop);
            await connection.ReadToEndAsync(stop);
        }));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "websocket { path = \"/mqtt\" }");
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V311("a"));
        Assert.Equal(FakeBroker.ConnackBytes(0), (await client.ReadToEndAsync()).Bytes);
        client.Dispose();
        await node.UntilClosedAsync(CloseReason.BackendClosed);
    }

    [Fact]
    public async Task CloseFrame_BehindHalfOfTheConnack_IsThatBrokersFailure()
    {
        await using var broker = FakeBroker.Start(FramedBroker.Upgrading(async (connection, stop) =>
        {
            await connection.SendAsync((byte[])[0x82, 2, 0x20, 2, 0x88, 2, 3, 0xE8], stop);
            await connection.ReadToEndAsync(stop);
        }));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "websocket { path = \"/mqtt\" }, retry.tries = 1");
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("a")));
        await node.UntilClosedAsync(CloseReason.BackendsFailed);
    }

    private static async Task<RawClient> UpgradedAsync(TestNode node)
    {
        var client = await node.DialAsync();
        await client.SendAsync(WebSocketBytes.Upgrade);
        var head = new List<byte>();
        while (!head.ToArray().AsSpan().EndsWith("\r\n\r\n"u8))
            head.AddRange(await client.ReadAsync(1));
        return client;
    }

    private static byte[] Repeat(byte[] bytes, int count)
    {
        byte[] all = new byte[bytes.Length * count];
        for (int i = 0; i < count; i++)
            bytes.CopyTo(all, i * bytes.Length);
        return all;
    }
}
