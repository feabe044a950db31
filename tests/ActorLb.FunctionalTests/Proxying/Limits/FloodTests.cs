using System.Net.Sockets;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Limits;

/// <summary>A peer that sends without end and gives nothing to go on with keeps neither its deadline away nor other clients out.</summary>
[Collection("alone")]
public sealed class FloodTests
{
    private const string Timeout = "connect-timeout = 1s";

    [Theory]
    [InlineData("pings")]
    [InlineData("pongs")]
    [InlineData("pings with a payload")]
    [InlineData("empty fragments")]
    public async Task Client_ThatNeverFinishesItsConnect_IsClosedInTime(string what)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), WebSocketBytes.Listener + Timeout,
            "listeners.plain { bind = \"127.0.0.1:0\", pool = p }");
        using var client = await node.DialAsync();
        await client.SendAsync(WebSocketBytes.Upgrade);
        // The first byte of a CONNECT.
        await client.SendAsync(MalformedFrames.Masked(what == "empty fragments" ? (byte)0x02 : (byte)0x82, [0x10]));
        await using var flood = new Flood();
        flood.Add(client.Socket, Flood.Frames(what, masked: true), reads: true);
        using (var other = await RawClient.ConnectAsync(node.Of("plain")))
        {
            await other.SendAsync(ConnectBytes.V311("other"));
            Assert.Equal(FakeBroker.ConnackBytes(0), await other.ReadAsync(4));
        }

        await node.UntilClosedAsync(CloseReason.ConnectTimeout);
    }

    [Theory]
    [InlineData("pings")]
    [InlineData("pongs")]
    [InlineData("empty fragments")]
    public async Task Broker_ThatSendsEverythingButAConnack_IsPassedOverInTime(string what)
    {
        await using var broker = FakeBroker.Start(FramedBroker.Upgrading(async (connection, stop) =>
        {
            if (what == "empty fragments")
                await connection.SendAsync((byte[])[0x02, 1, 0x20], stop);
            byte[] frames = Flood.Frames(what, masked: false);
            while (true)
                await connection.SendAsync(frames, stop);
        }));
        await using var good = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + $"websocket {{ path = \"/mqtt\" }}, retry.tries = 1, {Timeout}", "",
            $"pools.good {{ health.probe = none, {TestNode.Backends(good)} }}, listeners.good {{ bind = \"127.0.0.1:0\", pool = good }}");
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V311("a"));
        using (var other = await RawClient.ConnectAsync(node.Of("good")))
        {
            await other.SendAsync(ConnectBytes.V311("other"));
            Assert.Equal(FakeBroker.ConnackBytes(0), await other.ReadAsync(4));
        }

        Assert.Equal(FakeBroker.ConnackBytes(3), (await client.ReadToEndAsync()).Bytes);
    }

    /// <summary>MQTT 5, 4.12: between CONNECT and CONNACK a broker may send AUTH as often as it likes.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Broker_ThatSendsAuthWithoutEnd_LosesTheClientInTime(bool clientReads)
    {
        byte[] auths = [.. Enumerable.Repeat<byte[]>([0xF0, 0], 16 << 10).SelectMany(a => a)];
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            while (true)
                await connection.SendAsync(auths, stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + Timeout);
        using var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V5("a"));
        var reading = clientReads ? client.ReadToEndAsync() : Task.CompletedTask;
        await node.UntilAsync(() => node.Node.Admission.Active == 0);
        if (clientReads)
            Assert.Equal(0xF0, (await (Task<RawEnding>)reading).Bytes[0]);
    }

    /// <summary>Its pongs do not pile up in the node.</summary>
    [Fact]
    public async Task Client_ThatNeverReadsItsPongs_CostsABufferAtMost()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), WebSocketBytes.Listener);
        using var client = await node.DialAsync(receiveBuffer: 4096);
        await client.SendAsync((byte[])[.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(ConnectBytes.V311("a"))]);
        await node.UntilAsync(() => node.Sum(c => c.Relaying) == 1);
        await using var flood = new Flood();
        flood.Add(client.Socket, Flood.Frames("pings with a payload", masked: true), reads: false);
        var reactor = node.Node.Reactors.Single();
        await node.UntilAsync(
            () => reactor.Sessions.Any(s => s.Client.PendingLength > 0), () => $"No pong waits; {node.Sum(c => c.BytesFromClients)} bytes came.");
        for (int i = 0; i < 500; i++)
            Assert.InRange(await reactor.AskAsync(r => r.Buffers.Rented), 0, 32 << 10);
    }
}
