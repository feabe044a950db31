using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using ActorLb.Configuration;
using ActorLb.Configuration.Import;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Configuration.Import;

/// <summary>
/// Converted files carry clients: every listener of every sample, and of the blocks that guides for NGINX and HAProxy show. Addresses,
/// certificates and networks of the results are replaced by those of the test; all else is what the importer wrote.
/// </summary>
public sealed partial class ImportedTests : IAsyncLifetime
{
    private readonly TestCertificates _ca = new();
    private readonly TempFolder _folder = new();
    private readonly List<AnyBroker> _brokers = [];
    private TestCertificate _server = null!, _device = null!;

    public static TheoryData<string> Samples =>
        [.. Directory.GetFiles(Folder).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    private static string Folder => RepositoryRoot.File("tests", "ActorLb.Tests", "Configuration", "Import", "Samples");

    public ValueTask InitializeAsync()
    {
        _server = _ca.Server(["localhost", "127.0.0.1"]);
        _device = _ca.Client("CN=device-7", serial: [0x0A, 0xBC, 0x01]);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var broker in _brokers)
            await broker.DisposeAsync();
        _folder.Dispose();
        _ca.Dispose();
    }

    [Theory, MemberData(nameof(Samples))]
    public Task Sample_Converted_CarriesClientsThroughEachListener(string name) =>
        CarryAsync(File.ReadAllText(Path.Combine(Folder, name)).Replace('，', ','), name.Contains("nginx", StringComparison.Ordinal));

    [Theory]
    [InlineData("least_conn;")]
    [InlineData("ip_hash;")]
    [InlineData("")]
    [InlineData("hash $mqtt_preread_clientid consistent;")]
    public Task Nginx_UpstreamAlone_CarriesClientsByTheListenerThatIsAdded(string balance) =>
        CarryAsync($"mqtt_preread on;\nupstream brokers {{ {balance} server a.example.net:1883 weight=3; server b.example.net:1883; }}", nginx: true);

    [Fact]
    public Task Nginx_MutualTlsWithReplacedIds_CarriesClients() => CarryAsync(
        """
        stream { mqtt on;
          server { listen 1883 ssl; ssl_certificate /etc/nginx/certs/a.pem; ssl_certificate_key /etc/nginx/certs/a.key; ssl_client_certificate /etc/nginx/certs/ca.crt;
            ssl_session_cache shared:SSL:10m; ssl_verify_client on; ssl_verify_depth 1; proxy_pass 10.0.0.113:1883; proxy_connect_timeout 1s; mqtt_set_connect clientid $ssl_client_serial; } }
        """, nginx: true);

    [Fact]
    public Task Nginx_TlsToTheBrokers_CarriesClients() => CarryAsync(
        "stream { upstream b { server a.example.net:8883; } server { listen 1883; proxy_pass b; proxy_ssl on; proxy_protocol on; } }", nginx: true);

    [Theory]
    [InlineData("balance roundrobin")]
    [InlineData("balance source")]
    [InlineData("balance leastconn")]
    [InlineData("stick-table type string len 32 size 100k expire 30m\n  stick on req.payload(0,0),mqtt_field_value(connect,client_identifier)")]
    public Task HAProxy_BackendAlone_CarriesClientsByTheListenerThatIsAdded(string balance) =>
        CarryAsync($"backend brokers\n  mode tcp\n  {balance}\n  server a a.example.net:1883 check weight 5\n  server b b.example.net:1883 check\n", nginx: false);

    [Fact]
    public Task HAProxy_MqttTlsAndWebSocketAsItPasses_CarryClients() => CarryAsync(
        """
        global
          maxconn 1024000
        defaults
          mode tcp
          timeout connect 10000
          timeout client 240s
          timeout server 240s
        backend mqtt
          balance roundrobin
          server e1 e1.example.net:1883 check-send-proxy send-proxy-v2
          server e2 e2.example.net:1883 check-send-proxy send-proxy-v2
        frontend mqtt_tls
          bind *:8883 ssl ca-file /etc/haproxy/certs/ca.pem crt /etc/haproxy/certs/server.pem verify required
          default_backend mqtt
        backend ws
          server e1 e1.example.net:8083 check
        frontend ws_plain
          bind *:8083
          default_backend ws
        frontend ws_tls
          bind *:8084 ssl crt /etc/haproxy/certs/server.pem
          default_backend ws
        """, nginx: false);

    private async Task CarryAsync(string source, bool nginx)
    {
        var result = nginx ? Importer.NginxText(source, _folder["nginx.conf"]) : Importer.HAProxyText(source, _folder["haproxy.cfg"]);
        string text = Local(result.Text);
        var options = ConfigurationLoader.LoadText(text, _folder["actorlb.conf"]);
        Assert.Empty(options.Errors);
        Assert.NotEmpty(options.Options!.Listeners);
        await using var node = await TestNode.StartTextAsync(text);
        foreach (var listener in options.Options.Listeners.Values)
        {
            await using var client = await DialAsync(listener, node.Of(listener.Name));
            await OpenAsync(client, listener);
        }
    }

