using System.Diagnostics;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying;

public sealed class IdleTimeoutTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task IdleTimeout_Configured_CountsBothDirections()
    {
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(FakeBroker.ConnackBytes(0), stop);
            for (int i = 0; i < 6; i++)
            {
                // Well within the time-out, which is the reactor's and real.
                await Task.Delay(100, stop);
                await connection.SendAsync(ConnectBytes.Publish("t", "x"u8), stop);
            }

            await connection.ReadToEndAsync(stop);
        });
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "idle-timeout = 400ms");
        var watch = Stopwatch.StartNew();
        using var client = await node.OpenAsync("quiet", keepAlive: 600);
        Assert.Equal(6 * 6, (await client.ReadToEndAsync()).Bytes.Length);
        Assert.InRange(watch.Elapsed, TimeSpan.FromMilliseconds(950), Minute);
        await node.UntilClosedAsync(CloseReason.IdleTimeout);
    }

    [Fact]
    public async Task IdleTimeout_TcpListener_IsClosed()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Echo);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "protocol = tcp, idle-timeout = 200ms");
        using var client = await node.DialAsync();
        await client.SendAsync("x"u8.ToArray());
        Assert.Equal("x"u8.ToArray(), (await client.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.IdleTimeout);
    }

    [Theory]
    [InlineData("idle-timeout = off", 1)]
    [InlineData("", 0)]
    public async Task IdleTimeout_OffOrNoKeepAlive_KeepsTheClient(string listener, int keepAlive)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), listener + "\n",
            "listeners.other { bind = \"127.0.0.1:0\", pool = p, idle-timeout = 1700ms }");
        using var client = await node.OpenAsync("kept", keepAlive: keepAlive);
        using var other = await RawClient.ConnectAsync(node.Of("other"));
        await other.SendAsync(ConnectBytes.V311("clock"));
        await other.ReadToEndAsync();
        await client.SendAsync("more"u8.ToArray());
        Assert.Equal("more"u8.ToArray(), await client.ReadAsync(4));
    }
}
