using ActorLb.FunctionalTests.Tls;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>The closing handshake (RFC 6455, section 7.1.2).</summary>
public sealed class ClosingTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Fact]
    public async Task Close_OfTheClient_IsAnsweredAndTheLastThingItGets()
    {
        // The broker learns that the client is gone, and has still something to say (RFC 6455, section 5.5.1: nothing may follow).
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadToEndAsync(stop);
            await connection.SendAsync(ConnectBytes.Publish("t", new byte[100]), stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), WebSocketBytes.Listener);
        using var client = await node.DialAsync();
        await client.SendAsync((byte[])[.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(ConnectBytes.V311("a"))]);
        await node.UntilAsync(() => node.Sum(c => Volatile.Read(ref c.Relaying)) == 1);
        await client.SendAsync(MalformedFrames.Masked(0x88, [0x03, 0xE9, (byte)'x']));

        var (_, rest) = WebSocketBytes.Split((await client.ReadToEndAsync()).Bytes);
        Assert.Equal((byte[])[0x82, 4, 0x20, 2, 0, 0, 0x88, 2, 0x03, 0xE9], rest);
        await node.UntilClosedAsync(CloseReason.ClientClosed);
    }

    [Fact]
    public async Task Drain_OfAClientBeforeMqtt5_SaysGoingAway()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), WebSocketBytes.Listener);
        using var client = await node.DialAsync();
        await client.SendAsync((byte[])[.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(ConnectBytes.V311("a"))]);
        await node.UntilAsync(() => node.Sum(c => Volatile.Read(ref c.Relaying)) == 1);
        var drain = node.Node.DrainAsync(TimeSpan.FromMilliseconds(200), TestContext.Current.CancellationToken);
        var (_, rest) = WebSocketBytes.Split((await client.ReadToEndAsync()).Bytes);
        client.Dispose();
        await drain;
        Assert.Equal(1001, WebSocketBytes.CloseCode(rest));
    }

    /// <summary>What waits for a place is told of it by another thread: the session must be out of the queue when its TLS is freed.</summary>
    [Fact]
    public async Task BadFrame_WhileTheBackendsHandshakeWaitsForItsTurn_EndsThatSessionAlone()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "tls { verify = off }",
            TlsListener.With(_ca.Server(["localhost"]), "max-handshakes = 1, handshake-timeout = 60s") + WebSocketBytes.Listener);
        await using var client = await SecureClient.ConnectAsync(node.EndPoint);
        await node.UntilAsync(() => node.Node.Handshakes.Handshakes == 0);
        var held = new HeldPlaces(node.Node.Handshakes);
        await client.SendAsync((byte[])[.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(ConnectBytes.V311("a"))]);
        await node.UntilAsync(() => node.Node.Handshakes.Waiting == 1);

        await client.SendAsync(MalformedFrames.Masked(0x81, "text"u8));
        await node.UntilClosedAsync(CloseReason.BadFrame);
        Assert.Equal((1, 0), (node.Node.Handshakes.Handshakes, node.Node.Handshakes.Waiting));
        held.Dispose();
        await node.UntilAsync(() => node.Node.Handshakes.Handshakes == 0 && node.Node.Admission.Active == 0);
        var (_, rest) = WebSocketBytes.Split(await client.ReadAsync(4096));
        Assert.Equal(1003, WebSocketBytes.CloseCode(rest));
    }

    [Theory]
    [InlineData("8800", "it sent a close frame")]
    [InlineData("F100", "its WebSocket frames break the protocol")]
    public async Task Backend_AnswersTheConnectWithNoMessage_IsLoggedAndTheClientRefused(string frame, string reason)
    {
        await using var bad = FakeBroker.Start(FramedBroker.Upgrading(async (connection, stop) =>
        {
            await connection.SendAsync(Convert.FromHexString(frame), stop);
            await connection.ReadToEndAsync(stop);
        }));
        await using var node = await TestNode.StartAsync("retry.tries = 1\nwebsocket { path = \"/mqtt\" }\n" + TestNode.Backends(bad));
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("nobody")));
        Assert.Equal(
            (LogLevel.Warning, $"backend {bad.EndPoint} of pool p sent no CONNACK: {reason}"),
            await node.Log.OnlyLineAsync(l => l.Text.StartsWith("backend ", StringComparison.Ordinal)));
    }
}
