using System.Net.Sockets;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Hosting;

public sealed class ReloadTests
{
    [Fact]
    public async Task Reload_Connections_GoOnAndNewOnesFollowTheNewConfiguration()
    {
        await using var first = FakeBroker.Start(FakeBroker.Accepting);
        await using var second = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(first));
        var endPoint = node.EndPoint;
        using var old = await node.OpenAsync("old");
        await node.ReloadAsync(TestNode.Text(TestNode.Backends(second), "max-connections = 2"));
        Assert.Equal(endPoint, node.EndPoint);
        using var young = await node.OpenAsync("young");
        Assert.Equal((1, 1), (first.Accepted, second.Accepted));
        foreach (var client in new[] { old, young })
        {
            await client.SendAsync("more"u8.ToArray());
            Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
        }

        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("third")));
    }

    [Fact]
    public async Task Reload_ListenerAddedAndRemoved_OpensAndCloses()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        const string Second = "listeners.second { bind = \"127.0.0.1:0\", pool = p }";
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        await node.ReloadAsync(TestNode.Text(TestNode.Backends(broker), more: Second));
        var endPoint = node.Of("second");
        using var client = await RawClient.ConnectAsync(endPoint);
        await client.SendAsync(ConnectBytes.V311("x"));
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));

        await node.ReloadAsync(TestNode.Text(TestNode.Backends(broker)));
        await Assert.ThrowsAsync<System.Net.Sockets.SocketException>(() => RawClient.ConnectAsync(endPoint));
        // Whoever came through it stays.
        await client.SendAsync("more"u8.ToArray());
        Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
    }

    [Fact]
    public async Task Reload_OneListenerCannotBeOpened_NothingChanges()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var other = FakeBroker.Start(FakeBroker.Answering(5));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var error = await Assert.ThrowsAsync<IOException>(() => node.ReloadAsync(TestNode.Text(
            TestNode.Backends(other), "max-connections = 1",
            $"listeners.free {{ bind = \"127.0.0.1:0\", pool = p }}, listeners.taken {{ bind = \"{broker.EndPoint}\", pool = p }}")));
        Assert.Contains("taken", error.Message, StringComparison.Ordinal);
        Assert.Contains(broker.EndPoint.ToString(), error.Message, StringComparison.Ordinal);
        Assert.Contains("in use", error.Message, StringComparison.Ordinal);
        Assert.Equal("mqtt", Assert.Single(node.Node.Listeners).Name);
        using var one = await node.OpenAsync("one");
        using var two = await node.OpenAsync("two");
        Assert.Equal((2, 0), (broker.Accepted, other.Accepted));
    }

    [Fact]
    public async Task Reload_TcpSettings_HoldForNewClientsOfTheSameListener()
    {
        TestedPlane.DemandReactor("looks at a session's descriptor");
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "tcp { keep-alive = 60s, no-delay = on }");
        await node.ReloadAsync(TestNode.Text(TestNode.Backends(broker) + "tcp { keep-alive = 77s, no-delay = off }"));
        using var client = await node.OpenAsync("young");
        var options = await node.Node.Reactors[0].AskAsync(r =>
        {
            var socket = new Socket(new SafeSocketHandle(r.Sessions.Single().Client.Fd, ownsHandle: false));
            return ((int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime)!, socket.NoDelay);
        });
        Assert.Equal((77, false), options);
    }

    /// <summary>A data plane holds from the start on: what the running one cannot do is refused, whatever the file says of another.</summary>
    [Fact]
    public async Task Reload_WebSocketWhileTheNodeRunsOnStreams_IsRefusedAndTheNodeGoesOn()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartTextAsync(TestNode.Text(TestNode.Backends(broker)), DataPlaneKind.Streams);
        string changed = TestNode.Text(TestNode.Backends(broker), "websocket { path = \"/mqtt\" }", "node.data-plane = reactor");
        var refusal = await Assert.ThrowsAsync<IOException>(() => node.ReloadAsync(changed));
        Assert.Contains("listener mqtt: websocket", refusal.Message, StringComparison.Ordinal);
        using var client = await node.OpenAsync("still");
    }

    [Fact]
    public async Task Reload_BackendStays_ItsCountsStay()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var old = await node.OpenAsync("old");
        await node.ReloadAsync(TestNode.Text($"backends = [{{ address = \"{broker.EndPoint}\", max-connections = 1 }}]"));
        Assert.Equal(1, node.Backend(broker).Active);
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("young")));
        old.Dispose();
        await node.UntilAsync(() => node.Backend(broker).Active == 0);
    }

    [Fact]
    public async Task Reload_WhileClientsComeAndGo_NoneFails()
    {
        await using var first = FakeBroker.Start(FakeBroker.Accepting);
        await using var second = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(first), more: "node.workers = 2");
        using var end = new CancellationTokenSource();
        var coming = Task.WhenAll(Enumerable.Range(0, 4).Select(n => Task.Run(async () =>
        {
            int clients = 0;
            while (!end.IsCancellationRequested)
            {
                using var client = await node.OpenAsync($"{n}-{clients++}");
                await client.SendAsync("x"u8.ToArray());
                Assert.Single(await client.ReadAsync(1));
            }

            return clients;
        })));
        for (int i = 0; i < 30; i++)
            await node.ReloadAsync(TestNode.Text(TestNode.Backends(i % 2 == 0 ? second : first), $"limits.per-address = {1000 + i}"));
        await end.CancelAsync();
        Assert.All(await coming, n => Assert.NotEqual(0, n));
        Assert.Equal(0, node.Closed(CloseReason.Internal));
        await node.UntilAsync(() => node.Node.Admission.Active == 0);
    }
}
