using ActorLb.FunctionalTests.Tls;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tls;

namespace ActorLb.FunctionalTests.Proxying;

/// <summary>A session whose broker has ended counts for it no longer, and its client is not kept for long.</summary>
public sealed class EndedBackendTests
{
    private static readonly byte[] Large = ConnectBytes.Publish("t", new byte[16 << 20]);

    /// <summary>A broker that goes and comes back on the same port: its old sessions end by FIN, their clients stay.</summary>
    [Theory]
    [InlineData("balance = least-connections\n", "")]
    [InlineData("", "max-connections = 2")]
    public async Task Broker_BackAfterAFin_GetsClientsAtOnce(string pool, string backend)
    {
        var gone = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(EndingAfter(gone.Task));
        await using var other = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            $"{pool}backends = [{{ address = \"{broker.EndPoint}\", {backend} }}, {{ address = \"{other.EndPoint}\", {backend} }}]");
        using var before = await Clients.OpenAsync(node, 4);
        Assert.Equal((2, 2), (broker.Accepted, other.Accepted));
        broker.Script = FakeBroker.Accepting;
        gone.SetResult();
        await node.UntilAsync(() => node.Backend(broker).Active == 0);

        using var after = await Clients.OpenAsync(node, 2, "after");
        Assert.Equal((4, 2), (broker.Accepted, other.Accepted));
        Assert.Equal((2, 2), (node.Backend(broker).Active, node.Backend(other).Active));
    }

    [Fact]
    public async Task Fin_BehindWhatTheClientDoesNotTake_SessionCountsNoLonger()
    {
        TestedPlane.DemandReactor("a stream sees the end of what it has not read only when it has");
        TestNode? started = null;
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            // No more than the sockets hold, or the FIN waits in this one.
            for (int at = 0; !Backlogged(started!); at += 32 << 10)
                await connection.SendAsync(Large.AsMemory(at, 32 << 10), stop);
            connection.HalfClose();
            await connection.ReadToEndAsync(stop);
        });
        await using var node = started = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.DialAsync(receiveBuffer: 4096);
        await client.SendAsync(ConnectBytes.V311("slow"));
        await node.UntilAsync(() => Backlogged(node) && node.Backend(broker).Active == 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ClosingHandshake_OfAWebSocketBackendWithoutFin_SessionCountsNoLonger(bool withTheConnack)
    {
        byte[] connack = [0x82, 4, .. FakeBroker.ConnackBytes(0)], close = [0x88, 2, 0x03, 0xE8];
        var relays = new TaskCompletionSource();
        await using var broker = FakeBroker.Start(FramedBroker.Upgrading(async (connection, stop) =>
        {
            await connection.SendAsync(withTheConnack ? [.. connack, .. close] : connack, stop);
            await relays.Task.WaitAsync(stop);
            if (!withTheConnack)
                await connection.SendAsync(close, stop);
            await connection.ReadToEndAsync(stop);
        }));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "websocket = on");
        using var client = await node.OpenAsync("a");
        relays.SetResult();
        await node.UntilAsync(() => node.Backend(broker).Active == 0);
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        client.HalfClose();
        await node.UntilClosedAsync(CloseReason.BackendClosed);
    }

    [Fact]
    public async Task CloseFrame_BehindAPartOfTheConnack_NextBackendIsTried()
    {
        await using var broker = FakeBroker.Start(FramedBroker.Upgrading(async (connection, stop) =>
        {
            await connection.SendAsync((byte[])[0x82, 2, 0x20, 2, 0x88, 2, 0x03, 0xE8], stop);
            await connection.ReadToEndAsync(stop);
        }));
        await using var other = FakeBroker.Start(FramedBroker.Accepting((connection, stop) => connection.ReadToEndAsync(stop)));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker, other) + "websocket = on");
        using var client = await node.OpenAsync("a");
        Assert.Equal((1, 1), (broker.Accepted, other.Accepted));
    }

    [Fact]
    public async Task CloseNotify_OfATlsBackendWithoutFin_SessionCountsNoLonger()
    {
        using var ca = new TestCertificates();
        using var server = new NativeServer(ca.Server(["127.0.0.1"]));
        await using var node = await TestNode.StartAsync($"backends = [\"{server.EndPoint}\"], tls {{ verify = off }}");
        var opening = node.OpenAsync("a");
        using var backend = await server.AcceptAsync();
        backend.ReadExactly(ConnectBytes.V311("a").Length);
        backend.Write(FakeBroker.ConnackBytes(0));
        using var client = await opening;
        var counted = node.Node.Pools.Single().Pool.Snapshot.Backends[0];
        Assert.Equal(1, counted.Active);

        Assert.Equal(TlsIoStatus.Ok, backend.Tls.Shutdown());
        await node.UntilAsync(() => counted.Active == 0);
    }

    [Theory]
    [InlineData(true, Relay.EndedBackendTimeout, Relay.EndedBackendTimeout, true)]
    [InlineData(true, Relay.EndedBackendTimeout, Relay.EndedBackendTimeout - 4000, false)]
    [InlineData(true, Relay.HalfCloseTimeout, 0, true)]
    [InlineData(false, Relay.EndedBackendTimeout, Relay.EndedBackendTimeout, false)]
    [InlineData(false, Relay.HalfCloseTimeout, Relay.HalfCloseTimeout, true)]
    public async Task Client_ThatStaysAfterItsBrokersEnd_HasABoundedTime(bool mqtt, int sinceTheEnd, int silence, bool closed)
    {
        await using var broker = FakeBroker.Start(mqtt ? EndingAfter(Task.CompletedTask) : HalfClosing);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), mqtt ? "" : "protocol = tcp");
        using var client = mqtt ? await node.OpenAsync("stays") : await node.DialAsync();
        await node.UntilAsync(() => broker.Accepted == 1 && node.Backend(broker).Active == 0 && node.Sum(c => Volatile.Read(ref c.Relaying)) == 1);
        await node.Node.Reactors[0].AskAsync(reactor =>
        {
            var session = reactor.Sessions.Single();
            session.BackendEndedAt -= sinceTheEnd;
            session.LastActivity = reactor.Now - silence;
            reactor.Flow.Expired(session);
            return true;
        });
        Assert.Equal(closed ? 0 : 1, node.Sum(c => Volatile.Read(ref c.Relaying)));
        if (!closed)
            return;
        Assert.Equal(new RawEnding([], Reset: false), await client.ReadToEndAsync(), (a, b) => a!.Reset == b!.Reset && a.Bytes.Length == b.Bytes.Length);
        client.HalfClose();
        await node.UntilClosedAsync(CloseReason.BackendClosed);
    }

    [Fact]
    public async Task Kicked_AfterItsBrokersEnd_IsClosedAsKicked()
    {
        await using var broker = FakeBroker.Start(EndingAfter(Task.CompletedTask));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var client = await node.OpenAsync("kicked");
        await node.UntilAsync(() => broker.Accepted == 1 && node.Backend(broker).Active == 0);
        Assert.Equal(1, await node.Node.Sessions.KickAsync("kicked", TestContext.Current.CancellationToken));
        Assert.False((await client.ReadToEndAsync()).Reset);
        client.HalfClose();
        await node.UntilAsync(() => node.Node.Admission.Active == 0);
        Assert.Equal(0, node.Backend(broker).Active);
    }

    /// <summary>Nothing of the client is read while its broker takes nothing, its end neither.</summary>
    [Fact]
    public async Task Client_GoneBehindWhatItsBrokerDoesNotTake_IsClosedInTime()
    {
        TestedPlane.DemandReactor("a stream sees the end of what it has not read only when it has");
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await Task.Delay(Timeout.Infinite, stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "tcp.user-timeout = off");
        using var client = await node.OpenAsync("gone");
        var sending = client.SendAsync(Large);
        await node.UntilAsync(() => node.Node.Reactors[0].AskAsync(r => r.Sessions.Single().Upstream.PendingLength > 0).GetAwaiter().GetResult());
        client.Abort();
        await Assert.ThrowsAnyAsync<Exception>(() => sending);
        await node.UntilAsync(() => node.Node.Reactors[0].AskAsync(r => r.Sessions.Single().Client.PeerClosed).GetAwaiter().GetResult());
        await node.Node.Reactors[0].AskAsync(reactor =>
        {
            var session = reactor.Sessions.Single();
            session.LastActivity = reactor.Now - Relay.HalfCloseTimeout;
            reactor.Flow.Expired(session);
            return true;
        });
        await node.UntilClosedAsync(CloseReason.ClientClosed);
    }

    private static bool Backlogged(TestNode node) =>
        node.Node.Reactors[0].AskAsync(r => r.Sessions.Any(s => s.Client.PendingLength > 0)).GetAwaiter().GetResult();

    private static FakeBrokerScript EndingAfter(Task end) => async (connection, stop) =>
    {
        await connection.ReadPacketAsync(stop);
        await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
        await end.WaitAsync(stop);
        connection.HalfClose();
        await connection.ReadToEndAsync(stop);
    };

    private static FakeBrokerScript HalfClosing { get; } = (connection, stop) =>
    {
        connection.HalfClose();
        return connection.ReadToEndAsync(stop);
    };
}
