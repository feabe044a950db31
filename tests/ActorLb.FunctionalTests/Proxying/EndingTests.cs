using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying;

/// <summary>How established sessions end: half-close, reset, DISCONNECT.</summary>
public sealed class EndingTests
{
    [Fact]
    public async Task HalfClose_OfTheClient_BrokerMayStillSend()
    {
        byte[] late = ConnectBytes.Publish("t", "late"u8);
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadToEndAsync(stop);
            await connection.SendAsync(late, stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("half");
        byte[] last = ConnectBytes.Publish("t", "last"u8);
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
        byte[] last = ConnectBytes.Publish("t", "last"u8);
        await client.SendAsync(last);
        byte[] connect = ConnectBytes.V311("half");
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
            await connection.Ended.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken);
        else
            await opened.ReadToEndAsync();
        await node.UntilClosedAsync(client ? CloseReason.ClientReset : CloseReason.BackendReset);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public async Task Reset_OfTheBrokerBehindItsLastWords_ClientGetsThem(int version)
    {
        byte[] farewell = [.. ConnectBytes.Publish("t", "last"u8), 0xE0, 1, 0x8E];
        var gate = new TaskCompletionSource();
        var left = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0, version), stop);
            await gate.Task.WaitAsync(stop);
            await connection.SendAsync(farewell, stop);
            connection.Abort();
            left.SetResult();
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("talks on", version);
        // While the reactor is held up, the client's message and the broker's end cross.
        using (var held = new ManualResetEventSlim())
        {
            var holding = node.Node.Reactors[0].AskAsync(_ => held.Wait(Wait.Patience));
            await client.SendAsync(ConnectBytes.Publish("t", "crossing"u8));
            gate.SetResult();
            await left.Task.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken);
            held.Set();
            await holding;
        }

        Assert.Equal(farewell, (await client.ReadToEndAsync()).Bytes);
        client.Dispose();
        await node.UntilClosedAsync(CloseReason.BackendClosed);
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
