using System.Net.Sockets;
using System.Security.Cryptography;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Reactors;

public sealed class RelayTests
{
    /// <summary>A read stops at the mark of urgent data (tcp(7)), short of what it asked for and of what the socket holds.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task UrgentByte_BetweenOthers_LeavesThoseBehindItToBeRead(bool behindTheConnect)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.DialAsync();
        byte[] connect = ConnectBytes.V311("urgent");
        byte[] packet = behindTheConnect ? ConnectBytes.Publish("t", new byte[100]) : connect;
        if (behindTheConnect)
        {
            await client.SendAsync(connect);
            await client.ReadAsync(4);
        }

        await using (await HeldReactor.OfAsync(node))
        {
            await client.SendPiecesAsync(packet.AsMemory(0, 10));
            client.Socket.Send([1], System.Net.Sockets.SocketFlags.OutOfBand);
            await client.SendPiecesAsync(packet.AsMemory(10));
        }

        Assert.Equal(behindTheConnect ? packet : FakeBroker.ConnackBytes(0), await client.ReadAsync(behindTheConnect ? packet.Length : 4));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Connections_TwoThousand_AreHeldAndServed()
    {
        const int Count = 2000;
        await using var broker = FakeBroker.Start(FakeBroker.Echo);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "protocol = tcp");
        var clients = new List<RawClient>();
        try
        {
            for (int i = 0; i < Count; i++)
                clients.Add(await node.DialAsync());
            for (int round = 0; round < 2; round++)
            {
                for (int i = 0; i < Count; i++)
                    await clients[i].SendAsync(BitConverter.GetBytes(i + round));
                for (int i = 0; i < Count; i++)
                    Assert.Equal(BitConverter.GetBytes(i + round), await clients[i].ReadAsync(4));
            }

            Assert.Equal(Count, node.Node.Admission.Active);
        }
        finally
        {
            clients.ForEach(c => c.Dispose());
        }

