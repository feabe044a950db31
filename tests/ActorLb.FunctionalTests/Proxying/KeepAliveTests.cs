using System.Diagnostics;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying;

public sealed class KeepAliveTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(4, "")]
    [InlineData(5, "E0018D")]
    public async Task KeepAlive_SilentClient_IsClosedAfterOneAndAHalf(int version, string farewell)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var watch = Stopwatch.StartNew();
        using var client = await node.OpenAsync("silent", version, keepAlive: 1);
        Assert.Equal(farewell, Convert.ToHexString((await client.ReadToEndAsync()).Bytes));
        Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(1.4), Minute);
        client.Dispose();
        await (await broker.NextConnectionAsync()).Ended.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken);
        await node.UntilClosedAsync(CloseReason.IdleTimeout);
    }

    [Fact]
    public async Task KeepAlive_SilentClientWillToBeSuppressedOnDrain_BrokerStillPublishesTheWill()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: "node.will = suppress");
        using var client = await node.OpenAsync("silent", 5, keepAlive: 1);
        var connection = await broker.NextConnectionAsync();
        await client.ReadToEndAsync();
        await connection.Ended.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken);
        // A DISCONNECT would tell the broker that all is well.
        Assert.Equal(ConnectBytes.V5("silent", keepAlive: 1), connection.Received);
    }

    [Fact]
    public async Task KeepAlive_BrokerTalksButTheClientDoesNot_ClientIsClosed()
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            while (true)
            {
                await connection.SendAsync(ConnectBytes.Publish("t", "x"u8), stop);
                // Often within the client's keep-alive, which is seconds: MQTT has no shorter one.
                await Task.Delay(50, stop);
            }
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("deaf", keepAlive: 1);
        Assert.NotEmpty((await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.IdleTimeout);
    }

    [Fact]
    public async Task KeepAlive_ClientThatPings_Stays()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("pinger", keepAlive: 1);
        using var silent = await node.OpenAsync("silent", keepAlive: 1);
        var ended = silent.ReadToEndAsync();
        byte[] ping = [0xC0, 0];
        while (!ended.IsCompleted)
        {
            await client.SendAsync(ping);
            Assert.Equal(ping, await client.ReadAsync(2));
            // Well within the second and a half.
            await Task.WhenAny(ended, Task.Delay(200, TestContext.Current.CancellationToken));
        }

        await client.SendAsync(ping);
        Assert.Equal(ping, await client.ReadAsync(2));
    }

    [Fact]
    public async Task KeepAlive_ServerKeepAliveInTheConnack_TakesItsPlace()
    {
        // Server Keep Alive (MQTT 5 section 3.2.2.3.14) of a second.
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(new byte[] { 0x20, 6, 0, 0, 3, 0x13, 0, 1 }, stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V5("told", keepAlive: 600));
        Assert.Equal("2006000003130001E0018D", Convert.ToHexString((await client.ReadToEndAsync()).Bytes));
        client.Dispose();
        await node.UntilClosedAsync(CloseReason.IdleTimeout);
    }

    [Fact]
    public async Task KeepAlive_BrokerTooSlowToRead_ClientIsNotBlamed()
    {
        var gate = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await gate.Task.WaitAsync(stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), more: "listeners.clock { bind = \"127.0.0.1:0\", pool = p, connect-timeout = 2s }");
        // Made before: the client has a second and a half from here.
        byte[] data = Repeated(ConnectBytes.Publish("t", new byte[1000]), 40_000);
        using var client = await node.OpenAsync("eager", keepAlive: 1);
        var connection = await broker.NextConnectionAsync();
        var sending = client.SendAsync(data);
        using var clock = await RawClient.ConnectAsync(node.Of("clock"));
        await clock.ReadToEndAsync();
        Assert.False(sending.IsCompleted);
        gate.SetResult();
        await sending;
        int length = ConnectBytes.V311("eager").Length + data.Length;
        Assert.Equal(length, (await connection.WaitForReceivedAsync(length)).Length);
    }

    private static byte[] Repeated(byte[] packet, int times)
    {
        byte[] all = new byte[packet.Length * times];
        for (int at = 0; at < all.Length; at += packet.Length)
            packet.CopyTo(all, at);
        return all;
    }
}
