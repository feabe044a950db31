using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ActorLb.Balancing;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Proxying.Routing;

/// <summary>MQTT 5, 4.12: packets that pass both ways before the CONNACK.</summary>
public sealed class AuthenticationTests
{
    private const string Quick = "connect-timeout = 200ms\n";

    [Fact]
    public async Task Authentication_BeforeTheConnack_PassesBothWays()
    {
        byte[] challenge = [0xF0, 10, 0x18, 8, 0x15, 0, 1, (byte)'m', 0x16, 0, 1, 7];
        byte[] response = [0xF0, 10, 0x18, 8, 0x15, 0, 1, (byte)'m', 0x16, 0, 1, 9];
        byte[]? answered = null;
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            for (int round = 0; round < 2; round++)
            {
                await connection.SendAsync(challenge, stop);
                answered = await connection.ReadPacketAsync(stop);
            }

            await connection.SendAsync(FakeBroker.ConnackBytes(0, 5), stop);
            await FakeBroker.Echo(connection, stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V5("auth", properties: [0x15, 0, 1, (byte)'m']));
        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(challenge, await client.ReadAsync(challenge.Length));
            await client.SendAsync(response);
        }

        Assert.Equal(FakeBroker.ConnackBytes(0, 5), await client.ReadAsync(5));
        Assert.Equal(response, answered);
        var sent = await node.Node.Reactors[0].AskAsync(r => r.Sessions.Select(s => (s.PacketsFromClient, s.BytesFromClient)).Single());
        Assert.Equal((3, ConnectBytes.V5("auth", properties: [0x15, 0, 1, (byte)'m']).Length + (2 * response.Length)), sent);
    }

    [Fact]
    public async Task Authentication_BrokerClosesInTheMiddle_NoOtherIsTried()
    {
        byte[] challenge = [0xF0, 6, 0x18, 4, 0x15, 0, 1, (byte)'m'];
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(challenge, stop);
            await connection.ReadPacketAsync(stop);
        });
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker, other));
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V5("auth", properties: [0x15, 0, 1, (byte)'m']));
        Assert.Equal(challenge, await client.ReadAsync(challenge.Length));
        await client.SendAsync(challenge);
        Assert.Equal("2003008800", Convert.ToHexString((await client.ReadToEndAsync()).Bytes));
        Assert.Equal(0, other.Accepted);
    }

    [Fact]
    public async Task Authentication_ClientFallsSilent_BrokerIsNotBlamed()
    {
        byte[] challenge = [0xF0, 6, 0x18, 4, 0x15, 0, 1, (byte)'m'];
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(challenge, stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(Quick + TestNode.Backends(broker, other));
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V5("auth", properties: [0x15, 0, 1, (byte)'m']));
        Assert.Equal([.. challenge, 0x20, 3, 0, 0x88, 0], (await client.ReadToEndAsync()).Bytes);
        Assert.Equal((0, BackendBlocks.None), (node.Backend(broker).Failures, node.Backend(broker).Blocks));
        Assert.DoesNotContain(node.Log.Lines, l => l.Text.StartsWith("backend ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Authentication_ClientFloodsABrokerThatDoesNotRead_MemoryStaysBounded()
    {
        byte[] challenge = [0xF0, 6, 0x18, 4, 0x15, 0, 1, (byte)'m'];
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(challenge, stop);
            await Task.Delay(Timeout.Infinite, stop);
        });
        await using var node = await TestNode.StartAsync("connect-timeout = 2s\n" + TestNode.Backends(broker));
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V5("auth", properties: [0x15, 0, 1, (byte)'m']));
        Assert.Equal(challenge, await client.ReadAsync(challenge.Length));
        var sending = client.SendAsync(new byte[100 << 20]);
        long most = 0;
        await node.UntilAsync(() =>
        {
            most = Math.Max(most, node.Node.Reactors[0].Buffers.Rented);
            return node.Closed(CloseReason.BackendsFailed) == 1 || sending.IsCompleted;
        });
        // A buffer of 64 KiB each way, and what the next power of two adds.
        Assert.InRange(most, 1, 512 * 1024);
    }
}
