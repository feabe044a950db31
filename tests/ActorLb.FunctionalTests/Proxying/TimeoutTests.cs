using System.Diagnostics;
using ActorLb.Proxying;
using ActorLb.Testing;

namespace ActorLb.FunctionalTests.Proxying;

public sealed class TimeoutTests
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
        await (await broker.NextConnectionAsync()).Ended.WaitAsync(Minute, TestContext.Current.CancellationToken);
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
        await connection.Ended.WaitAsync(Minute, TestContext.Current.CancellationToken);
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
        await node.UntilClosedAsync(CloseReason.IdleTimeout);
    }

    [Fact]
    public async Task IdleTimeout_Configured_CountsBothDirections()
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            for (var i = 0; i < 6; i++)
            {
                await Task.Delay(100, stop);
                await connection.SendAsync(ConnectBytes.Publish("t", "x"u8), stop);
            }

            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "idle-timeout = 400ms");
        var watch = Stopwatch.StartNew();
        using var client = await node.OpenAsync("quiet", keepAlive: 600);
        Assert.Equal(6 * 6, (await client.ReadToEndAsync()).Bytes.Length);
        Assert.InRange(watch.Elapsed, TimeSpan.FromMilliseconds(950), Minute);
        await node.UntilClosedAsync(CloseReason.IdleTimeout);
    }

    [Fact]
    public async Task IdleTimeout_TcpListener_IsClosed()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Echo);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "protocol = tcp, idle-timeout = 200ms");
        using var client = await node.DialAsync();
        await client.SendAsync("x"u8.ToArray());
        Assert.Equal("x"u8.ToArray(), (await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.IdleTimeout);
    }

    [Theory]
    [InlineData("idle-timeout = off", 1)]
    [InlineData("", 0)]
    public async Task IdleTimeout_OffOrNoKeepAlive_KeepsTheClient(string listener, int keepAlive)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), listener + "\n",
            "listeners.other { bind = \"127.0.0.1:0\", pool = p, idle-timeout = 1700ms }");
        using var client = await node.OpenAsync("kept", keepAlive: keepAlive);
        using var other = await RawClient.ConnectAsync(node.Of("other"));
        await other.SendAsync(ConnectBytes.V311("clock"));
        await other.ReadToEndAsync();
        await client.SendAsync("more"u8.ToArray());
        Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
    }

    [Fact]
    public async Task HalfClose_OfTheClient_BrokerMayStillSend()
    {
        var late = ConnectBytes.Publish("t", "late"u8);
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadToEndAsync(stop);
            await connection.SendAsync(late, stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("half");
        var last = ConnectBytes.Publish("t", "last"u8);
        await client.SendAsync(last);
        client.HalfClose();
        Assert.Equal(late, (await client.ReadToEndAsync()).Bytes);
        Assert.Equal(ConnectBytes.V311("half").Concat(last), (await broker.NextConnectionAsync()).Received);
        await node.UntilClosedAsync(CloseReason.ClientClosed);
    }

    [Fact]
    public async Task HalfClose_OfTheBroker_ClientMayStillSend()
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            connection.HalfClose();
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("half");
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        var last = ConnectBytes.Publish("t", "last"u8);
        await client.SendAsync(last);
        var connect = ConnectBytes.V311("half");
        Assert.Equal(connect.Concat(last), await (await broker.NextConnectionAsync()).WaitForReceivedAsync(connect.Length + last.Length));
        client.HalfClose();
        await node.UntilClosedAsync(CloseReason.BackendClosed);
    }

    [Fact]
    public async Task HalfClose_OfTheClientBeforeTheConnack_SessionEndsAsTheClientsDoing()
    {
        var gate = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await gate.Task.WaitAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V311("half", keepAlive: 0));
        await (await broker.NextConnectionAsync()).WaitForReceivedAsync(1);
        client.HalfClose();
        gate.SetResult();
        Assert.Equal(FakeBroker.ConnackBytes(0), (await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.ClientClosed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Reset_OfOneSide_EndsTheOther(bool client)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var opened = await node.OpenAsync("reset");
        var connection = await broker.NextConnectionAsync();
        if (client)
            opened.Abort();
        else
            connection.Abort();
        if (client)
            await connection.Ended.WaitAsync(Minute, TestContext.Current.CancellationToken);
        else
            await opened.ReadToEndAsync();
        await node.UntilClosedAsync(client ? CloseReason.ClientReset : CloseReason.BackendReset);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Disconnect_OfTheClientBrokerClosesFirst_SessionEndsAsTheClientsDoing(bool reset)
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadPacketAsync(stop);
            if (reset)
                connection.Abort();
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("leaves");
        await client.SendAsync(new byte[] { 0xE0, 0 });
        await client.ReadToEndAsync();
        client.Dispose();
        await node.UntilClosedAsync(CloseReason.ClientClosed);
    }

    [Fact]
    public async Task Disconnect_OfTheBrokerClientClosesFirst_SessionEndsAsTheBrokersDoing()
    {
        byte[] farewell = [0xE0, 1, 0x8B];
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0, 5).Concat(farewell).ToArray(), stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("left", 5);
        Assert.Equal(farewell, await client.ReadAsync(3));
        client.Dispose();
        await node.UntilClosedAsync(CloseReason.BackendClosed);
    }
}
