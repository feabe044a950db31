using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.FunctionalTests.Tls;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.FunctionalTests.Proxying.Reactors;

/// <summary>
/// A client that sends its CONNECT and a message and resets at once, as one does that closes with something unread: its broker gets
/// what came before the reset, wherever the session stood when it came.
/// </summary>
public sealed class ResetBehindDataTests : IDisposable
{
    private readonly TestCertificates _ca = new();
    private readonly TaskCompletionSource _connack = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Dispose() => _ca.Dispose();

    public enum When
    {
        /// <summary>Everything is there when the node first looks.</summary>
        AtOnce,

        /// <summary>While the broker is still to answer the CONNECT.</summary>
        BeforeTheConnack,

        /// <summary>While the broker is still to answer the CONNECT, and both its answer and the reset come together.</summary>
        WithTheConnack,
    }

    // Within the first read, beyond it, beyond what is read ahead and beyond what a broker's socket takes at once.
    public static MatrixTheoryData<string, When, int> Cases =>
        new(["tcp", "tls", "ws", "wss"], [When.AtOnce, When.BeforeTheConnack, When.WithTheConnack], [10, 3_000, 100_000]);

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Client_ThatResetsBehindItsMessage_BrokerGetsTheMessage(string transport, When when, int size)
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            if (when != When.AtOnce)
                await _connack.Task.WaitAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadToEndAsync(stop);
        });
        bool tls = transport is "tls" or "wss";
        bool framed = transport is "ws" or "wss";
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), (tls ? TlsListener.With(_ca.Server(["localhost"])) : "")
            + (framed ? WebSocketBytes.Listener : ""));
        byte[] connect = ConnectBytes.V311("gone");
        byte[] all = [.. connect, .. ConnectBytes.Publish("t", new byte[size])];
        byte[] sent = framed ? [.. WebSocketBytes.Upgrade, .. all.Chunk(20_000).SelectMany(c => WebSocketBytes.Binary(c))] : all;

        if (when == When.AtOnce)
        {
            await using (await ResettingAsync(node, tls, sent))
            {
            }
        }
        else
        {
            await SendAndResetBeforeTheConnackAsync(node, broker, tls, sent, when);
        }

        var connection = await broker.NextConnectionAsync();
        Assert.Equal(all, await connection.WaitForReceivedAsync(all.Length));
        await connection.Ended.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken);
        await node.UntilClosedAsync(CloseReason.ClientReset);
        await node.UntilAsync(() => node.Node.Admission.Active == 0);
    }

    /// <summary>A client that left nothing behind its CONNECT is no broker's business.</summary>
    [Fact]
    public async Task Client_ThatResetsBehindItsConnect_IsGone()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var client = await node.DialAsync();
        await client.SendAsync(ConnectBytes.V311("gone"));
        await (await broker.NextConnectionAsync()).WaitForReceivedAsync(1);
        client.Abort();
        await node.UntilClosedAsync(CloseReason.ClientGone);
    }

    [Fact]
    public async Task Client_ThatPublishesToABusyBrokerAndResets_BrokerGetsAllOfIt()
    {
        var go = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync((byte[])[.. FakeBroker.ConnackBytes(0), .. ConnectBytes.Publish("t", "unread by the client"u8)], stop);
            await go.Task.WaitAsync(stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var client = await node.OpenAsync("busy");
        // More than the sockets towards the broker hold; the rest lies in the node and before it.
        byte[] message = ConnectBytes.Publish("t", new byte[1 << 20]);
        client.Socket.Blocking = false;
        var error = SocketError.Success;
        bool IsFull() => error == SocketError.WouldBlock && node.Node.Reactors[0].Sessions.Any(s => s.Upstream.PendingLength > 0);
        // For a moment all may wait while the sockets behind still take some: full is what stays so over many turns of the reactor.
        for (int sent = 0, full = 0; full < 50; full = IsFull() ? full + 1 : 0)
        {
            sent += Math.Max(0, client.Socket.Send(message.AsSpan(sent % message.Length), SocketFlags.None, out error));
            await node.Node.Reactors[0].AskAsync(_ => true);
        }

        client.Abort();
        var reader = await broker.NextConnectionAsync();
        go.SetResult();
        await reader.Ended.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken);
        await node.UntilClosedAsync(CloseReason.ClientReset);
        // What had come to the node's machine: an RST takes with it what has not left the client's.
        long expected = await node.Node.Reactors[0].AskAsync(r => r.Counters.BytesFromClients);
        Assert.Equal(expected, reader.Received.Length);
        Assert.InRange(expected, 1 << 20, long.MaxValue);
    }

    private static async Task<HeldReactor> ResettingAsync(TestNode node, bool tls, byte[] bytes)
    {
        if (!tls)
        {
            var client = await node.DialAsync();
            var held = await HeldReactor.OfAsync(node);
            await client.SendPiecesAsync(bytes);
            client.Abort();
            return held;
        }

        using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
        var secure = new NativeClient(context, node.EndPoint, "localhost");
        secure.Step();
        Assert.True(secure.Socket.Poll(Wait.Patience, SelectMode.SelectRead));
        // The client's Finished comes with all the rest, before the tickets are made.
        var holding = await HeldReactor.OfAsync(node);
        Assert.Equal(HandshakeStatus.Done, secure.Handshake());
        await WriteAsync(secure, bytes);
        secure.Abort();
        return holding;
    }

    private async Task SendAndResetBeforeTheConnackAsync(TestNode node, FakeBroker broker, bool tls, byte[] bytes, When when)
    {
        Action abort;
        if (tls)
        {
            using var context = TlsClientContext.Build(new UpstreamTlsOptions(null, null, false, null, null));
            var client = new NativeClient(context, node.EndPoint, "localhost");
            Assert.Equal(HandshakeStatus.Done, client.Handshake());
            await WriteAsync(client, bytes);
            abort = client.Abort;
        }
        else
        {
            var client = await node.DialAsync();
            await client.SendPiecesAsync(bytes);
            abort = client.Abort;
        }

        await node.UntilAsync(() => broker.Accepted == 1 && node.Node.Reactors[0].Sessions.Any(s => s.Phase == Phase.Connack));
        if (when == When.WithTheConnack)
        {
            await using (await HeldReactor.OfAsync(node))
            {
                _connack.SetResult();
                // For the broker's thread to send it: the reactor, which could tell, is held.
                await Task.Delay(20, TestContext.Current.CancellationToken);
                abort();
            }

            return;
        }

        abort();
        // Behind the event of the reset.
        for (int i = 0; i < 3; i++)
            await node.Node.Reactors[0].AskAsync(_ => true);
        _connack.SetResult();
    }

    private static async Task WriteAsync(NativeClient client, byte[] bytes)
    {
        for (int at = 0; at < bytes.Length;)
        {
            var result = client.Tls.Write(bytes.AsSpan(at));
            if (result.Status == TlsIoStatus.WantWrite)
                client.Socket.Poll(Wait.Patience, SelectMode.SelectWrite);
            else
                at += result.Count;
        }

        // RST takes back what has not left.
        await Task.Delay(20, TestContext.Current.CancellationToken);
    }
}