        await node.UntilAsync(() => node.Node.Admission.Active == 0);
    }

    private const int Megabyte = 1024 * 1024;

    [Theory]
    [InlineData("64KiB")]
    [InlineData("4KiB")]
    public async Task Bulk_BothReceiversSlow_ArrivesIntactWithBoundedBuffers(string bufferSize)
    {
        byte[] up = Publishes(20 * Megabyte, seed: 1);
        byte[] down = Publishes(20 * Megabyte, seed: 2);
        var open = new TaskCompletionSource();
        var received = new TaskCompletionSource<byte[]>();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            byte[] connect = await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            var sending = connection.SendAsync(down, stop);
            await open.Task.WaitAsync(stop);
            received.SetResult((await connection.WaitForAllAsync(connect.Length + up.Length, stop))[connect.Length..]);
            await sending;
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + $"buffer-size = {bufferSize}");
        using var client = await node.OpenAsync("bulk");
        var sent = client.SendAsync(up);

        // Neither side reads: the sockets fill up until the balancer holds a buffer for each direction and reads no more.
        var reactor = node.Node.Reactors[0];
        int limit = 2 * (bufferSize == "4KiB" ? 4096 : 65_536);
        await UntilStalledAsync(node);
        Assert.InRange(reactor.Buffers.Rented, 1, limit);
        Assert.False(sent.IsCompleted);
        open.SetResult();
        Assert.Equal(SHA256.HashData(down), SHA256.HashData(await ReadSlowlyAsync(client, down.Length, () =>
            Assert.InRange(reactor.Buffers.Rented, 0, limit))));
        await sent;
        Assert.Equal(SHA256.HashData(up), SHA256.HashData(await received.Task.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken)));
        await node.UntilAsync(() => reactor.Buffers.Rented == 0);

        int packets = up.Length / Publish.Length;
        Assert.Equal(1 + packets, node.Sum(c => c.PacketsFromClients));
        Assert.Equal(1 + packets, node.Sum(c => c.PacketsFromBackends));
        Assert.Equal(ConnectBytes.V311("bulk").Length + up.Length, node.Sum(c => c.BytesFromClients));
        Assert.Equal(4 + down.Length, node.Sum(c => c.BytesFromBackends));
    }

    [Fact]
    public async Task Messages_TenThousandRoundTrips_AllocateNothing()
    {
        TestedPlane.DemandReactor("streams allocate");
        const int Rounds = 10_000;
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("pinger");
        var reactor = node.Node.Reactors[0];
        RoundTrips(client.Socket, 1000);
        long before = await reactor.AskAsync(_ => GC.GetAllocatedBytesForCurrentThread());
        RoundTrips(client.Socket, Rounds);
        long after = await reactor.AskAsync(_ => GC.GetAllocatedBytesForCurrentThread());
        // The two questions themselves may cost the reactor's thread a few hundred bytes; a message that cost anything would be
        // at least 24 bytes, 24 times this tolerance.
        Assert.InRange(after - before, 0, 10_000);
        await node.UntilAsync(() => node.Sum(c => c.PacketsFromClients) >= 1000 + Rounds + 1);
    }

    [Fact]
    public async Task Connections_OneAfterAnother_CostABoundedAmountEach()
    {
        TestedPlane.DemandReactor("streams allocate");
        const int Rounds = 500;
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var reactor = node.Node.Reactors[0];
        await ComeAndGoAsync(node, 100);
        long before = await reactor.AskAsync(_ => GC.GetAllocatedBytesForCurrentThread());
        await ComeAndGoAsync(node, Rounds);
        long after = await reactor.AskAsync(_ => GC.GetAllocatedBytesForCurrentThread());
        // The client id, and what a log line at debug level costs in this test; buffers and sessions are used again.
        Assert.InRange((after - before) / Rounds, 0, 2048);
    }

    [Fact]
    public async Task Backends_BytesBothWays_AreCountedByBackend()
    {
        await using var first = FakeBroker.Start(FakeBroker.Accepting);
        await using var second = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(first, second));
        using var one = await node.OpenAsync("one");
        using var two = await node.OpenAsync("two");
        byte[] publish = ConnectBytes.Publish("t", new byte[1000]);
        await one.SendAsync(publish);
        Assert.Equal(publish, await one.ReadAsync(publish.Length));
        var traffic = node.Node.Reactors.SelectMany(r => r.TrafficSnapshot()).ToDictionary(p => p.Key.Id, p => p.Value, StringComparer.Ordinal);
        int connect = ConnectBytes.V311("one").Length;
        Assert.Equal(connect + publish.Length, traffic[first.EndPoint.ToString()].BytesToBackend);
        Assert.Equal(publish.Length + 4, traffic[first.EndPoint.ToString()].BytesFromBackend);
        Assert.Equal(connect, traffic[second.EndPoint.ToString()].BytesToBackend);
    }

    [Fact]
    public async Task Flood_OneBusySession_OthersGoOn()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var busy = await node.OpenAsync("busy");
        using var calm = await node.OpenAsync("calm");
        byte[] flood = Publishes(20 * Megabyte, seed: 3);
        var sending = busy.SendAsync(flood);
        var reading = busy.ReadAsync(flood.Length);
        for (int i = 0; i < 20; i++)
        {
            await calm.SendAsync(new byte[] { 0xC0, 0 });
            Assert.Equal(2, (await calm.ReadAsync(2)).Length);
        }

        await sending;
        Assert.Equal(flood, await reading);
    }

    private static readonly byte[] Publish = ConnectBytes.Publish("t/1", new byte[1024]);

    private static byte[] Publishes(int about, int seed)
    {
        var random = new Random(seed);
        byte[] all = new byte[about / Publish.Length * Publish.Length];
        for (int at = 0; at < all.Length; at += Publish.Length)
        {
            Publish.CopyTo(all, at);
            random.NextBytes(all.AsSpan(at + Publish.Length - 1024, 1024));
        }

        return all;
    }

    private static async Task UntilStalledAsync(TestNode node)
    {
        var counters = node.Node.Reactors[0].Counters;
        (long, long) Moved() => (Volatile.Read(ref counters.BytesFromClients), Volatile.Read(ref counters.BytesFromBackends));
        var last = Moved();
        int still = 0;
        await node.UntilAsync(() =>
        {
            var now = Moved();
            still = now == last && now.Item1 > 0 && now.Item2 > 4 ? still + 1 : 0;
            last = now;
            return still >= 50;
        });
    }

    private static async Task<byte[]> ReadSlowlyAsync(RawClient client, int count, Action each)
    {
        byte[] all = new byte[count];
        for (int at = 0; at < count;)
        {
            byte[] piece = await client.ReadAsync(Math.Min(100_000, count - at));
            Assert.NotEmpty(piece);
            piece.CopyTo(all, at);
            at += piece.Length;
            each();
        }

        return all;
    }

    private static void RoundTrips(Socket socket, int count)
    {
        Span<byte> answer = stackalloc byte[66];
        byte[] message = ConnectBytes.Publish("t", new byte[61]);
        for (int i = 0; i < count; i++)
        {
            socket.Send(message);
            for (int got = 0; got < message.Length;)
                got += socket.Receive(answer[..(message.Length - got)]);
        }
    }

    private static async Task ComeAndGoAsync(TestNode node, int count)
    {
        for (int i = 0; i < count; i++)
        {
            using (await node.OpenAsync("comes and goes"))
            {
            }
        }

        await node.UntilAsync(() => node.Node.Admission.Active == 0);
    }
}
