using System.Net;
using System.Net.Sockets;
using System.Text;
using ActorLb.Protocol.Mqtt;
using ActorLb.Server.Bench;
using ActorLb.Server.Commands;
using ActorLb.Testing;

namespace ActorLb.Tests.Server;

public sealed class BenchConnTests(BenchMosquitto broker) : IClassFixture<BenchMosquitto>
{
    private readonly StringWriter _output = new();

    private Task<int> RunAsync(
        BenchTarget target, int count = 5, BackendDistribution? distribution = null, TimeSpan hold = default, CancellationToken stop = default) =>
        BenchConnCommand.RunAsync(target, count, TimeSpan.Zero, hold, distribution, new BenchConsole(_output, false, TimeProvider.System),
            TimeProvider.System, stop);

    [Theory]
    [InlineData(MqttVersion.V31)]
    [InlineData(MqttVersion.V311)]
    [InlineData(MqttVersion.V5)]
    internal async Task Conn_EveryVersion_ConnectsAll(MqttVersion version)
    {
        Assert.Equal(0, await RunAsync(broker.Target(broker.Port, version)));
        Assert.Contains("5 of 5", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("CONNACK      p50 ", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_WebSocket_ConnectsAll() =>
        Assert.Equal(0, await RunAsync(broker.Target(broker.WebSocketPort) with { WebSocketPath = "/mqtt" }));

    [Fact]
    public async Task Conn_WebSocketToPlainPort_FailsAsWebSocket()
    {
        var target = broker.Target(broker.Port) with { WebSocketPath = "/mqtt" };
        Assert.Equal(1, await RunAsync(target, 1));
        Assert.Contains("0 of 1", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("failed       1 ", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_RightPassword_ConnectsAll() =>
        Assert.Equal(0, await RunAsync(broker.Target(broker.PasswordPort) with { UserName = "alice", Password = "secret" }));

    [Theory]
    [InlineData(MqttVersion.V311, "5 CONNACK 0x05 not authorized")]
    [InlineData(MqttVersion.V5, "5 CONNACK 0x87 not authorized")]
    internal async Task Conn_WrongPassword_NamesTheRefusal(MqttVersion version, string expected)
    {
        var target = broker.Target(broker.PasswordPort, version) with { UserName = "alice", Password = "wrong" };
        Assert.Equal(1, await RunAsync(target));
        Assert.Contains(expected, _output.ToString(), StringComparison.Ordinal);
    }

    private static BenchTls Trusting(System.Security.Cryptography.X509Certificates.X509Certificate2 authority) =>
        new([authority], null, Insecure: false, ServerName: null);

    private BenchTarget Secure(BenchTls tls, bool webSocket, bool mutual = false) => broker.Target((webSocket, mutual) switch
    {
        (false, false) => broker.TlsPort,
        (false, true) => broker.MutualTlsPort,
        (true, false) => broker.SecureWebSocketPort,
        (true, true) => broker.MutualTlsWebSocketPort,
    }) with
    { Tls = tls, WebSocketPath = webSocket ? "/mqtt" : null };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Conn_TrustedCertificate_ConnectsAll(bool webSocket) =>
        Assert.Equal(0, await RunAsync(Secure(Trusting(broker.Certificate), webSocket)));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Conn_UnknownAuthority_FailsUnlessInsecure(bool webSocket)
    {
        using var other = BenchMosquitto.NewCertificate();
        var target = Secure(new BenchTls(null, null, Insecure: false, ServerName: null), webSocket);
        Assert.Equal(1, await RunAsync(target));
        Assert.Contains(
            "failed       5 TLS handshake: the server's certificate is not from an authority that this system trusts: name one with --ca",
            _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, await RunAsync(target with { Tls = Trusting(other) }));
        Assert.Contains("failed       5 TLS handshake: the server's certificate is not from an authority in --ca", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, await RunAsync(target with { Tls = target.Tls! with { Insecure = true } }));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Conn_WrongServerName_Fails(bool webSocket)
    {
        var tls = Trusting(broker.Certificate) with { ServerName = "elsewhere.example" };
        Assert.Equal(1, await RunAsync(Secure(tls, webSocket), 1));
        Assert.Contains("failed       1 TLS handshake: the server's certificate is not for elsewhere.example", _output.ToString(), StringComparison.Ordinal);
        // A name may be asked for that is not the address.
        Assert.Equal(0, await RunAsync(Secure(tls with { ServerName = "localhost" }, webSocket) with { Host = "127.0.0.1" }, 1));
        Assert.Equal(1, await RunAsync(Secure(tls with { ServerName = null }, webSocket) with { Host = "127.0.0.1" }, 1));
        Assert.Contains("the server's certificate is not for 127.0.0.1", _output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Conn_CertificateAskedFor_IsShown(bool webSocket)
    {
        Assert.Equal(1, await RunAsync(Secure(Trusting(broker.Certificate), webSocket, mutual: true)));
        Assert.Contains("0 of 5", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, await RunAsync(Secure(Trusting(broker.Certificate) with { Certificate = broker.Certificate }, webSocket, mutual: true)));
    }

    [Theory]
    [InlineData(false, "TLS handshake: the other side does not speak TLS")]
    [InlineData(true, "TLS handshake: the other side does not speak TLS")]
    public async Task Conn_TlsToAPlainPort_SaysSo(bool webSocket, string expected)
    {
        using var plain = new Rude("plain text, whatever is asked\r\n\r\n"u8.ToArray());
        var target = broker.Target(plain.Port) with
        {
            Host = "127.0.0.1",
            Tls = Trusting(broker.Certificate),
            WebSocketPath = webSocket ? "/mqtt" : null,
        };
        Assert.Equal(1, await RunAsync(target, 1));
        Assert.Contains($"failed       1 {expected}", _output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the upgrade to WebSocket got HTTP status 404 instead of 101")]
    [InlineData("", "it closed the connection without an HTTP answer")]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
        "the other side's answer to the WebSocket upgrade is invalid")]
    public async Task Conn_UpgradeRefused_SaysHow(string answer, string expected)
    {
        using var web = new Rude(Encoding.ASCII.GetBytes(answer));
        Assert.Equal(1, await RunAsync(broker.Target(web.Port) with { Host = "127.0.0.1", WebSocketPath = "/mqtt" }, 1));
        Assert.Contains($"failed       1 WebSocket: {expected}", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_NobodyListens_NamesTheReason()
    {
        using var closed = new Socket(SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound, not listening: nobody else can
        int port = ((IPEndPoint)closed.LocalEndPoint!).Port;
        Assert.Equal(1, await RunAsync(broker.Target(port) with { Host = "127.0.0.1" }, 3));
        Assert.Contains("failed       3 connection refused", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_SilentServer_TimesOut()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var target = broker.Target(((IPEndPoint)silent.LocalEndpoint).Port) with { Host = "127.0.0.1", ConnectTimeout = TimeSpan.FromMilliseconds(50) };
        Assert.Equal(1, await RunAsync(target, 2));
        Assert.Contains("failed       2 no CONNACK in time", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_ServerCloses_SaysBeforeConnack()
    {
        using var rude = new TcpListener(IPAddress.Loopback, 0);
        rude.Start();
        var closing = Task.Run(async () =>
        {
            using var accepted = await rude.AcceptSocketAsync();
            await accepted.ReceiveAsync(new byte[256]);
        });
        Assert.Equal(1, await RunAsync(broker.Target(((IPEndPoint)rude.LocalEndpoint).Port) with { Host = "127.0.0.1" }, 1));
        await closing;
        Assert.Contains("failed       1 closed before CONNACK", _output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 12\r\nConnection: close\r\n\r\n<html></html>",
        "the answer to CONNECT is not a CONNACK")]
    [InlineData("\u0020\u0001\u0000", "malformed answer to CONNECT")] // a CONNACK of one byte
    [InlineData("\u0020\u0002\u0000\u0003", "CONNACK 0x03 server unavailable")]
    [InlineData("\u00E0\u0000", "DISCONNECT 0x00 from the broker")]
    public async Task Conn_AnswerIsNoneOfABroker_SaysWhatItIs(string answer, string expected)
    {
        using var web = new Rude(Encoding.Latin1.GetBytes(answer));
        Assert.Equal(1, await RunAsync(broker.Target(web.Port) with { Host = "127.0.0.1" }, 1));
        Assert.Contains($"failed       1 {expected}", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_AllLostWhileHeld_EndsAtOnce()
    {
        await using var own = new BenchMosquitto();
        await own.InitializeAsync();
        var output = new WatchedWriter("holding: ");
        var bench = BenchConnCommand.RunAsync(own.Target(own.Port), 4, TimeSpan.Zero, TimeSpan.FromHours(1), null,
            new BenchConsole(output, false, TimeProvider.System), TimeProvider.System, CancellationToken.None);
        await output.Seen;
        own.Kill();
        Assert.Equal(1, await bench.WaitAsync(Wait.Patience));
        Assert.Contains(" of 3600 s: all clients were lost", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("lost         4 connection closed by the broker", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_BrokerDiesWhileHeld_CountsTheLost()
    {
        await using var own = new BenchMosquitto();
        await own.InitializeAsync();
        await using var clients = new ClientGroup(own.Target(own.Port), TimeProvider.System);
        await clients.OpenAsync(4, TimeSpan.Zero, async client =>
        {
            for (; ; ) await client.ReceiveAsync(CancellationToken.None);
        }, CancellationToken.None);
        Assert.Equal(4, clients.Opened);

        own.Kill();
        Assert.True(await Task.Run(() => SpinWait.SpinUntil(() => clients.Lost.Total == 4, Wait.Patience)));
        await clients.CloseAsync();
        Assert.Equal(4, clients.Lost.Total);
        Assert.Empty(clients.Clients);
    }

    [Fact]
    public async Task Conn_Cancelled_ReportsWhatThereIs()
    {
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        Assert.Equal(1, await RunAsync(broker.Target(broker.Port), 5, hold: TimeSpan.FromHours(1), stop: stop.Token));
        Assert.Contains("0 of 5", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_WithAdmin_ShowsTheDifference()
    {
        using var admin = new TcpListener(IPAddress.Loopback, 0);
        admin.Start();
        var serving = Task.Run(async () =>
        {
            foreach (int connections in (int[])[7, 10]) await ServeMetricsAsync(admin, connections);
        });
        using var distribution = new BackendDistribution(new Uri($"http://{admin.LocalEndpoint}"), "token");
        Assert.Equal(0, await RunAsync(broker.Target(broker.Port), 5, distribution));
        await serving;
        Assert.Contains("backend      emqx/10.0.0.1:1883  3  60.0 %", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("backend      emqx/10.0.0.2:1883  2  40.0 %", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_AdminUnreachable_IsAFault()
    {
        using var closed = new Socket(SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var distribution = new BackendDistribution(new Uri($"http://{closed.LocalEndPoint}"), null);
        var failure = await Assert.ThrowsAsync<BenchFailure>(() => RunAsync(broker.Target(broker.Port), 1, distribution));
        Assert.EndsWith("/metrics: connection refused: nothing is listening there", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "it answered with HTTP status 401: --admin-token-file is missing or holds another node's token")]
    [InlineData("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "it answered with HTTP status 503")]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP")]
    [InlineData("", "it closed the connection without an HTTP answer")]
    public async Task Conn_AdminIsNoneOfANode_SaysWhat(string answer, string expected)
    {
        using var web = new Rude(Encoding.ASCII.GetBytes(answer));
        using var distribution = new BackendDistribution(new Uri($"http://127.0.0.1:{web.Port}"), null);
        var failure = await Assert.ThrowsAsync<BenchFailure>(() => RunAsync(broker.Target(broker.Port), 1, distribution));
        Assert.Equal($"http://127.0.0.1:{web.Port}/metrics: {expected}", failure.Message);
    }

    /// <summary>Reads what comes first on each connection, answers with the same bytes whatever it is, and closes.</summary>
    private sealed class Rude : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public Rude(byte[] answer)
        {
            _listener.Start();
            _ = AcceptAsync(answer);
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public void Dispose() => _listener.Dispose();

        private async Task AcceptAsync(byte[] answer)
        {
            for (; ; ) _ = AnswerAsync(await _listener.AcceptSocketAsync(), answer);
        }

        private static async Task AnswerAsync(Socket accepted, byte[] answer)
        {
            using var closing = accepted;
            await accepted.ReceiveAsync(new byte[4096]);
            await accepted.SendAsync(answer);
            accepted.Shutdown(SocketShutdown.Send);
            await accepted.ReceiveAsync(new byte[4096]);
        }
    }

    private static async Task ServeMetricsAsync(TcpListener admin, int connections)
    {
        using var accepted = await admin.AcceptSocketAsync();
        byte[] request = new byte[4096];
        int length = await accepted.ReceiveAsync(request);
        Assert.Contains("Authorization: Bearer token", Encoding.ASCII.GetString(request, 0, length), StringComparison.Ordinal);
        string body = $$"""
            # TYPE actorlb_backend_connections gauge
            actorlb_backend_connections{pool="emqx",backend="10.0.0.1:1883"} {{connections}}
            actorlb_backend_connections{pool="emqx",backend="10.0.0.2:1883"} {{connections - connections / 10}}

            """;
        await accepted.SendAsync(Encoding.ASCII.GetBytes(
            $"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}"));
    }
}
