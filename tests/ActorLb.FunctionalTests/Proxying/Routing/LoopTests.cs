using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using ActorLb.Balancing;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Routing;

/// <summary>A backend that leads back to the node by a way that its configuration does not show.</summary>
public sealed class LoopTests
{
    [Theory]
    [InlineData("")]
    [InlineData("proxy-protocol = v2")]
    [InlineData("websocket = on")]
    public async Task Probe_ThatComesBack_TakesTheBackendOutAtOnceAndIsCut(string pool)
    {
        await using var forwarder = new Forwarder();
        string listener = pool switch
        {
            "" => "",
            "websocket = on" => "listeners.back { bind = \"127.0.0.1:0\", pool = p, websocket = on }",
            _ => "listeners.back { bind = \"127.0.0.1:0\", pool = p, accept-proxy-protocol { from = [\"127.0.0.0/8\"] } }",
        };
        await using var node = await TestNode.StartAsync($"backends = [\"{forwarder.EndPoint}\"], health {{ probe = mqtt, interval = 100ms }}\n{pool}", more: listener);
        string back = listener.Length == 0 ? "mqtt" : "back";
        forwarder.To = node.Of(back);

        var backend = node.Node.Pools.Single().Pool.Snapshot.Backends[0];
        await node.UntilAsync(() => backend.Health == HealthState.Down && node.Closed(CloseReason.Loop) > 0);
        string told = $"backend {backend.Id} is this node itself: its probe arrived at listener {back}; it gets no clients";
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.Contains(told, StringComparison.Ordinal)));
        await node.Log.OnlyLineAsync(l => l.Text.Contains("this node itself", StringComparison.Ordinal));
        long accepted = node.Sum(c => c.Accepted);
        Assert.Equal("20020003", Convert.ToHexString(await node.AskAsync(ConnectBytes.Of(4, "client"))));
        // The client itself and the probes of the meantime: nothing has gone round.
        Assert.InRange(node.Sum(c => c.Accepted) - accepted, 1, 20);
        Assert.InRange(node.Node.Admission.Active, 0, 2);
    }

    /// <summary>A listener of plain TCP reads no CONNECT: each probe would go round until all places are gone.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("proxy-protocol = v2")]
    public async Task Probe_ThatComesBackToAListenerOfPlainTcp_IsCut(string pool)
    {
        await using var forwarder = new Forwarder();
        await using var node = await TestNode.StartAsync(
            $"backends = [\"{forwarder.EndPoint}\"], health {{ probe = mqtt, interval = 100ms }}\n{pool}", "protocol = tcp");
        forwarder.To = node.Of("mqtt");
        var backend = node.Node.Pools.Single().Pool.Snapshot.Backends[0];
        await node.UntilAsync(() => backend.Health == HealthState.Down && node.Closed(CloseReason.Loop) > 0);
        string told = $"backend {backend.Id} is this node itself: its probe arrived at listener mqtt";
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.Contains(told, StringComparison.Ordinal)));
        // A header that came before its CONNECT may have gone round some times; what it opened ends with the cut.
        await node.UntilAsync(() => node.Node.Admission.Active <= 2);
    }

    /// <summary>On its way round a header and the CONNECT behind it may part.</summary>
    [Fact]
    public async Task Probe_WhoseConnectComesByItself_IsCut()
    {
        var probes = new ConcurrentQueue<byte[]>();
        var headers = new SemaphoreSlim(0);
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            if ((await connection.WaitForAllAsync(1, stop))[0] != 0x10)
            {
                headers.Release();
                await connection.ReadToEndAsync(stop);
                return;
            }
            probes.Enqueue(await connection.ReadPacketAsync(stop));
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync($"backends = [\"{broker.EndPoint}\"], health {{ probe = mqtt, interval = 100ms }}", "protocol = tcp");
        await node.UntilAsync(() => !probes.IsEmpty);

        using var client = await node.DialAsync();
        await client.SendAsync("PROXY UNKNOWN\r\n"u8.ToArray());
        await headers.WaitAsync(TestContext.Current.CancellationToken);
        await client.SendAsync(probes.First());
        await client.ReadToEndAsync();
        await node.UntilClosedAsync(CloseReason.Loop);
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v2")]
    public async Task Session_WithAProxyHeaderOfTheNodesOwn_IsCut(string version)
    {
        await using var forwarder = new Forwarder();
        await using var node = await TestNode.StartAsync(
            $"backends = [\"{forwarder.EndPoint}\"], proxy-protocol = {version}",
            more: "listeners.back { bind = \"127.0.0.1:0\", pool = p, accept-proxy-protocol { from = [\"127.0.0.0/8\"] } }");
        forwarder.To = node.Of("back");

        Assert.Equal("20020003", Convert.ToHexString(await node.AskAsync(ConnectBytes.Of(4, "client"))));
        await node.UntilClosedAsync(CloseReason.Loop);
        Assert.Equal(2, node.Sum(c => c.Accepted));
        await node.Log.LineAsync(l => l.Text.Contains(
            $"pool p: backend {forwarder.EndPoint} is this node itself: a connection to it arrived at listener back again, with the PROXY header of the client ", StringComparison.Ordinal));
    }

    /// <summary>Who has gone is no longer known, and a client of another balancer is never taken for the node's own.</summary>
    [Fact]
    public async Task Session_WithTheProxyHeaderOfAnotherClient_IsServed()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "proxy-protocol = v1, connect-timeout = 200ms, retry.tries = 1", "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }");
        for (int i = 0; i < 3; i++)
        {
            using var client = await node.DialAsync();
            await client.SendAsync("PROXY TCP4 192.0.2.1 192.0.2.2 5000 1883\r\n"u8.ToArray());
            await client.SendAsync(ConnectBytes.Of(4, "client"));
            await node.UntilAsync(() => broker.Accepted == i + 1);
            client.Dispose();
            await node.UntilAsync(() => node.Node.Admission.Active == 0);
        }
        Assert.Equal(0, node.Closed(CloseReason.Loop));
    }

    /// <summary>Passes bytes on, as the translation of addresses or another proxy does.</summary>
    private sealed class Forwarder : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _accepting;

        public Forwarder()
        {
            _listener.Start();
            _accepting = AcceptAsync();
        }

        public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndpoint;

        public volatile IPEndPoint? To;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            _listener.Dispose();
            await _accepting;
            _stop.Dispose();
        }

        private async Task AcceptAsync()
        {
            var passing = new List<Task>();
            try
            {
                while (true) passing.Add(PassAsync(await _listener.AcceptSocketAsync(_stop.Token)));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                await Task.WhenAll(passing);
            }
        }

        private async Task PassAsync(Socket from)
        {
            using Socket client = from, server = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                if (To is not { } to) return;
                await server.ConnectAsync(to, _stop.Token);
                await Task.WhenAll(CopyAsync(client, server), CopyAsync(server, client));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // One of the two has gone.
            }
        }

        private async Task CopyAsync(Socket from, Socket to)
        {
            byte[] buffer = new byte[4096];
            try
            {
                for (int read; (read = await from.ReceiveAsync(buffer, _stop.Token)) > 0;) await to.SendAsync(buffer.AsMemory(0, read), _stop.Token);
                to.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // A reset is passed on too.
                to.Close(0);
            }
        }
    }
}
