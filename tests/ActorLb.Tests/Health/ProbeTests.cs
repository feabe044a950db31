using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Health;
using ActorLb.Protocol.WebSocket;
using ActorLb.Testing;
using ActorLb.Tests.Balancing;

namespace ActorLb.Tests.Health;

public sealed class ProbeTests
{
    private const string Connect = "102700044d5154540402000a001b6163746f726c622d70726f62652d6e312d30613062306330642d31";

    private static CancellationToken Soon => new CancellationTokenSource(Wait.Patience).Token;

    [Fact]
    public async Task Tcp_Listening_AliveElseRefused()
    {
        IPEndPoint endPoint;
        await using (FakeService service = new((_, _) => Task.CompletedTask))
        {
            endPoint = service.EndPoint;
            Assert.Equal(ProbeResult.Ok, await new TcpProbe(Plain).ProbeAsync(endPoint, Soon));
        }

        ProbeResult refused = await new TcpProbe(Plain).ProbeAsync(endPoint, Soon);
        Assert.False(refused.Alive);
        Assert.Contains("refused", refused.Reason, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("20020000", null)]
    [InlineData("20020005", null)]
    [InlineData("20020100", null)]
    [InlineData("20020003", "CONNACK 3, server unavailable")]
    [InlineData("48545450", "not a CONNACK: 48545450")]
    [InlineData("", "closed without a CONNACK")]
    [InlineData("2002", "closed after 2 bytes of 2002")]
    public async Task Mqtt_Answers_Judged(string answer, string? reason)
    {
        await using FakeService service = new(async (stream, end) =>
        {
            await ReadAsync(stream, Connect.Length / 2, end);
            await stream.WriteAsync(Convert.FromHexString(answer), end);
        });
        ProbeResult result = await new MqttProbe(new ProbeStream(ProxyProtocolVersion.Off, tls: null), new OwnProbes("n1", "0a0b0c0d")).ProbeAsync(service.EndPoint, Soon);

        Assert.Equal((reason is null, reason), (result.Alive, result.Reason));
    }

    [Theory]
    [InlineData(ProxyProtocolVersion.Off, "")]
    [InlineData(ProxyProtocolVersion.V1, "50524f585920554e4b4e4f574e0d0a")]
    [InlineData(ProxyProtocolVersion.V2, "0d0a0d0a000d0a515549540a20000000")]
    public async Task Mqtt_Session_ExactBytes(ProxyProtocolVersion proxy, string header)
    {
        TaskCompletionSource<string> seen = new();
        await using FakeService service = new(async (stream, end) =>
        {
            string first = await ReadAsync(stream, (header.Length + Connect.Length) / 2, end);
            await stream.WriteAsync(new byte[] { 0x20, 0x02, 0x00, 0x00 }, end);
            seen.SetResult(first + await ReadAsync(stream, 2, end));
        });

        Assert.True((await new MqttProbe(new ProbeStream(proxy, tls: null), new OwnProbes("n1", "0a0b0c0d")).ProbeAsync(service.EndPoint, Soon)).Alive);

        Assert.Equal(header + Connect + "e000", await seen.Task);
    }

    /// <summary>A backend that expects a PROXY header takes a connection without one for an error.</summary>
    [Theory]
    [InlineData(ProbeKind.Tcp, ProxyProtocolVersion.Off, 0, "")]
    [InlineData(ProbeKind.Tcp, ProxyProtocolVersion.V1, 0, "PROXY UNKNOWN\r\n")]
    [InlineData(ProbeKind.Tcp, ProxyProtocolVersion.V2, 0, "\r\n\r\n\0\r\nQUIT\n \0\0\0")]
    [InlineData(ProbeKind.Tcp, ProxyProtocolVersion.V2, 1, "")]
    [InlineData(ProbeKind.Http, ProxyProtocolVersion.V1, 0, "PROXY UNKNOWN\r\nGET /status HTTP/1.1\r\n")]
    [InlineData(ProbeKind.Http, ProxyProtocolVersion.V2, 0, "\r\n\r\n\0\r\nQUIT\n \0\0\0GET /status HTTP/1.1\r\n")]
    [InlineData(ProbeKind.Http, ProxyProtocolVersion.V2, 1, "GET /status HTTP/1.1\r\n")]
    public async Task Probe_WhereThePoolSendsProxyHeaders_SpeaksForNobody(ProbeKind kind, ProxyProtocolVersion proxy, int otherPort, string first)
    {
        TaskCompletionSource<string> seen = new();
        await using FakeService service = new(async (stream, end) =>
        {
            byte[] begin = new byte[first.Length == 0 ? 1 : first.Length];
            int read = await stream.ReadAtLeastAsync(begin, begin.Length, throwOnEndOfStream: false, end);
            seen.TrySetResult(Encoding.Latin1.GetString(begin, 0, read));
            await stream.WriteAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(), end);
        });
        int port = service.EndPoint.Port;
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("127.0.0.1", port: otherPort == 0 ? port : otherPort)) with
        {
            ProxyProtocol = proxy, Health = Pools.NoHealth with { Probe = kind, Path = "/status", Port = otherPort == 0 ? 0 : port },
        };
        IHealthProbe probe = HealthProbes.Create(options, new Pool(options, TimeProvider.System).Snapshot.Backends[0], new OwnProbes("n1", "0a0b0c0d"))!;

