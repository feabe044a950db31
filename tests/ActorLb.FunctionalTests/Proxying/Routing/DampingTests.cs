using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Routing;

/// <summary>sticky.damping: devices that take one client id's session from each other.</summary>
public sealed class DampingTests
{
    private const string Damping = "sticky.damping { takeovers = 3, within = 1m, delay = 1h }";

    /// <summary>A broker that keeps to MQTT 3.1.4-3: a new session of an id ends the old one. A DISCONNECT ends it too.</summary>
    private static FakeBrokerScript TakingOver()
    {
        var sessions = new ConcurrentDictionary<string, FakeBrokerConnection>();
        return async (connection, stop) =>
        {
            byte[] connect = await connection.ReadPacketAsync(stop);
            FakeBrokerConnection? old = null;
            sessions.AddOrUpdate(Encoding.UTF8.GetString(connect)[^4..], connection, (_, known) =>
            {
                old = known;
                return connection;
            });
            try
            {
                if (old is { Ended.IsCompleted: false })
                    old.HalfClose();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // Its client was quicker.
            }

            await connection.SendAsync(FakeBroker.ConnackBytes(0, ConnectBytes.LevelOf(connect)), stop);
            while ((await connection.ReadPacketAsync(stop))[0] != 0xE0)
            {
                // Anything but a DISCONNECT.
            }
        };
    }

    [Theory]
    [InlineData("round-robin")]
    [InlineData("sticky")]
    public async Task Devices_TakeASessionFromEachOther_AreRefusedAndTheOneThatHasItStays(string balance)
    {
        await using var broker = FakeBroker.Start(TakingOver());
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + $"balance = {balance}", more: Damping);
        var holds = await node.OpenAsync("twin");
        for (int i = 1; i <= 3; i++)
        {
            var next = await node.OpenAsync("twin");
            await holds.ReadToEndAsync();
            holds.Dispose();
            await node.UntilClosedAsync(CloseReason.BackendClosed, i);
            holds = next;
        }

        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("twin")));
        Assert.Equal(FakeBroker.ConnackBytes(0x9F, 5), await node.AskAsync(ConnectBytes.V5("twin")));
        await node.UntilClosedAsync(CloseReason.Damped, 2);
        Assert.Equal(4, broker.Accepted);
        Assert.Equal((1, 2), (node.Node.Damping!.Found, node.Node.Damping.Refused));
        await node.Log.OnlyLineAsync(l => l.Text.Contains("client id \"twin\" of pool p", StringComparison.Ordinal));
        using var other = await node.OpenAsync("else");
        Assert.Equal(2, broker.Open);
        holds.Dispose();
    }

    [Fact]
    public async Task Devices_OnTwoNodes_AreFoundByEach()
    {
        await using var broker = FakeBroker.Start(TakingOver());
        await using var one = await TestNode.StartAsync(TestNode.Backends(broker), more: Damping);
        await using var two = await TestNode.StartAsync(TestNode.Backends(broker), more: Damping);
        for (int i = 1; i <= 3; i++)
        {
            using var first = await one.OpenAsync("twin");
            using var second = await two.OpenAsync("twin");
            await first.ReadToEndAsync();
            first.Dispose();
            await one.UntilClosedAsync(CloseReason.BackendClosed, i);
        }

        Assert.Equal(FakeBroker.ConnackBytes(3), await one.AskAsync(ConnectBytes.V311("twin")));
    }

    [Fact]
    public async Task Device_SaysGoodbyeEachTime_MayComeAsOftenAsItLikes()
    {
        await using var broker = FakeBroker.Start(TakingOver());
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: Damping);
        for (int i = 0; i < 10; i++)
        {
            using var client = await node.OpenAsync("mine");
            await client.SendAsync(new byte[] { 0xE0, 0 });
            await node.UntilAsync(() => broker.Open == 0);
        }

        Assert.Equal(0, node.Node.Damping!.Found);
    }

    [Fact]
    public async Task Stranger_IsNotAcceptedByTheBroker_CannotHaveAnIdRefused()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Answering(5));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: Damping);
        for (int i = 0; i < 10; i++) Assert.Equal(FakeBroker.ConnackBytes(5), await node.AskAsync(ConnectBytes.V311("victim")));
        broker.Script = FakeBroker.Accepting;
        using var victim = await node.OpenAsync("victim");
    }

    [Fact]
    public async Task Reload_TurnsItOnAndOff()
    {
        await using var broker = FakeBroker.Start(TakingOver());
        string backends = TestNode.Backends(broker);
        await using var node = await TestNode.StartAsync(backends);
        Assert.Null(node.Node.Damping);
        await node.ReloadAsync(TestNode.Text(backends, more: Damping));
        var twins = new List<RawClient>();
        for (int i = 0; i < 4; i++)
        {
            twins.Add(await node.OpenAsync("twin"));
            if (i == 0) continue;
            await twins[i - 1].ReadToEndAsync();
            twins[i - 1].Dispose();
            await node.UntilClosedAsync(CloseReason.BackendClosed, i);
        }

        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("twin")));
        await node.ReloadAsync(TestNode.Text(backends));
        using var again = await node.OpenAsync("twin");
        twins.ForEach(t => t.Dispose());
    }
}
