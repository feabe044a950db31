using System.Diagnostics;
using System.Net.Sockets;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Limits;

/// <summary>
/// Twenty peers that send small frames as fast as they are read share a reactor with a hundred that send a message and wait for its
/// echo. Rounds with and without the twenty take turns, and the best of each kind are compared: what else the machine does meanwhile
/// slows both.
/// </summary>
public sealed class FairnessTests(ITestOutputHelper output)
{
    private const int Honest = 100;
    private const int Attackers = 20;
    private const int Bursts = 40;
    private const int Rounds = 6;

    [Theory]
    [Trait("speed", "slow")]
    [InlineData("pings", "before the CONNECT", true)]
    [InlineData("pings", "before the CONNECT", false)]
    [InlineData("pings", "behind the CONNECT", true)]
    [InlineData("pings with a payload", "behind the CONNECT", true)]
    [InlineData("pongs", "behind the CONNECT", false)]
    [InlineData("empty fragments", "behind the CONNECT", false)]
    [InlineData("pings", "through", false)]
    [InlineData("pings", "from the broker", false)]
    [InlineData("pings", "from the broker before its CONNACK", false)]
    public async Task HonestClients_BesideFloods_AreServedInTime(string frames, string where, bool reads)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        Flood? flood = null;
        await using var evil = FakeBroker.Start(EvilBroker(where, connection => flood!.Add(connection.Socket, Flood.Frames(frames, masked: false), reads: true)));
        bool framed = where is "through" or "from the broker" or "from the broker before its CONNACK";
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "", $$"""
            pools.evil { health.probe = none, {{TestNode.Backends(framed ? evil : broker).Trim()}}, connect-timeout = 600s, retry.timeout = 900s
              {{(framed ? "websocket { path = \"/mqtt\" }" : "")}} }
            listeners.evil { bind = "127.0.0.1:0", pool = evil, connect-timeout = 600s, {{WebSocketBytes.Listener}} }
            """);
        var clients = new List<RawClient>();
        for (int i = 0; i < Honest; i++)
        {
            clients.Add(await node.OpenAsync($"honest-{i}"));
            clients[i].Socket.Blocking = true;
        }

        double quiet = double.MaxValue, attacked = double.MaxValue;
        for (int round = 0; round < Rounds && (round < 2 || attacked > 5 * quiet); round++)
        {
            quiet = Math.Min(quiet, await MeasureAsync(clients));
            flood = new Flood();
            for (int i = 0; i < Attackers; i++)
                await AttackAsync(await RawClient.ConnectAsync(node.Of("evil")), frames, where, reads, flood);
            await node.UntilAsync(() => node.Node.Admission.Active == Honest + Attackers);
            attacked = Math.Min(attacked, await MeasureAsync(clients));
            await flood.DisposeAsync();
            await node.UntilAsync(() => node.Node.Admission.Active == Honest);
        }

        output.WriteLine($"p99 of an echo: {quiet:0.000} ms without, {attacked:0.000} ms beside");
        Assert.InRange(attacked, 0, 5 * quiet);
        foreach (var client in clients)
            client.Dispose();
    }

    private static FakeBrokerScript EvilBroker(string where, Action<FakeBrokerConnection> flood)
    {
        FakeBrokerScript flooding = (connection, stop) =>
        {
            flood(connection);
            return new TaskCompletionSource().Task.WaitAsync(stop);
        };
        return where switch
        {
            "from the broker" => FramedBroker.Accepting(flooding),
            "from the broker before its CONNACK" => FramedBroker.Upgrading(flooding),
            _ => FramedBroker.Accepting((connection, stop) => connection.ReadToEndAsync(stop)),
        };
    }

    private static async Task AttackAsync(RawClient client, string frames, string where, bool reads, Flood flood)
    {
        byte first = frames == "empty fragments" ? (byte)0x02 : (byte)0x82;
        await client.SendAsync(WebSocketBytes.Upgrade);
        await client.SendAsync(where == "before the CONNECT"
            ? MalformedFrames.Masked(first, [0x10]) : WebSocketBytes.Binary(ConnectBytes.V311("attacker")));
        if (frames == "empty fragments" && where != "before the CONNECT")
            await client.SendAsync(MalformedFrames.Masked(first, []));
        // Where its broker floods the node, it only takes what comes.
        byte[] bytes = where.StartsWith("from", StringComparison.Ordinal) ? [] : Flood.Frames(frames, masked: true);
        flood.Add(client.Socket, bytes, reads || bytes.Length == 0);
    }

    /// <summary>
    /// The 99th percentile of an echo in milliseconds, where all clients send at the same time: the median over the bursts, since a
    /// moment in which the machine did something else makes all of a burst late.
    /// </summary>
    private static Task<double> MeasureAsync(List<RawClient> clients) => Task.Factory.StartNew(
        () =>
        {
            double[] bursts = new double[Bursts];
            double[] times = new double[clients.Count];
            long[] began = new long[clients.Count];
            byte[] buffer = new byte[2];
            for (int burst = 0; burst < Bursts; burst++)
            {
                for (int i = 0; i < clients.Count; i++)
                {
                    began[i] = Stopwatch.GetTimestamp();
                    clients[i].Socket.Send([0xC0, 0]);
                }

                for (int i = 0; i < clients.Count; i++)
                {
                    for (int read = 0; read < 2;)
                        read += clients[i].Socket.Receive(buffer, SocketFlags.None);
                    times[i] = Stopwatch.GetElapsedTime(began[i]).TotalMilliseconds;
                }

                Array.Sort(times);
                bursts[burst] = times[(times.Length * 99 / 100) - 1];
            }

            Array.Sort(bursts);
            return bursts[Bursts / 2];
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
