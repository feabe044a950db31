using System.Diagnostics;
using ActorLb.FunctionalTests.Proxying;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Hosting;

public sealed class DrainTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(4, "", "")]
    [InlineData(5, "", "E0018B")]
    [InlineData(5, "node.server-reference = \"mqtt2.example.com:8883\"", "E01B9C191C00166D717474322E6578616D706C652E636F6D3A38383833")]
    public async Task Drain_Clients_AreToldWhatTheirVersionAllows(int version, string more, string farewell)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: more);
        using var client = await node.OpenAsync("told", version);
        var draining = node.Node.DrainAsync(Second, Cancel);
        Assert.Equal(farewell, Convert.ToHexString((await client.ReadToEndAsync()).Bytes));
        client.Dispose();
        await draining;
        Assert.Equal(0, node.Node.Admission.Active);
        Assert.Equal(1, node.Closed(CloseReason.Drained));
    }

    [Fact]
    public async Task Drain_ManyClients_AreClosedOneAfterAnother()
    {
        const int Clients = 40;
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var watch = Stopwatch.StartNew();
        var ends = new List<Task<TimeSpan>>();
        for (int i = 0; i < Clients; i++)
            ends.Add(EndOf(await node.OpenAsync($"c{i}"), watch));
        var start = watch.Elapsed;
        await node.Node.DrainAsync(TimeSpan.FromSeconds(4), Cancel);
        var times = (await Task.WhenAll(ends)).Select(t => t - start).Order().ToArray();
        // Spread over nine tenths of the time: half of the clients take half of them. A machine that stands still meanwhile has fewer.
        Assert.True(times[^1] > TimeSpan.FromSeconds(3.2) && times[30] - times[10] > TimeSpan.FromMilliseconds(300), string.Join(' ', times));
    }

    /// <summary>Fewer clients than steps, on several reactors: half of them are there after nearly half of the time.</summary>
    [Fact]
    public async Task Drain_FewClients_AreClosedEvenly()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: "node.workers = 2");
        var watch = Stopwatch.StartNew();
        var ends = new List<Task<TimeSpan>>();
        for (int i = 0; i < 20; i++)
            ends.Add(EndOf(await node.OpenAsync($"c{i}"), watch));
        var start = watch.Elapsed;
        await node.Node.DrainAsync(TimeSpan.FromSeconds(4), Cancel);
        var times = (await Task.WhenAll(ends)).Select(t => t - start).Order().ToArray();
        // A busy machine closes later, never sooner.
        Assert.True(times[10] > TimeSpan.FromSeconds(1.6) && times[19] > TimeSpan.FromSeconds(3.2), string.Join(' ', times));
    }

    [Fact]
    public async Task Deadline_OfABackendsDrain_ClosesWhomItHasLeft_AndTheyGoElsewhere()
    {
        await using var drained = FakeBroker.Start(FakeBroker.Accepting);
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(drained, other), more: "node.drain-timeout = 1s");
        var clients = new List<RawClient>();
        for (int i = 0; i < 20; i++)
            clients.Add(await node.OpenAsync($"c{i}", 5));
        var backend = node.Backend(drained);
        Assert.Equal(10, backend.Active);

        Assert.Null(await node.Node.Fleet.SetStateAsync(node.Node.Pools.Single().Pool, backend, Balancing.AdminState.Drain, TimeSpan.FromMilliseconds(200), Cancel));
        await node.UntilClosedAsync(CloseReason.BackendDown, 10);
        Assert.Equal((Balancing.AdminState.Down, 0, 10), (backend.AdminState, backend.Active, node.Backend(other).Active));
        using var again = await node.OpenAsync("again", 5);
        Assert.Equal(11, node.Backend(other).Active);
        foreach (var client in clients)
            client.Dispose();
    }

    /// <summary>Without a deadline, and when an operator takes it down himself, the sessions stay.</summary>
    [Fact]
    public async Task Down_ByAnOperator_ClosesNobody()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: "node.drain-timeout = 50ms");
        using var client = await node.OpenAsync("stays");
        var backend = node.Backend(broker);
        foreach (var (state, deadline) in ((Balancing.AdminState, TimeSpan?)[])[(Balancing.AdminState.Drain, TimeSpan.FromHours(1)), (Balancing.AdminState.Down, null)])
            Assert.Null(await node.Node.Fleet.SetStateAsync(node.Node.Pools.Single().Pool, backend, state, deadline, Cancel));
        Assert.False(backend.IsDrainOver);
        await client.SendAsync(ConnectBytes.Publish("t", "on"u8));
        Assert.NotEmpty(await client.ReadAsync(1));
    }

    [Fact]
    public async Task Drain_NewClients_AreNotTaken()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var endPoint = node.EndPoint;
        using var client = await node.OpenAsync("last");
        var draining = node.Node.DrainAsync(Second, Cancel);
        await client.ReadToEndAsync();
        await Assert.ThrowsAsync<System.Net.Sockets.SocketException>(() => RawClient.ConnectAsync(endPoint));
        Assert.False(node.Node.IsReady);
        await draining;
    }

    [Fact]
    public async Task Drain_ClientWithoutConnack_IsRefused()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V5("waits"));
        await (await broker.NextConnectionAsync()).WaitForReceivedAsync(1);
        var draining = node.Node.DrainAsync(Second, Cancel);
        Assert.Equal("2003008800", Convert.ToHexString((await client.ReadToEndAsync()).Bytes));
        client.Dispose();
        await draining;
    }

    [Theory]
    [InlineData("keep", "")]
    [InlineData("suppress", "E000")]
    public async Task Drain_Will_IsTheOperatorsChoice(string will, string toBroker)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: $"node.will = {will}");
        using var client = await node.OpenAsync("willing");
        var connection = await broker.NextConnectionAsync();
        await node.Node.DrainAsync(Second, Cancel);
        await connection.Ended.WaitAsync(Wait.Patience, Cancel);
        Assert.Equal(
            Convert.ToHexString(ConnectBytes.V311("willing")) + toBroker, Convert.ToHexString(connection.Received));
    }

    [Fact]
    public async Task Drain_ClientInTheMiddleOfAPacket_GetsAndSendsNothingThatBreaksIt()
    {
        byte[] half = ConnectBytes.Publish("t", new byte[100])[..50];
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0, 5), stop);
            await connection.SendAsync(half, stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: "node.will = suppress");
        using var client = await node.OpenAsync("middle", 5);
        Assert.Equal(half, await client.ReadAsync(half.Length));
        await client.SendAsync(half);
        var connection = await broker.NextConnectionAsync();
        byte[] connect = ConnectBytes.V5("middle");
        await connection.WaitForReceivedAsync(connect.Length + half.Length);
        await node.Node.DrainAsync(Second, Cancel);
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        await connection.Ended.WaitAsync(Wait.Patience, Cancel);
        Assert.Equal(connect.Concat(half), connection.Received);
    }

    [Fact]
    public async Task Drain_BrokerInTheMiddleOfAPacket_ClientGetsItsEndThenTheDisconnect()
    {
        byte[] packet = ConnectBytes.Publish("t", new byte[100]);
        var gate = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0, 5).Concat(packet[..50]).ToArray(), stop);
            await gate.Task.WaitAsync(stop);
            // What follows the packet is no longer of interest.
            await connection.SendAsync(packet[50..].Concat(packet).ToArray(), stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("middle", 5);
        Assert.Equal(packet[..50], await client.ReadAsync(50));
        var draining = node.Node.DrainAsync(Second, Cancel);
        await UntilLeavingAsync(node);
        gate.SetResult();
        byte[] expected = [.. packet[50..], 0xE0, 1, 0x8B];
        Assert.Equal(expected, (await client.ReadToEndAsync()).Bytes);
        client.Dispose();
        await draining;
    }

    [Fact]
    public async Task Drain_ClientInTheMiddleOfAPacketWillToBeSuppressed_BrokerGetsItsEndThenTheDisconnect()
    {
        byte[] packet = ConnectBytes.Publish("t", new byte[100]);
        await using var broker = FakeBroker.Start(FakeBroker.Connack(0));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: "node.will = suppress");
        using var client = await node.OpenAsync("middle");
        await client.SendAsync(packet[..50]);
        var connection = await broker.NextConnectionAsync();
        byte[] connect = ConnectBytes.V311("middle");
        await connection.WaitForReceivedAsync(connect.Length + 50);
        var draining = node.Node.DrainAsync(Second, Cancel);
        await UntilLeavingAsync(node);
        await client.SendAsync(packet[50..].Concat(packet).ToArray());
        await connection.Ended.WaitAsync(Wait.Patience, Cancel);
        byte[] expected = [.. connect, .. packet, 0xE0, 0];
        Assert.Equal(expected, connection.Received);
        client.Dispose();
        await draining;
    }

    [Fact]
    public async Task Drain_BrokerSlowToRead_GetsAllThatWasTakenFromTheClient()
    {
        var gate = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await gate.Task.WaitAsync(stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: "node.will = suppress");
        using var client = await node.OpenAsync("eager");
        var connection = await broker.NextConnectionAsync();
        byte[] packet = ConnectBytes.Publish("t", new byte[1000]);
        byte[] stream = Enumerable.Repeat(packet, 40_000).SelectMany(p => p).ToArray();
        var sending = client.SendAsync(stream);
        await node.UntilAsync(() => node.Node.Reactors[0].Buffers.Rented > 0 && node.Sum(c => c.Relaying) == 1);
        var draining = node.Node.DrainAsync(Second, Cancel);
        await UntilLeavingAsync(node);
        gate.SetResult();
        await connection.Ended.WaitAsync(Wait.Patience, Cancel);
        var received = connection.Received.AsSpan(ConnectBytes.V311("eager").Length);
        Assert.Equal(0, (received.Length - 2) % packet.Length);
        Assert.True(received[..^2].SequenceEqual(stream.AsSpan(0, received.Length - 2)));
        Assert.True(received[^2..].SequenceEqual(new byte[] { 0xE0, 0 }));
        client.Dispose();
        await draining;
        // What the broker was not given anymore is read and dropped, or refused.
        await Task.WhenAny(sending);
    }

    [Fact]
    public async Task Drain_ClientThatNeverReads_DoesNotHoldTheNode()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("deaf", 5);
        var watch = Stopwatch.StartNew();
        await node.Node.DrainAsync(Second, Cancel);
        // The relay gives a client that takes nothing half a minute.
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(25));
    }

    private static Task UntilLeavingAsync(TestNode node) => node.UntilAsync(() =>
        node.Node.Reactors[0].AskAsync(r => r.Sessions.All(s => s.Leaving)).GetAwaiter().GetResult());

    private static async Task<TimeSpan> EndOf(RawClient client, Stopwatch watch)
    {
        using (client)
        {
            await client.ReadToEndAsync();
            return watch.Elapsed;
        }
    }
}
