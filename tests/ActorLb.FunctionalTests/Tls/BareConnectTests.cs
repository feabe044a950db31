using ActorLb.FunctionalTests.Harness;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>Health checks and port scans are no handshakes.</summary>
public sealed class BareConnectTests : IDisposable
{
    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    public static TheoryData<string, string, bool> Bare
    {
        get
        {
            var rows = new TheoryData<string, string, bool>();
            foreach (string? listener in new[] { "tls", "wss", "tcp" })
            {
                foreach (string? header in new[] { "", "LOCAL", "PROXY UNKNOWN\r\n", "PROXY TCP4 192.0.2.1 198.51.100.1 4001 8883\r\n", "none" })
                {
                    foreach (bool reset in new[] { false, true })
                        rows.Add(listener, header, reset);
                }
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Bare))]
    public async Task Connection_WithoutAByteOfTls_IsCountedApartAndNotLogged(string kind, string header, bool reset)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        // Without a header: a listener that wants none, and one that never gets the one it wants.
        string proxied = header.Length > 0 ? "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }\n" : "";
        string more = kind switch { "wss" => WebSocketBytes.Listener, "tcp" => "protocol = tcp\n", _ => "" };
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), TlsListener.With(_ca.Server(["localhost"])) + proxied + more);
        node.Log.Clear();
        byte[] local = [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x20, 0, 0, 0];
        byte[] sent = header switch { "LOCAL" => local, "none" => [], _ => System.Text.Encoding.ASCII.GetBytes(header) };
        using (var client = await node.DialAsync())
        {
            if (sent.Length > 0)
            {
                await client.SendAsync(sent);
                // The header must be read before a reset takes it out of the socket.
                await node.UntilAsync(() => node.Node.Reactors.Sum(r => r.SessionCount) == 1);
                await node.Node.Reactors[0].AskAsync(_ => true);
            }

            if (reset)
                client.Abort();
            else
                client.HalfClose();
            await node.UntilClosedAsync(CloseReason.BareConnect);
        }

        Assert.Equal((0, 0), (node.Sum(c => c.TlsFailed), node.Closed(CloseReason.TlsFailed)));
        Assert.DoesNotContain(node.Log.Lines, l => l.Level >= Microsoft.Extensions.Logging.LogLevel.Information);
        string metrics = MetricsText.Of(node.Node);
        Assert.Contains("actorlb_bare_connects_total 1\n", metrics, StringComparison.Ordinal);
        Assert.DoesNotContain("bare_connect\"", metrics, StringComparison.Ordinal);
        Assert.Contains("actorlb_tls_handshakes_total{outcome=\"failed\"} 0\n", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_WithAPartOfAHello_IsAFailure()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), TlsListener.With(_ca.Server(["localhost"])));
        using var client = await node.DialAsync();
        await client.SendAsync(new byte[] { 0x16 });
        client.HalfClose();
        await node.UntilClosedAsync(CloseReason.TlsFailed);
        Assert.Equal((1, 0), (node.Sum(c => c.TlsFailed), node.Closed(CloseReason.BareConnect)));
    }
}
