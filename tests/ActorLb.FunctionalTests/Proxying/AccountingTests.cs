using System.Net;
using ActorLb.Configuration;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying;

/// <summary>Sessions that end in every way at once: whatever happened, all that was counted or lent is given back.</summary>
public sealed class AccountingTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Sessions_OfRandomFates_LeaveNothingBehind(int workers)
    {
        // Of streams each connection has an actor: 10,000 in both cases together.
        int clientCount = TestedPlane.Kind == DataPlaneKind.Streams ? 5000 : 1500;
        const int AtOnce = 50;
        await using var good = FakeBroker.Start(FakeBroker.Accepting);
        await using var moody = FakeBroker.Start(Moody());
        await using var node = await TestNode.StartAsync(
            $$"""
            balance = sticky, place = random, connect-timeout = 50ms, retry { tries = 2, timeout = 200ms }
            source-addresses = ["127.0.0.31", "127.0.0.32"]
            backends = [{ address = "{{good.EndPoint}}", max-connections = 30 }, { address = "{{moody.EndPoint}}", max-fails = 0 }]
            """,
            "connect-timeout = 50ms, idle-timeout = 100ms, max-connections = 45, limits.per-address { connections = 20, rate = 10000 }",
            $"node.workers = {workers}");
        int next = 0;
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) <= clientCount;)
                await LiveAsync(node, i);
        }));

        await node.UntilAsync(() => node.Node.Admission.Active == 0);
        Assert.Equal(clientCount, node.Sum(c => c.Accepted));
        Assert.Equal(clientCount, Enum.GetValues<CloseReason>().Sum(node.Closed));
        Assert.Equal((0, 0), (node.Closed(CloseReason.Internal), node.Closed(CloseReason.None)));
        Assert.Equal((0, 0), (node.Backend(good).Active, node.Backend(moody).Active));
        Assert.Equal(0, Assert.Single(node.Node.Listeners).Active);
        Assert.All(node.Node.Pools.Single().Sources!.Held(), h => Assert.Equal(0, h.Held));
        foreach (var reactor in node.Node.Reactors)
        {
            Assert.Equal((0, 0L), (await reactor.AskAsync(r => r.SessionCount), reactor.Buffers.Rented));
            var c = reactor.Counters;
            Assert.Equal((0L, 0L, 0L, 0L), (c.Reading, c.Connecting, c.Relaying, c.Lingering));
        }

        // A graph ends when its connections are closed.
        await node.UntilAsync(() => node.Graphs == 0, () => $"{node.Graphs} graphs are left.");
        // Every limit is free again: as many clients as the listener takes come in.
        moody.Script = FakeBroker.Accepting;
        var clients = new List<RawClient>();
        for (int i = 0; i < 40; i++)
            clients.Add(await node.OpenAsync($"after-{i}", from: IPAddress.Parse($"127.0.0.{50 + (i % 3)}")));
        clients.ForEach(c => c.Dispose());
        Assert.DoesNotContain(node.Log.Lines, l => l.Level == Microsoft.Extensions.Logging.LogLevel.Error && l.Text.Contains("session of", StringComparison.Ordinal));
    }

    private static async Task LiveAsync(TestNode node, int seed)
    {
        var random = new Random(seed);
        int version = random.Next(3, 6);
        byte[] connect = random.Next(8) == 0 ? "GET / HTTP/1.1\r\n\r\n"u8.ToArray() : ConnectBytes.Of(version, $"c{random.Next(200)}");
        byte[] all = [.. connect, .. ConnectBytes.Publish("t", new byte[random.Next(0, 20_000)])];
        try
        {
            using var client = await node.DialAsync(IPAddress.Parse($"127.0.0.{50 + random.Next(3)}"));
            await client.SendAsync(all.AsMemory(0, random.Next(4) == 0 ? random.Next(all.Length) : all.Length));
            switch (random.Next(6))
            {
                case 0:
                    client.Abort();
                    break;
                case 1:
                    client.HalfClose();
                    await client.ReadToEndAsync();
                    break;
                case 2:
                    await client.ReadAsync(4);
                    client.Abort();
                    break;
                case 3:
                    await client.ReadAsync(random.Next(1, 6));
                    break;
                case 4:
                    await client.ReadToEndAsync();
                    break;
                default:
                    break;
            }
        }
        catch (System.Net.Sockets.SocketException)
        {
            // One of the fates.
        }
    }

    private static FakeBrokerScript Moody()
    {
        int visits = 0;
        FakeBrokerScript[] moods =
        [
            FakeBroker.CloseAtOnce, FakeBroker.ResetAtOnce, FakeBroker.ResetOnData, FakeBroker.Silent, FakeBroker.Answering(3),
            FakeBroker.Answering(5), FakeBroker.Accepting,
            async (connection, stop) =>
            {
                await connection.ReadPacketAsync(stop);
                await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
                connection.Abort();
            },
            async (connection, stop) =>
            {
                await connection.ReadPacketAsync(stop);
                await connection.SendAsync("no MQTT"u8.ToArray(), stop);
            },
        ];
        return (connection, stop) => moods[Interlocked.Increment(ref visits) % moods.Length](connection, stop);
    }
}
