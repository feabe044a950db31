using System.Net;
using System.Net.Sockets;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Reactors;

/// <summary>How many segments a backend gets, as its kernel counts them (linux/tcp.h, struct tcp_info).</summary>
public sealed class SegmentTests
{
    private const int Unacknowledged = 24, SegmentsIn = 140;

    [Fact]
    public async Task Session_ConnectEndsTheHandshake_FinComesWithTheDisconnect()
    {
        TestedPlane.DemandReactor("a stream's dial ends before the CONNECT is sent");
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        await using var node = await TestNode.StartAsync($"backends = [\"{listener.LocalEndPoint}\"]");
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V311("one"));
        using var broker = await listener.AcceptAsync();
        byte[] bytes = new byte[256];
        Assert.NotEqual(0, await broker.ReceiveAsync(bytes));
        // The SYN, and the CONNECT with the acknowledgement of the SYN of the other side.
        Assert.Equal(2u, Field(broker, SegmentsIn));

        broker.NoDelay = true;
        await broker.SendAsync(new byte[] { 0x20, 2, 0, 0 });
        await client.ReadAsync(4);
        await node.UntilAsync(() => Field(broker, Unacknowledged) == 0);
        uint before = Field(broker, SegmentsIn);
        await using (await HeldReactor.OfAsync(node))
        {
            await client.SendAsync(new byte[] { 0xE0, 0 });
            client.HalfClose();
        }

        Assert.Equal(2, await broker.ReceiveAsync(bytes));
        Assert.Equal(0, await broker.ReceiveAsync(bytes));
        Assert.Equal(1u, Field(broker, SegmentsIn) - before);
    }

    /// <summary>A thousand pings are answered in a few writes, not in a thousand.</summary>
    [Fact]
    public async Task Pings_OfOneRead_AreAnsweredTogether()
    {
        const int Pings = 1_000;
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), WebSocketBytes.Listener);
        using var client = await node.DialAsync();
        await client.SendAsync((byte[])[.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(ConnectBytes.V311("pings"))]);
        await node.UntilAsync(() => node.Sum(c => c.Relaying) == 1);
        while (!(await client.ReadAsync(1)).SequenceEqual("\r"u8.ToArray()) || !(await client.ReadAsync(3)).SequenceEqual("\n\r\n"u8.ToArray()))
        {
            // The head of the answer to the upgrade.
        }

        await client.ReadAsync(6);
        uint before = Field(client.Socket, SegmentsIn);
        await using (await HeldReactor.OfAsync(node))
            await client.SendAsync(Enumerable.Repeat(MalformedFrames.Masked(0x89, []), Pings).SelectMany(p => p).ToArray());
        await client.ReadAsync(2 * Pings);
        // Its acknowledgements for what was sent are among them.
        Assert.InRange(Field(client.Socket, SegmentsIn) - before, 1u, 20u);
    }

    /// <summary>The bytes of a packet need not leave before those that follow, but they do not wait for them for long.</summary>
    [Fact]
    public async Task Packet_WhoseSenderStalls_IsPassedOnAsFarAsItCame()
    {
        const int Buffer = 4096;
        var received = new TaskCompletionSource<int>();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            for (int count = 0; count < Buffer;)
            {
                count += (await connection.ReadSomeAsync(stop)).Length;
                if (count >= Buffer)
                    received.SetResult(count);
            }

            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + $"buffer-size = {Buffer}");
        using var client = await node.OpenAsync("one");
        await client.SendAsync(ConnectBytes.Publish("t", new byte[3 * Buffer]).AsMemory(0, Buffer));
        Assert.Equal(Buffer, await received.Task.WaitAsync(Wait.Patience));
    }

    private static uint Field(Socket socket, int offset)
    {
        byte[] info = new byte[256];
        socket.GetRawSocketOption(6, 11, info); // tcp(7): TCP_INFO
        return BitConverter.ToUInt32(info, offset);
    }
}