        Assert.True((await probe.ProbeAsync(service.EndPoint, Soon)).Alive);

        Assert.Equal(first, await seen.Task);
    }

    [Theory]
    [InlineData(ProbeKind.Mqtt, null, "no CONNACK")]
    [InlineData(ProbeKind.Mqtt, "/mqtt", "no answer to the upgrade")]
    [InlineData(ProbeKind.Http, null, "no HTTP status")]
    public async Task Probe_OfASilentPeer_KnowsWhatItOwes(ProbeKind kind, string? webSocket, string owed)
    {
        await using FakeService service = new((_, end) => Task.Delay(Timeout.Infinite, end));
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("127.0.0.1", port: service.EndPoint.Port)) with
        {
            WebSocketPath = webSocket, Health = Pools.NoHealth with { Probe = kind },
        };
        IHealthProbe probe = HealthProbes.Create(options, new Pool(options, TimeProvider.System).Snapshot.Backends[0], new OwnProbes("n1", "0a0b0c0d"))!;
        using CancellationTokenSource end = new();
        ValueTask<ProbeResult> probing = probe.ProbeAsync(service.EndPoint, end.Token);
        await Wait.UntilAsync(() => probe.Owed == owed);
        await end.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await probing);

        Assert.Equal(owed, probe.Owed);
    }

    [Fact]
    public void OwnProbes_KnowTheirIdsAndNoOthers()
    {
        OwnProbes own = new("n1", "0a0b0c0d"), other = new("n1", "0a0b0c0e");
        (long number, string id) = own.Next();
        Assert.Equal("actorlb-probe-n1-0a0b0c0d-1", id);
        Assert.True(own.Has(Encoding.UTF8.GetBytes(id)));
        Assert.False(other.Has(Encoding.UTF8.GetBytes(id)));
        Assert.False(own.Has("actorlb-probe-n1"u8));
        Assert.Null(own.TakeArrival(number));
        // Nobody makes the node remember what it has not sent.
        foreach (string made in (string[])["", "x", "2", "-1", "1x", "99999999999999999999"]) own.Arrived(Encoding.UTF8.GetBytes(id[..^1] + made), "mqtt");
        Assert.All([0, 2, -1], n => Assert.Null(own.TakeArrival(n)));
        own.Arrived(Encoding.UTF8.GetBytes(id), "mqtt");
        Assert.Equal("mqtt", own.TakeArrival(number));
        Assert.Null(own.TakeArrival(number));
    }

    [Fact]
    public void Mqtt_LongNodeName_StillOneLengthByte()
    {
        byte[] connect = MqttProbe.BuildConnect(new OwnProbes(new string('é', 300) + "-7").Next().ClientId);

        Assert.Equal(connect.Length - 2, connect[1]);
        Assert.True(connect[1] < 128);
        Assert.Contains("-7-", Encoding.UTF8.GetString(connect));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n", true, false)]
    [InlineData("HTTP/1.0 302 Found\r\n", true, false)]
    [InlineData("HTTP/1.1 404 Not Found\r\n", false, false)]
    [InlineData("HTTP/1.1 500 Error\r\n", false, false)]
    [InlineData("HTTP/1.1 503 Service Unavailable\r\n", false, true)]
    [InlineData("SSH-2.0-OpenSSH_9\r\n", false, false)]
    [InlineData("", false, false)]
    public async Task Http_Answers_Judged(string answer, bool alive, bool refused)
    {
        TaskCompletionSource<string> request = new();
        await using FakeService service = new(async (stream, end) =>
        {
            string text = await ReadHeadAsync(stream, end);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), end);
            request.SetResult(text);
        });
        HttpProbe probe = new(Plain, "broker:8083", "/status");

        ProbeResult result = await probe.ProbeAsync(service.EndPoint, Soon);

        Assert.Equal((alive, refused), (result.Alive, result.Refused));
        Assert.StartsWith("GET /status HTTP/1.1\r\nHost: broker:8083\r\n", await request.Task);
    }

    [Theory]
    [InlineData("HTTP/1.1 503 Service Unavailable\r\n", true, true)]
    [InlineData("HTTP/1.1 200 OK\r\n", true, false)]
    [InlineData("HTTP/1.1 502 Bad Gateway\r\n", false, false)]
    public void Http_503ThatDrains_Lives(string answer, bool alive, bool drains)
    {
        ProbeResult result = HttpProbe.Judge(Encoding.ASCII.GetBytes(answer), drainsOn503: true);

        Assert.Equal((alive, drains, false), (result.Alive, result.Drains, result.Refused));
    }

    /// <summary>A probe that leaves something unread resets the connection, which brokers log.</summary>
    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 503 Service Unavailable\r\n\r\n")]
    public async Task Http_LongAnswer_ReadToTheEnd(string head)
    {
        TaskCompletionSource<int> ending = new();
        await using FakeService service = new(async (stream, end) =>
        {
            await ReadHeadAsync(stream, end);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(head), end);
            for (int i = 0; i < 50; i++)
            {
                await stream.WriteAsync(new byte[10_000], end);
            }

            ((NetworkStream)stream).Socket.Shutdown(SocketShutdown.Send);
            await EndingAsync(stream, ending, end);
        });

        await new HttpProbe(Plain, "broker", "/status").ProbeAsync(service.EndPoint, Soon);

        Assert.Equal(0, await ending.Task);
    }

    [Fact]
    public async Task Http_AnswerWithoutAnEnd_VerdictStandsAllTheSame()
    {
        await using FakeService service = new(async (stream, end) =>
        {
            await ReadHeadAsync(stream, end);
            await stream.WriteAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(), end);
            await ReadAsync(stream, 1, end);
        });

        Assert.True((await new HttpProbe(Plain, "broker", "/status").ProbeAsync(service.EndPoint, Soon)).Alive);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public async Task Mqtt_MoreThanTheConnack_ReadToTheEnd(byte code)
    {
        TaskCompletionSource<int> ending = new();
        await using FakeService service = new(async (stream, end) =>
        {
            await ReadAsync(stream, Connect.Length / 2, end);
            await stream.WriteAsync((byte[])[0x20, 0x02, 0x00, code, 0x30, 0x03, 0x00, 0x01, 0x74], end);
            if (code == 0)
            {
                Assert.Equal("e000", await ReadAsync(stream, 2, end));
            }

            await EndingAsync(stream, ending, end);
        });

        Assert.True((await new MqttProbe(Plain, new OwnProbes("n1", "0a0b0c0d")).ProbeAsync(service.EndPoint, Soon)).Alive);

        Assert.Equal(0, await ending.Task);
    }

    [Theory]
    [InlineData(false, 0, true, false)]
    [InlineData(true, 0, true, false)]
    [InlineData(false, 5, true, false)]
    [InlineData(false, 3, false, true)]
    public async Task WebSocket_Session_MqttInFramesAndAClosingHandshake(bool tls, byte code, bool alive, bool refused)
    {
        using X509Certificate2 certificate = SelfSigned();
        TaskCompletionSource<string> seen = new();
        await using FakeService service = new(async (tcp, end) =>
        {
            await using SslStream? secure = tls ? new SslStream(tcp) : null;
            if (secure is not null)
            {
                await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, end);
            }

            Stream stream = secure ?? tcp;
            await AgreeAsync(stream, end);
            string talk = await ReadFrameAsync(stream, end);

            // The CONNACK in two fragments with a ping between them.
            await stream.WriteAsync((byte[])[0x02, 0x02, 0x20, 0x02, 0x89, 0x01, 0x70, 0x80, 0x02, 0x00, code], end);
            talk += " " + await ReadFrameAsync(stream, end);
            if (code == 0)
            {
                talk += " " + await ReadFrameAsync(stream, end);
            }

            talk += " " + await ReadFrameAsync(stream, end);
            await stream.WriteAsync((byte[])[0x88, 0x02, 0x03, 0xE8], end);
            seen.SetResult($"{talk} {await stream.ReadAsync(new byte[1], end)}");
        });
        UpstreamTls? upstream = tls ? new UpstreamTls(new UpstreamTlsOptions(null, null, Verify: false, null, null), "127.0.0.1") : null;
        MqttProbe probe = new(new ProbeStream(ProxyProtocolVersion.Off, upstream), new OwnProbes("n1", "0a0b0c0d"), ("broker:8083", "/mqtt"));

        ProbeResult result = await probe.ProbeAsync(service.EndPoint, Soon);

        Assert.Equal((alive, refused), (result.Alive, result.Refused));
        Assert.Equal($"2:{Connect} 10:70 {(code == 0 ? "2:e000 " : "")}8:03e8 0", await seen.Task);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", "HTTP status 200", false)]
    [InlineData("HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP status 503", true)]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\n\r\n", "upgrade: ", false)]
    [InlineData("", "closed without an answer to the upgrade", false)]
    public async Task WebSocket_NoUpgrade_Judged(string answer, string reason, bool refused)
    {
        await using FakeService service = new(async (stream, end) =>
        {
            await ReadHeadAsync(stream, end);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), end);
        });

        ProbeResult result = await new MqttProbe(Plain, new OwnProbes("n1", "0a0b0c0d"), ("broker:8083", "/mqtt")).ProbeAsync(service.EndPoint, Soon);

        Assert.Equal((false, refused), (result.Alive, result.Refused));
        Assert.StartsWith(reason, result.Reason);
    }

    /// <summary>A listener that upgrades and has no broker behind it was taken for one.</summary>
    [Theory]
    [InlineData("8202ffff", "closed after 2 bytes of FFFF")]
    [InlineData("820220028802 03e8", "closed after 2 bytes of 2002")]
    [InlineData("810141", "websocket: ")]
    [InlineData("", "closed without a CONNACK")]
    public async Task WebSocket_UpgradeWithoutAConnack_Failed(string frames, string reason)
    {
        await using FakeService service = new(async (stream, end) =>
        {
            await AgreeAsync(stream, end);
            await ReadFrameAsync(stream, end);
            await stream.WriteAsync(Convert.FromHexString(frames.Replace(" ", "", StringComparison.Ordinal)), end);
        });

        ProbeResult result = await new MqttProbe(Plain, new OwnProbes("n1", "0a0b0c0d"), ("broker:8083", "/mqtt")).ProbeAsync(service.EndPoint, Soon);

        Assert.False(result.Alive);
        Assert.StartsWith(reason, result.Reason);
    }

    [Fact]
    public async Task Mqtt_OverTls_VerifiesByThePoolsCa()
    {
        using X509Certificate2 certificate = SelfSigned();
        string ca = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(ca, certificate.ExportCertificatePem());
            await using FakeService service = new(async (stream, end) =>
            {
                await using SslStream secure = new(stream);
                try
                {
                    await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, end);
                    await ReadAsync(secure, Connect.Length / 2, end);
                    await secure.WriteAsync(new byte[] { 0x20, 0x02, 0x00, 0x00 }, end);
                    await ReadAsync(secure, 2, end);
                }
                catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
                {
                    // The client refuses the certificate.
                }
            });

            Assert.True((await Run(new UpstreamTlsOptions(ca, "broker.example", Verify: true, null, null))).Alive);
            Assert.True((await Run(new UpstreamTlsOptions(null, null, Verify: false, null, null))).Alive);
            ProbeResult otherName = await Run(new UpstreamTlsOptions(ca, "other.example", Verify: true, null, null));
            Assert.StartsWith("tls: ", otherName.Reason);
            Assert.False((await Run(new UpstreamTlsOptions(null, "broker.example", Verify: true, null, null))).Alive);

            async Task<ProbeResult> Run(UpstreamTlsOptions tls) =>
                await new MqttProbe(new ProbeStream(ProxyProtocolVersion.Off, new UpstreamTls(tls, "127.0.0.1")), new OwnProbes("n1", "0a0b0c0d"))
                    .ProbeAsync(service.EndPoint, Soon);
        }
        finally
        {
            File.Delete(ca);
        }
    }

    [Theory]
    [InlineData(ProbeKind.None, null, 0, null)]
    [InlineData(ProbeKind.Tcp, null, 0, "tcp")]
    [InlineData(ProbeKind.Mqtt, null, 0, "mqtt")]
    [InlineData(ProbeKind.Http, null, 18083, "http")]
    [InlineData(ProbeKind.Mqtt, "/mqtt", 0, "websocket")]
    [InlineData(ProbeKind.Mqtt, "/mqtt", 1884, "mqtt")]
    public void Create_Options_TheProbe(ProbeKind kind, string? webSocket, int port, string? name)
    {
        PoolOptions options = Pools.Options(BalanceKind.RoundRobin, Pools.Backend("10.0.0.1")) with
        {
            WebSocketPath = webSocket,
            Health = Pools.NoHealth with { Probe = kind, Port = port },
        };
        Pool pool = new(options, TimeProvider.System);

        Assert.Equal(name, HealthProbes.Create(options, pool.Snapshot.Backends[0], new OwnProbes("n1", "0a0b0c0d"))?.Name);
    }

    private static ProbeStream Plain => new(ProxyProtocolVersion.Off, tls: null);

    private static X509Certificate2 SelfSigned()
    {
        using RSA key = RSA.Create(2048);
        CertificateRequest request = new("CN=broker.example", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("broker.example");
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private static async Task<string> ReadHeadAsync(Stream stream, CancellationToken end)
    {
        StringBuilder text = new();
        while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            text.Append(Encoding.ASCII.GetString(Convert.FromHexString(await ReadAsync(stream, 1, end))));
        }

        return text.ToString();
    }

    private static async Task AgreeAsync(Stream stream, CancellationToken end)
    {
        string head = await ReadHeadAsync(stream, end);
        Assert.StartsWith("GET /mqtt HTTP/1.1\r\nHost: broker:8083\r\n", head);
        Assert.Contains("Sec-WebSocket-Protocol: mqtt\r\n", head, StringComparison.Ordinal);
        string key = head.Split("Sec-WebSocket-Key: ")[1].Split('\r')[0];
        byte[] response = new byte[UpgradeResponse.MaxLength];
        int length = UpgradeResponse.Write(response, Encoding.ASCII.GetBytes(key), MqttSubprotocol.Mqtt);
        await stream.WriteAsync(response.AsMemory(0, length), end);
    }

    /// <summary>A client's short frame as "opcode:payload", unmasked.</summary>
    private static async Task<string> ReadFrameAsync(Stream stream, CancellationToken end)
    {
        byte[] header = Convert.FromHexString(await ReadAsync(stream, 6, end));
        Assert.Equal((0x80, 0x80), (header[0] & 0x80, header[1] & 0x80));
        byte[] payload = Convert.FromHexString(await ReadAsync(stream, header[1] & 0x7F, end));
        return $"{header[0] & 0x0F}:{Convert.ToHexStringLower([.. payload.Select((b, i) => (byte)(b ^ header[2 + (i & 3)]))])}";
    }

    /// <summary>0 for the peer's end; a reset fails the task.</summary>
    private static async Task EndingAsync(Stream stream, TaskCompletionSource<int> ending, CancellationToken end)
    {
        try
        {
            ending.SetResult(await stream.ReadAsync(new byte[1], end));
        }
        catch (IOException e)
        {
            ending.SetException(e);
        }
    }

    private static async Task<string> ReadAsync(Stream stream, int count, CancellationToken end)
    {
        byte[] buffer = new byte[count];
        await stream.ReadExactlyAsync(buffer, end);
        return Convert.ToHexStringLower(buffer);
    }
}
