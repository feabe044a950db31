using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ActorLb.Cluster;

namespace ActorLb.Tests.Cluster.Transport;

/// <summary>A network that swallows bytes without a word, as a pulled cable, a firewall or a stopped process does.</summary>
public sealed class CutLinkTests
{
    [Fact]
    [Trait("speed", "slow")]
    public async Task Cut_BothSidesNoticeWithinSeconds_AndMeetAgainAfterIt()
    {
        await using var a = await PeerNode.StartAsync("a");
        await using var b = await PeerNode.StartAsync("b");
        await using var relay = new Relay(b.Transport.Port);
        var link = a.Transport.Connect(new PeerEndpoint(b.Self.Id, relay.Address));
        Assert.Equal("up b", await a.EventAsync());
        Assert.Equal("up a", await b.EventAsync());
        relay.Cut();
        var clock = Stopwatch.StartNew();
        Assert.StartsWith("down b: ", await a.EventAsync(), StringComparison.Ordinal);
        Assert.StartsWith("down a: ", await b.EventAsync(), StringComparison.Ordinal);
        Assert.InRange(clock.ElapsedMilliseconds, 0, 10_000);
        TestContext.Current.TestOutputHelper?.WriteLine($"noticed by both after {clock.ElapsedMilliseconds} ms");
        Assert.False(link.IsUp);
        relay.Heal();
        Assert.Equal("up b", await a.EventAsync());
        Assert.True(link.Send(PeerNode.Frame(1), PeerLane.Calls));
        Assert.Equal(PeerNode.Frame(1), await b.FrameAsync());
    }

    /// <summary>Passes TCP connections on, until it is cut: then it keeps them open and passes nothing.</summary>
    private sealed class Relay : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stop = new();
        private readonly List<Socket> _sockets = [];
        private readonly Task _accepting;
        private volatile bool _cut;

        public Relay(int port)
        {
            _listener.Start();
            _accepting = AcceptAsync(port);
        }

        public string Address => $"{_listener.LocalEndpoint}";

        public void Cut() => _cut = true;

        public void Heal() => _cut = false;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _accepting;
            _sockets.ForEach(s => s.Dispose());
            _listener.Dispose();
            _stop.Dispose();
        }

        private async Task AcceptAsync(int port)
        {
            var pumps = new List<Task>();
            try
            {
                while (true)
                {
                    var near = await _listener.AcceptSocketAsync(_stop.Token);
                    var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
                    await far.ConnectAsync(IPAddress.Loopback, port, _stop.Token);
                    _sockets.AddRange([near, far]);
                    pumps.AddRange([PumpAsync(near, far), PumpAsync(far, near)]);
                }
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(pumps);
            }
        }

        private async Task PumpAsync(Socket from, Socket to)
        {
            var buffer = new byte[16 << 10];
            try
            {
                for (int n; (n = await from.ReceiveAsync(buffer, _stop.Token)) > 0;)
                {
                    // What was cut once stays cut: bytes are missing.
                    if (_cut)
                    {
                        await Task.Delay(Timeout.Infinite, _stop.Token);
                    }

                    await to.SendAsync(buffer.AsMemory(0, n), _stop.Token);
                }

                to.Shutdown(SocketShutdown.Send);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // Over.
            }
        }
    }
}
