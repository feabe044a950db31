using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Health;
using ActorLb.Tests.Balancing;

namespace ActorLb.Tests.Health;

public sealed class ProbeTests
{
    private const string Connect = "101c00044d5154540402000a00106163746f726c622d70726f62652d6e31";

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(10)).Token;

    [Fact]
    public async Task Tcp_Listening_AliveElseRefused()
    {
        IPEndPoint endPoint;
        await using (FakeService service = new((_, _) => Task.CompletedTask))
        {
            endPoint = service.EndPoint;
            Assert.Equal(ProbeResult.Ok, await new TcpProbe().ProbeAsync(endPoint, Soon));
        }

        ProbeResult refused = await new TcpProbe().ProbeAsync(endPoint, Soon);
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
            await ReadAsync(stream, 30, end);
            await stream.WriteAsync(Convert.FromHexString(answer), end);
        });
        ProbeResult result = await new MqttProbe(new ProbeStream(ProxyProtocolVersion.Off, tls: null), "n1").ProbeAsync(service.EndPoint, Soon);

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

        Assert.True((await new MqttProbe(new ProbeStream(proxy, tls: null), "n1").ProbeAsync(service.EndPoint, Soon)).Alive);

        Assert.Equal(header + Connect + "e000", await seen.Task);
    }

    [Fact]
    public void Mqtt_LongNodeName_StillOneLengthByte()
    {
        byte[] connect = MqttProbe.BuildConnect("actorlb-probe-" + new string('é', 300) + "-7");

        Assert.Equal(connect.Length - 2, connect[1]);
        Assert.True(connect[1] < 128);
        Assert.EndsWith("-7", Encoding.UTF8.GetString(connect));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n", false, true)]
    [InlineData("HTTP/1.0 302 Found\r\n", false, true)]
    [InlineData("HTTP/1.1 404 Not Found\r\n", false, false)]
    [InlineData("HTTP/1.1 101 Switching\r\n", true, true)]
    [InlineData("HTTP/1.1 200 OK\r\n", true, false)]
    [InlineData("SSH-2.0-OpenSSH_9\r\n", false, false)]
    [InlineData("", false, false)]
    public async Task Http_Answers_Judged(string answer, bool upgrade, bool alive)
    {
        TaskCompletionSource<string> request = new();
        await using FakeService service = new(async (stream, end) =>
        {
            StringBuilder text = new();
            while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
            {
                text.Append(Encoding.ASCII.GetString(Convert.FromHexString(await ReadAsync(stream, 1, end))));
            }

            await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), end);
            request.SetResult(text.ToString());
        });
        HttpProbe probe = new(new ProbeStream(ProxyProtocolVersion.Off, tls: null), "broker:8083", "/mqtt", upgrade);

        Assert.Equal(alive, (await probe.ProbeAsync(service.EndPoint, Soon)).Alive);

        Assert.StartsWith("GET /mqtt HTTP/1.1\r\nHost: broker:8083\r\n", await request.Task);
        Assert.Equal(upgrade, (await request.Task).Contains("Sec-WebSocket-Protocol: mqtt", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Mqtt_OverTls_VerifiesByThePoolsCa()
    {
        using RSA key = RSA.Create(2048);
        CertificateRequest request = new("CN=broker.example", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("broker.example");
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
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
                    await ReadAsync(secure, 30, end);
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
                await new MqttProbe(new ProbeStream(ProxyProtocolVersion.Off, new UpstreamTls(tls, "127.0.0.1")), "n1")
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

        Assert.Equal(name, HealthProbes.Create(options, pool.Snapshot.Backends[0], "n1")?.Name);
    }

    private static async Task<string> ReadAsync(Stream stream, int count, CancellationToken end)
    {
        byte[] buffer = new byte[count];
        await stream.ReadExactlyAsync(buffer, end);
        return Convert.ToHexStringLower(buffer);
    }
}
