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
using static ActorLb.Tests.Health.ProbedPeer;

namespace ActorLb.Tests.Health;

public sealed class WebSocketProbeTests
{
    [Theory]
    [InlineData(false, 0, true, false)]
    [InlineData(true, 0, true, false)]
    [InlineData(false, 5, true, false)]
    [InlineData(false, 3, false, true)]
    public async Task WebSocket_Session_MqttInFramesAndAClosingHandshake(bool tls, byte code, bool alive, bool refused)
    {
        using var certificate = SelfSigned();
        TaskCompletionSource<string> seen = new();
        await using FakeService service = new(async (tcp, end) =>
        {
            await using var secure = tls ? new SslStream(tcp) : null;
            if (secure is not null)
            {
                await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, end);
            }

            var stream = secure ?? tcp;
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
        var upstream = tls ? new UpstreamTls(new UpstreamTlsOptions(null, null, Verify: false, null, null), "127.0.0.1") : null;
        MqttProbe probe = new(new ProbeStream(ProxyProtocolVersion.Off, upstream), new OwnProbes("n1", "0a0b0c0d"), ("broker:8083", "/mqtt"));

        var result = await probe.ProbeAsync(service.EndPoint, Soon);

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

        var result = await new MqttProbe(Plain, new OwnProbes("n1", "0a0b0c0d"), ("broker:8083", "/mqtt")).ProbeAsync(service.EndPoint, Soon);

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

        var result = await new MqttProbe(Plain, new OwnProbes("n1", "0a0b0c0d"), ("broker:8083", "/mqtt")).ProbeAsync(service.EndPoint, Soon);

        Assert.False(result.Alive);
        Assert.StartsWith(reason, result.Reason);
    }
}