    /// <summary>The result with what only stands for something in it: addresses, files, networks.</summary>
    private string Local(string text)
    {
        text = text.Replace("\"0.0.0.0:\"${MQTT_PORT}", "\"0.0.0.0:1883\"", StringComparison.Ordinal).Replace("${BROKER_1}\":8083\"", "\"ws.example.net:8083\"", StringComparison.Ordinal);
        text = Bind().Replace(text, "bind = \"127.0.0.1:0\"");
        text = Backend().Replace(text, _ => $"\"{Start()}\"");
        text = Dns().Replace(text, _ => $"dns = \"localhost\"\n port = {Start().Port}");
        text = text.Replace("port = 18083", $"port = {Start().Port}", StringComparison.Ordinal);
        int source = 100;
        text = Source().Replace(text, _ => $"\"127.0.0.{source++}\"");
        text = text.Replace("allow = [\"198.51.100.0/24\"]", "allow = [\"127.0.0.0/8\"]", StringComparison.Ordinal);
        text = Certificate().Replace(text, $"certificate = \"{_server.CertificatePath}\"");
        text = Key().Replace(text, $"key = \"{_server.KeyPath}\"");
        text = Authority().Replace(text, $"client-ca = \"{_ca.CaPath}\"");
        text = Crl().Replace(text, $"crl = \"{_ca.RevocationList([])}\"");
        text = Ciphers().Replace(text, "ciphers = \"HIGH\"");
        // Big nodes are for big machines.
        return text + "\nactorlb.node { name = test, workers = 1, pid-file = off, max-connections = 1000 }\n";
    }

    private IPEndPoint Start()
    {
        _brokers.Add(new AnyBroker(_server.Certificate));
        return _brokers[^1].EndPoint;
    }

    private async Task<Stream> DialAsync(ListenerOptions listener, IPEndPoint at)
    {
        byte[]? header = listener.AcceptProxyFrom.IsEmpty ? null : Encoding.ASCII.GetBytes("PROXY TCP4 127.0.0.9 127.0.0.1 5000 1883\r\n");
        if (listener.Tls is not null)
        {
            var secure = await SecureClient.ConnectAsync(at, listener.Tls.ClientCa is null ? null : _device.Certificate, before: header);
            return secure.Stream;
        }

        var client = await RawClient.ConnectAsync(at);
        if (header is not null)
            await client.SendAsync(header);
        return new System.Net.Sockets.NetworkStream(client.Socket, ownsSocket: true);
    }

    private static async Task OpenAsync(Stream stream, ListenerOptions listener)
    {
        using var deadline = new CancellationTokenSource(Wait.Patience);
        byte[] connect = ConnectBytes.V311("device-7");
        byte[] connack = FakeBroker.ConnackBytes(0);
        if (listener.WebSocket is { } socket)
        {
            string request = $"GET {socket.Path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
            await stream.WriteAsync(Encoding.ASCII.GetBytes(request), deadline.Token);
            string head = Encoding.ASCII.GetString(await Proxying.StreamBroker.ReadHeadAsync(stream, deadline.Token));
            Assert.StartsWith("HTTP/1.1 101", head, StringComparison.Ordinal);
            connect = WebSocket.WebSocketBytes.Binary(connect);
            connack = [0x82, (byte)connack.Length, .. connack];
        }

        await stream.WriteAsync(connect, deadline.Token);
        byte[] answer = new byte[connack.Length];
        await stream.ReadExactlyAsync(answer, deadline.Token);
        Assert.Equal(connack, answer);
    }

    [GeneratedRegex("bind = \"[^\"]+\"")]
    private static partial Regex Bind();

    [GeneratedRegex("\"[A-Za-z0-9.-]+:(1883|1884|8883|8083|18083)\"(?!.*bind)")]
    private static partial Regex Backend();

    [GeneratedRegex("dns = \"[^\"]+\"")]
    private static partial Regex Dns();

    [GeneratedRegex("\"192\\.0\\.2\\.\\d+\"")]
    private static partial Regex Source();

    [GeneratedRegex("\\bcertificate = \"[^\"]+\"")]
    private static partial Regex Certificate();

    [GeneratedRegex("\\bkey = \"/[^\"]+\"")]
    private static partial Regex Key();

    [GeneratedRegex("client-ca = \"[^\"]+\"")]
    private static partial Regex Authority();

    [GeneratedRegex("crl = \"[^\"]+\"")]
    private static partial Regex Crl();

    [GeneratedRegex("ciphers = \"[^\"]+\"")]
    private static partial Regex Ciphers();
}
