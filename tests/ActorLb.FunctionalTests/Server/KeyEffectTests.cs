using System.Net.Sockets;
using System.Text;
using ActorLb.Balancing;
using ActorLb.Sticky;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Server;

/// <summary>Keys of the configuration whose effect no other test shows from the file to the socket.</summary>
public sealed class KeyEffectTests
{
    [Fact]
    public async Task HttpProbe_OfAnotherPort_DecidesOverTheBackend()
    {
        string answer = "200 OK", asked = "";
        await using var health = FakeBroker.Start(async (connection, stop) =>
        {
            asked = Encoding.ASCII.GetString((await connection.ReadSomeAsync(stop)).Span);
            await connection.SendAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n"), stop);
        });
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + $"health {{ probe = http, path = \"/alive?x=1\", port = {health.EndPoint.Port}, interval = 100ms, rise = 1, fall = 2 }}");
        var backend = node.Backend(broker);
        await node.UntilAsync(() => backend.Health == HealthState.Up);
        Assert.StartsWith("GET /alive?x=1 HTTP/1.1\r\n", asked, StringComparison.Ordinal);
        answer = "503 Service Unavailable";
        await node.UntilAsync(() => backend.Health == HealthState.Down);
        answer = "200 OK";
        await node.UntilAsync(() => backend.Health == HealthState.Up);
        Assert.Equal(0, broker.Accepted);
    }

    [Fact]
    public async Task Dns_FindsTheBackends()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            $"backends {{ dns = localhost, port = {broker.EndPoint.Port}, interval = 1s, weight = 3, max-connections = 1 }}");
        await node.UntilAsync(() => node.Node.Pools.Single().Pool.Snapshot.Backends.Length > 0);
        var found = node.Node.Pools.Single().Pool.Snapshot.Find(broker.EndPoint.ToString())!;
        Assert.Equal(3, found.Weight);
        using var client = await node.OpenAsync("one");
        Assert.Equal(1, broker.Accepted);
    }

    [Fact]
    public async Task MaxEntries_BoundsTheMap()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync($"balance = sticky\n{TestNode.Backends(broker)}", more: "sticky.max-entries = 8192");
        var place = BackendRef.FromValue(node.Backend(broker).Reference);
        for (int i = 0; i < 20_000; i++) Assert.Null(await node.Node.Fleet.ImposeAsync("p", $"client-{i}", place, default));
        var stats = await node.Node.Fleet.StickyStatsAsync(["p"], default);
        Assert.InRange(stats.Entries, 4096, 8192);
        Assert.Equal(20_000, stats.Entries + stats.Evicted);
    }

    [Fact]
    public async Task Tcp_IsSetOnBothSides()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "tcp { no-delay = on, keep-alive = 77s, user-timeout = 33s }", "idle-timeout = off");
        using var client = await node.OpenAsync("one");
        await UntilWatchedAsync(node);
        Assert.Equal([(1, 1, 77, 33_000), (1, 1, 77, 33_000)], await OptionsAsync(node));

        await using var other = await TestNode.StartAsync(
            TestNode.Backends(broker) + "tcp { no-delay = off, keep-alive = off, user-timeout = off }");
        using var second = await other.OpenAsync("two");
        await UntilWatchedAsync(other);
        Assert.All(await OptionsAsync(other), o => Assert.Equal((0, 0, 0), (o.NoDelay, o.KeepAlive, o.UserTimeout)));
    }

    /// <summary>The backend's socket gets its options when the session has lasted for a second.</summary>
    private static Task UntilWatchedAsync(TestNode node) => node.UntilAsync(() => node.Node.Reactors[0].Sessions.All(s => s.BackendWatched));

    /// <summary>As the kernel has them, of the client's side and of the broker's.</summary>
    private static async Task<(int NoDelay, int KeepAlive, int Idle, int UserTimeout)[]> OptionsAsync(TestNode node)
    {
        int[] descriptors = await node.Node.Reactors[0].AskAsync(r => r.Sessions.SelectMany(s => new[] { s.Client.Fd, s.Upstream.Fd }).ToArray());
        return [.. descriptors.Select(fd =>
        {
            using var socket = new Socket(new SafeSocketHandle(fd, ownsHandle: false));
            return (Read(6, 1), Read(1, 9), Read(6, 4), Read(6, 18)); // tcp(7), socket(7): NODELAY, SO_KEEPALIVE, KEEPIDLE, USER_TIMEOUT

            int Read(int level, int name)
            {
                byte[] value = new byte[4];
                socket.GetRawSocketOption(level, name, value);
                return BitConverter.ToInt32(value);
            }
        })];
    }
}
