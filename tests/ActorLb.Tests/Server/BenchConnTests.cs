using System.Net;
using System.Net.Sockets;
using System.Text;
using ActorLb.Protocol.Mqtt;
using ActorLb.Server.Bench;
using ActorLb.Server.Commands;

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

    [Fact]
    public async Task Conn_TrustedCertificate_ConnectsAll()
    {
        var tls = new BenchTls([broker.Certificate], null, Insecure: false, ServerName: null);
        Assert.Equal(0, await RunAsync(broker.Target(broker.TlsPort) with { Tls = tls }));
    }

    [Fact]
    public async Task Conn_UnknownAuthority_FailsUnlessInsecure()
    {
        var target = broker.Target(broker.TlsPort) with { Tls = new BenchTls(null, null, Insecure: false, ServerName: null) };
        Assert.Equal(1, await RunAsync(target));
        Assert.Contains("5 TLS handshake: ", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, await RunAsync(target with { Tls = target.Tls with { Insecure = true } }));
    }

    [Fact]
    public async Task Conn_WrongServerName_Fails()
    {
        var tls = new BenchTls([broker.Certificate], null, Insecure: false, ServerName: "elsewhere.example");
        Assert.Equal(1, await RunAsync(broker.Target(broker.TlsPort) with { Tls = tls }, 1));
        Assert.Contains("1 TLS handshake: ", _output.ToString(), StringComparison.Ordinal);
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
        Task closing = Task.Run(async () =>
        {
            using Socket accepted = await rude.AcceptSocketAsync();
            await accepted.ReceiveAsync(new byte[256]);
        });
        Assert.Equal(1, await RunAsync(broker.Target(((IPEndPoint)rude.LocalEndpoint).Port) with { Host = "127.0.0.1" }, 1));
        await closing;
        Assert.Contains("failed       1 closed before CONNACK", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_AnswerIsNoMqtt_SaysMalformed()
    {
        using var web = new TcpListener(IPAddress.Loopback, 0);
        web.Start();
        Task answering = Task.Run(async () =>
        {
            using Socket accepted = await web.AcceptSocketAsync();
            await accepted.ReceiveAsync(new byte[256]);
            await accepted.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
        });
        Assert.Equal(1, await RunAsync(broker.Target(((IPEndPoint)web.LocalEndpoint).Port) with { Host = "127.0.0.1" }, 1));
        await answering;
        Assert.Contains("failed       1 malformed answer to CONNECT: NotConnack", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conn_BrokerDiesWhileHeld_CountsTheLost()
    {
        await using var own = new BenchMosquitto();
        await own.InitializeAsync();
        await using var clients = new ClientGroup(own.Target(own.Port), 1024, TimeProvider.System);
        await clients.OpenAsync(4, TimeSpan.Zero, async client =>
        {
            for (;;) await client.ReceiveAsync(CancellationToken.None);
        }, CancellationToken.None);
        Assert.Equal(4, clients.Opened);

        own.Kill();
        Assert.True(await Task.Run(() => SpinWait.SpinUntil(() => clients.Lost.Total == 4, TimeSpan.FromSeconds(10))));
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
        Task serving = Task.Run(async () =>
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
        Assert.Contains("/metrics: ", failure.Message, StringComparison.Ordinal);
    }

    private static async Task ServeMetricsAsync(TcpListener admin, int connections)
    {
        using Socket accepted = await admin.AcceptSocketAsync();
        var request = new byte[4096];
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
