using System.Net;
using ActorLb.FunctionalTests.WebSocket;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>PROXY headers around TLS and WebSocket.</summary>
public sealed class ProxyProtocolTests : IDisposable
{
    private static readonly byte[] Header = [.. "PROXY TCP4 203.0.113.7 198.51.100.1 4000 8883\r\n"u8];

    private readonly TestCertificates _ca = new();

    public void Dispose() => _ca.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Header_OfTlsClient_HoldsWhatHaproxyWrites(bool rsa)
    {
        var server = _ca.Server(["mqtt.test"], rsa);
        var device = _ca.Client("CN=device-7, O=Example");
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "proxy-protocol = v2\nproxy-protocol-tlvs = [authority, alpn, ssl, crc32c]",
            TlsListener.Verifying(server, _ca));
        await using var haproxy = await HaproxyTls.StartAsync(broker.EndPoint, server, _ca.CaPath);

        var theirs = await Tlvs(haproxy.EndPoint, broker, device);
        var ours = await Tlvs(node.EndPoint, broker, device);
        Assert.Contains(theirs, t => t.StartsWith("22 CN: device-7", StringComparison.Ordinal));
        Assert.Equal(theirs, ours);
    }

    [Fact]
    public async Task Header_OfCertificateWithLongName_HoldsAllOfItBeforeTheConnect()
    {
        string name = new string('x', 1_990);
        var device = _ca.Client("CN=" + name);
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "proxy-protocol = v2, proxy-protocol-tlvs = [ssl]", TlsListener.Verifying(_ca.Server(["mqtt.test"]), _ca));
        Assert.Contains("22 CN: " + name, await Tlvs(node.EndPoint, broker, device));
    }

    [Fact]
    public async Task Header_ByDefault_HoldsTheAddressesAlone()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Silent);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "proxy-protocol = v2", TlsListener.Verifying(_ca.Server(["mqtt.test"]), _ca));
        Assert.Empty(await Tlvs(node.EndPoint, broker, _ca.Client("CN=device-7")));
    }

    [Fact]
    public async Task Header_BeforeTls_TellsTheClientsAddress()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), TlsListener.With(_ca.Server(["localhost"])) + Accepting);
        await using var client = await SecureClient.ConnectAsync(node.EndPoint, before: Header);
        await client.SendAsync(ConnectBytes.V311("a"));
        Assert.Equal([0x20, 2, 0, 0], await client.ReadAsync(4));
        Assert.Equal(ConnectBytes.V311("203.0.113.7:4000-a"), (await broker.NextConnectionAsync()).Received);
    }

    [Fact]
    public async Task Header_BeforeTlsAndWebSocket_TellsTheClientsAddress()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), TlsListener.With(_ca.Server(["localhost"])) + WebSocketBytes.Listener + Accepting);
        await using var client = await SecureClient.ConnectAsync(node.EndPoint, before: Header);
        await client.SendAsync((byte[])[.. WebSocketBytes.Upgrade, .. WebSocketBytes.Binary(ConnectBytes.V311("a"))]);
        var connection = await broker.NextConnectionAsync();
        byte[] expected = ConnectBytes.V311("203.0.113.7:4000-a");
        Assert.Equal(expected, await connection.WaitForReceivedAsync(expected.Length));
    }

    [Fact]
    public async Task Tls_WhereAHeaderIsDemanded_IsRefused()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), TlsListener.With(_ca.Server(["localhost"])) + Accepting);
        await Assert.ThrowsAnyAsync<IOException>(() => SecureClient.ConnectAsync(node.EndPoint));
        await node.UntilClosedAsync(ActorLb.Proxying.CloseReason.BadProxyHeader);
    }

    private const string Accepting = """
        accept-proxy-protocol { from = ["127.0.0.0/8"] }
        rewrite { client-id = "$remote_addr:$remote_port-$mqtt_preread_clientid" }
        """;

    /// <summary>The TLVs of the header that a client through this balancer gets, but for its check sum, as text.</summary>
    private static async Task<IReadOnlyList<string>> Tlvs(IPEndPoint balancer, FakeBroker broker, TestCertificate device)
    {
        await using var client = await SecureClient.ConnectAsync(balancer, device.Certificate, name: "mqtt.test", applicationProtocols: ["mqtt"]);
        await client.SendAsync(ConnectBytes.V311("a"));
        var connection = await broker.NextConnectionAsync();
        byte[] bytes = await connection.WaitForReceivedAsync(16);
        int length = 16 + (bytes[14] << 8) + bytes[15];
        bytes = await connection.WaitForReceivedAsync(length);
        Assert.Equal(0x21, bytes[12]);
        Assert.Equal(0x11, bytes[13]);
        // Two addresses and ports of IPv4 (PROXY protocol, section 2.2).
        return [.. Read(bytes[28..length]).Where(t => !t.StartsWith("03 ", StringComparison.Ordinal))];
    }

    // Types of sections 2.2.1 to 2.2.6; within PP2_TYPE_SSL a client byte, a verify word and TLVs again.
    private static IEnumerable<string> Read(byte[] bytes)
    {
        for (int at = 0; at < bytes.Length;)
        {
            byte type = bytes[at];
            byte[] value = bytes[(at + 3)..(at + 3 + (bytes[at + 1] << 8) + bytes[at + 2])];
            at += 3 + value.Length;
            if (type == 0x20)
            {
                yield return $"20 client {value[0]}, verify {Convert.ToHexString(value, 1, 4)}";
                foreach (string inner in Read(value[5..]))
                    yield return inner;
                continue;
            }

            string name = type switch { 0x01 => "ALPN", 0x02 => "authority", 0x21 => "version", 0x22 => "CN", 0x23 => "cipher", 0x24 => "signature", 0x25 => "key", _ => "" };
            yield return $"{type:X2} {name}: {System.Text.Encoding.Latin1.GetString(value)}";
        }
    }
}
