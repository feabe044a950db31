using System.Net;
using System.Text;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Intake;

public sealed class ConnectTests
{
    public static TheoryData<int> Levels => [3, 4, 5, 0x83, 0x84];

    [Theory]
    [MemberData(nameof(Levels))]
    public async Task Connect_SplitAtEveryByte_ReachesTheBrokerWhole(int level)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        // Bridges set the highest bit of the level; the rest of their CONNECT is that of 3.1 and 3.1.1.
        byte[] connect = ConnectBytes.Of(level & 0x7F, "split", user: "ann", password: "secret", properties: [0x11, 0, 0, 0, 9]);
        int levelAt = connect.AsSpan().IndexOf((byte)(level & 0x7F) is 3 ? "MQIsdp"u8 : "MQTT"u8) + ((level & 0x7F) == 3 ? 6 : 4);
        connect[levelAt] = (byte)level;
        for (int split = 1; split < connect.Length; split++)
        {
            using var client = await node.DialAsync();
            await client.SendPiecesAsync(connect.AsMemory(0, split), connect.AsMemory(split));
            Assert.Equal(FakeBroker.ConnackBytes(0, level & 0x7F), await client.ReadAsync(level == 5 ? 5 : 4));
            Assert.Equal(connect, await (await broker.NextConnectionAsync()).WaitForReceivedAsync(connect.Length));
        }
    }

    [Fact]
    public async Task Connect_ByteByByte_ReachesTheBrokerWhole()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        byte[] connect = ConnectBytes.V5("bytes", properties: [0x26, .. ConnectBytes.Text("name"), .. ConnectBytes.Text("value")]);
        using var client = await node.DialAsync();
        await client.SendPiecesAsync(connect.Select(b => (ReadOnlyMemory<byte>)new[] { b }));
        Assert.Equal(FakeBroker.ConnackBytes(0, 5), await client.ReadAsync(5));
        Assert.Equal(connect, await (await broker.NextConnectionAsync()).WaitForReceivedAsync(connect.Length));
    }

    [Fact]
    public async Task EarlyPackets_BeforeTheConnack_AreKeptAndPassedOnInOrder()
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
        byte[] connect = ConnectBytes.V311("early");
        byte[] first = ConnectBytes.Publish("a", "one"u8);
        byte[] second = ConnectBytes.Publish("a", "two"u8);
        await client.SendAsync(connect.Concat(first).ToArray());
        var connection = await broker.NextConnectionAsync();
        Assert.Equal(connect, await connection.WaitForReceivedAsync(connect.Length));
        await client.SendPiecesAsync(second.AsMemory(0, 3), second.AsMemory(3));
        // Nothing but the CONNECT may be there before the CONNACK, for the broker may yet refuse.
        Assert.Equal(connect, connection.Received);

        gate.SetResult();
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        byte[] all = [.. connect, .. first, .. second];
        Assert.Equal(all, await connection.WaitForReceivedAsync(all.Length));
        await node.UntilAsync(() => node.Sum(c => c.PacketsFromClients) == 3);
    }

    [Fact]
    public async Task EarlyData_MoreThanTheBuffer_WaitsAndArrivesWhole()
    {
        var gate = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await gate.Task.WaitAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "buffer-size = 4KiB");
        using var client = await node.DialAsync();
        byte[] connect = ConnectBytes.V311("early");
        byte[] data = Enumerable.Range(0, 400).SelectMany(i => ConnectBytes.Publish("t", Encoding.ASCII.GetBytes($"{i:D1000}"))).ToArray();
        var sending = client.SendAsync(connect.Concat(data).ToArray());
        var connection = await broker.NextConnectionAsync();
        await connection.WaitForReceivedAsync(connect.Length);
        gate.SetResult();
        await sending;
        Assert.Equal(connect.Concat(data), await connection.WaitForReceivedAsync(connect.Length + data.Length));
    }

    [Fact]
    public async Task ConnectAndConnack_BrokerSendsMoreBehindItsConnack_ClientGetsAll()
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0).Concat(ConnectBytes.Publish("t", "kept"u8)).ToArray(), stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("more");
        byte[] publish = ConnectBytes.Publish("t", "kept"u8);
        Assert.Equal(publish, await client.ReadAsync(publish.Length));
        await node.UntilAsync(() => node.Sum(c => c.PacketsFromBackends) == 2);
    }

    [Fact]
    public async Task Connack_InPieces_ReachesTheClientWhole()
    {
        // Session present, and the properties receive maximum, assigned client id and a reason string.
        byte[] properties = [0x21, 0, 10, 0x12, .. ConnectBytes.Text("given"), 0x1F, .. ConnectBytes.Text("welcome")];
        byte[] connack = [0x20, (byte)(3 + properties.Length), 0, 0, (byte)properties.Length, .. properties];
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            foreach (byte b in connack)
            {
                await connection.SendAsync(new[] { b }, stop);
                await Task.Yield();
            }

            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V5(""));
        Assert.Equal(connack, await client.ReadAsync(connack.Length));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public async Task ConnectTimeout_IncompleteConnect_IsClosedInTime(int sent)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "connect-timeout = 200ms");
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V311("slow").AsMemory(0, sent));
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.ConnectTimeout);
        Assert.Equal(0, broker.Accepted);
    }

    [Fact]
    public async Task ConnectTimeout_ClientThatConnectedInTime_Stays()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "connect-timeout = 100ms");
        using var client = await node.OpenAsync("quick");
        using var late = await node.DialAsync();
        // The second client's time-out is the proof that the first one's time has passed too.
        await late.ReadToEndAsync();
        await client.SendAsync("more"u8.ToArray());
        Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
    }

    [Fact]
    public async Task Client_GoesAwayBeforeTheConnect_IsCountedAndForgotten()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using (var client = await node.DialAsync())
            await client.SendAsync(new byte[] { 0x10 });
        await node.UntilClosedAsync(CloseReason.ClientGone);
        using (var client = await node.DialAsync())
            client.Abort();
        await node.UntilClosedAsync(CloseReason.ClientGone, 2);
        Assert.Equal(0, node.Node.Admission.Active);
    }

    [Fact]
    public async Task Client_ResetsBeforeTheConnack_LeavesTheBroker()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V311("gone"));
        var connection = await broker.NextConnectionAsync();
        await connection.WaitForReceivedAsync(1);
        client.Abort();
        await connection.Ended.WaitAsync(Wait.Patience);
        await node.UntilClosedAsync(CloseReason.ClientGone);
        Assert.Equal(0, node.Backend(broker).Active);
    }

    [Fact]
    public async Task TcpListener_AnyBytes_ArePassedOnUnseen()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Echo);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "protocol = tcp");
        using var client = await node.DialAsync();
        await client.SendAsync("no MQTT at all"u8.ToArray());
        Assert.Equal("no MQTT at all"u8.ToArray(), await client.ReadAsync(14));
    }

    [Fact]
    public async Task TcpListener_BrokerThatSpeaksFirst_IsHeard()
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.SendAsync("hello"u8.ToArray(), stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "protocol = tcp");
        using var client = await node.DialAsync();
        Assert.Equal("hello"u8.ToArray(), await client.ReadAsync(5));
    }

    [Theory]
    [InlineData("off", "")]
    [InlineData("v1", "PROXY TCP6 ::1 ::1 ")]
    public async Task Ipv6_BothSides_AreServed(string proxyProtocol, string header)
    {
        await using var broker = FakeBroker.Start(
            async (connection, stop) =>
            {
                await connection.ReadSomeAsync(stop);
                await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
                await connection.ReadToEndAsync(stop);
            },
            new IPEndPoint(IPAddress.IPv6Loopback, 0));
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + $"proxy-protocol = {proxyProtocol}, source-addresses = [\"127.0.0.1\", \"::1\"]", "bind = \"[::1]:0\"");
        using var client = await node.OpenAsync("six");
        var connection = await broker.NextConnectionAsync();
        Assert.Equal(IPAddress.IPv6Loopback, connection.Remote.Address);
        byte[] expected =
        [
            .. Encoding.ASCII.GetBytes(header.Length == 0 ? "" : $"{header}{client.Local.Port} {node.EndPoint.Port}\r\n"),
            .. ConnectBytes.V311("six"),
        ];
        Assert.Equal(expected, await connection.WaitForReceivedAsync(expected.Length));
    }
}
