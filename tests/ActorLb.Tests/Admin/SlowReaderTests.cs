using System.Net.Sockets;
using System.Text;
using ActorLb.Testing;

namespace ActorLb.Tests.Admin;

public sealed class SlowReaderTests
{
    /// <summary>The endpoint gives a reader some seconds and more for each byte: two waits that may pass beside each other.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public Task Reader_TooSlow_IsCut() => Task.WhenAll(IsCutAsync("sessions"), IsCutAsync("cluster/events"));

    private static async Task IsCutAsync(string path)
    {
        await using var node = await AdminNode.StartAsync();
        await using var clients = new LongClients(node);
        await clients.ConnectAsync(2);
        // Reads nothing at all. The system makes a server's buffer for some segments, and would hold all that is written for large ones.
        using var slow = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        const int Tcp = 6, MaximumSegment = 2;
        slow.SetRawSocketOption(Tcp, MaximumSegment, BitConverter.GetBytes(536));
        await slow.ConnectAsync(node.Address);
        await slow.SendAsync(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat($"GET /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n", 30))));
        string text = new('x', 4_000);
        await Wait.UntilAsync(
            async () =>
            {
                string metrics = await node.Http.GetStringAsync("/metrics");
                if (metrics.Contains("\nactorlb_admin_connections 1\n", StringComparison.Ordinal)) return true;
                for (int i = 0; i < 500; i++) node.Node.Events.Publish("much", text);
                return false;
            },
            () => $"The reader of {path} holds its connection.");
    }
}
