using System.Text;
using ActorLb.FunctionalTests.Tls;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Proxying.Limits;

/// <summary>Why a client was turned away stands in the log at info, once for all that come for the same reason.</summary>
public sealed class RefusalLogTests : IDisposable
{
    private const string Mqtt = "\u0010\u000d\0\u0004MQTT\u0004\u0002\0\u003c\0\u0001a";
    private const string Http = "GET /mqtt HTTP/1.1\r\nHost: broker\r\n\r\n";
    private const string Hello = "\u0016\u0003\u0001\0\u0005\u0001\0\0\u0001\0";
    private const string Proxy = "PROXY TCP4 192.0.2.1 198.51.100.1 4001 1883\r\n";

    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData("mqtt", Http, " on listener mqtt speaks HTTP instead of MQTT: CONNECT refused: the first packet is not a CONNECT")]
    [InlineData("mqtt", Hello, " on listener mqtt speaks TLS where none is expected: CONNECT refused: ")]
    [InlineData("mqtt", Proxy, " on listener mqtt sends a PROXY header where none is expected: CONNECT refused: ")]
    [InlineData("mqtt", "\u0010\u00ff\u00ff\u00ff\u007f\0\u0004MQTT\u0004", ": CONNECT refused: the CONNECT is larger than max-packet-size: 268435460 bytes of at most 1048576")]
    [InlineData("ws", Mqtt, " on listener mqtt speaks MQTT without WebSocket: upgrade refused: the request line is malformed")]
    [InlineData("ws", Hello, " on listener mqtt speaks TLS where none is expected: upgrade refused: the request line is malformed")]
    [InlineData("ws", Http, ": upgrade refused: the host is not one of the listener's")]
    [InlineData("tls", Mqtt, " on listener mqtt speaks MQTT without TLS: TLS handshake failed: wrong version number")]
    [InlineData("tls", Http, " on listener mqtt speaks HTTP without TLS: TLS handshake failed: http request")]
    [InlineData("wss", Http, " on listener mqtt speaks HTTP without TLS: TLS handshake failed: http request")]
    [InlineData("tls", Proxy, " on listener mqtt sends a PROXY header where none is expected: TLS handshake failed: ")]
    [InlineData("full", Mqtt, " on listener mqtt: refused: listener_full")]
    [InlineData("denied", Mqtt, " on listener mqtt: refused: banned")]
    public async Task Client_ThatIsTurnedAway_IsNamedOnce(string kind, string sent, string expected)
    {
        const int Clients = 20;
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        string tls = TlsListener.With(_ca.Server(["localhost"]));
        var node = await TestNode.StartAsync(TestNode.Backends(broker), kind switch
        {
            "ws" => WebSocketBytes.Listener,
            "tls" => tls,
            "wss" => tls + WebSocketBytes.Listener,
            "full" => "max-connections = 1",
            "denied" => "deny = [\"127.0.0.0/8\"]",
            _ => "",
        });
        await using (node)
        {
            using var holder = kind == "full" ? await node.OpenAsync("holder") : null;
            for (int i = 0; i < Clients; i++)
            {
                using var client = await node.DialAsync();
                try
                {
                    await client.SendAsync(Encoding.Latin1.GetBytes(sent));
                }
                catch (System.Net.Sockets.SocketException) when (kind == "denied")
                {
                    // It was closed before.
                }

                await client.ReadToEndAsync();
            }

            await node.UntilAsync(() => node.Node.Admission.Active + node.Sum(c => c.Refused) == (holder is null ? 0 : 1));
            var (level, text) = await node.Log.OnlyLineAsync(l => l.Text.Contains(expected, StringComparison.Ordinal));
            Assert.Equal(LogLevel.Information, level);
            Assert.StartsWith("127.0.0.1:", text, StringComparison.Ordinal);
        }

        // What was left out is told at the end of the interval, or of the node.
        await node.Log.OnlyLineAsync(l => l.Text.StartsWith($"listener mqtt: {Clients - 1} more ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task SourceAddresses_ThatAreExhausted_AreNamedOnce()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        var node = await TestNode.StartAsync(TestNode.Backends(broker) + "source-addresses = [\"192.0.2.200\"], retry.tries = 1");
        await using (node)
        {
            for (int i = 0; i < 10; i++)
                Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("x")));
        }

        await node.Log.OnlyLineAsync(l => l.Text.Contains($"cannot dial {broker.EndPoint} of pool p: ", StringComparison.Ordinal)
            && l.Text.Contains("add source-addresses", StringComparison.Ordinal));
        await node.Log.OnlyLineAsync(l => l.Text.StartsWith("pool p: 9 more ", StringComparison.Ordinal));
    }

    /// <summary>Whoever can connect decides how often a broker is asked, and by its CONNECT often what the broker makes of it.</summary>
    [Theory]
    [InlineData("closes", "closed the connection before its CONNACK")]
    [InlineData("garbage", "answered a CONNECT with something other than a CONNACK")]
    [InlineData("gone", "connect failed: Connection refused")]
    [InlineData("silent", "no CONNACK within 0.1 s")]
    public async Task Backend_ThatTakesNobody_IsNamedOnce(string how, string expected)
    {
        const int Clients = 20;
        var broker = FakeBroker.Start(how switch
        {
            "garbage" => FakeBroker.Connack(0, version: 77),
            "silent" => FakeBroker.Silent,
            _ => FakeBroker.CloseAtOnce,
        });
        if (how == "gone") await broker.DisposeAsync();
        string more = how == "silent" ? "\nconnect-timeout = 100ms" : "";
        var node = await TestNode.StartAsync($"backends = [{{ address = \"{broker.EndPoint}\", max-fails = 0 }}]{more}");
        await using (node)
        {
            var answers = Enumerable.Range(0, Clients).Select(_ => node.AskAsync(ConnectBytes.V311("x"))).ToArray();
            Assert.All(await Task.WhenAll(answers), answer => Assert.Equal(FakeBroker.ConnackBytes(3), answer));
            var (_, text) = await node.Log.OnlyLineAsync(l => l.Text.Contains(expected, StringComparison.Ordinal));
            Assert.StartsWith($"backend {broker.EndPoint} of pool p", text, StringComparison.Ordinal);
        }

        await broker.DisposeAsync();
        await node.Log.OnlyLineAsync(l => l.Text.StartsWith($"backend {broker.EndPoint}: {Clients - 1} more ", StringComparison.Ordinal));
    }
}
