using System.Net;
using System.Net.Sockets;
using ActorLb.Testing;

namespace ActorLb.FunctionalTests.Proxying;

/// <summary>How many segments a backend gets, as its kernel counts them (linux/tcp.h, struct tcp_info).</summary>
public sealed class SegmentTests
{
    private const int Unacknowledged = 24, SegmentsIn = 140;

    [Fact]
    public async Task Session_ConnectEndsTheHandshake_FinComesWithTheDisconnect()
    {
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
        using var both = new ManualResetEventSlim();
        node.Node.Reactors[0].Post(_ => both.Wait());
        try
        {
            await client.SendAsync(new byte[] { 0xE0, 0 });
            client.HalfClose();
        }
        finally
        {
            both.Set();
        }

        Assert.Equal(2, await broker.ReceiveAsync(bytes));
        Assert.Equal(0, await broker.ReceiveAsync(bytes));
        Assert.Equal(1u, Field(broker, SegmentsIn) - before);
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
            for (var count = 0; count < Buffer;)
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
        Assert.Equal(Buffer, await received.Task.WaitAsync(TimeSpan.FromSeconds(20)));
    }

    private static uint Field(Socket socket, int offset)
    {
        byte[] info = new byte[256];
        socket.GetRawSocketOption(6, 11, info); // tcp(7): TCP_INFO
        return BitConverter.ToUInt32(info, offset);
    }
}
