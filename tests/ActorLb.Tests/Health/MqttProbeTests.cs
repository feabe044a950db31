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

public sealed class MqttProbeTests
{
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
        var result = await new MqttProbe(new ProbeStream(ProxyProtocolVersion.Off, tls: null), new OwnProbes("n1", "0a0b0c0d")).ProbeAsync(service.EndPoint, Soon);

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

    [Fact]
    public void Mqtt_LongNodeName_StillOneLengthByte()
    {
        byte[] connect = MqttProbe.BuildConnect(new OwnProbes(new string('é', 300) + "-7").Next().ClientId);

        Assert.Equal(connect.Length - 2, connect[1]);
        Assert.True(connect[1] < 128);
        Assert.Contains("-7-", Encoding.UTF8.GetString(connect));
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

    [Fact]
    public async Task Mqtt_OverTls_VerifiesByThePoolsCa()
    {
        using var certificate = SelfSigned();
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
            var otherName = await Run(new UpstreamTlsOptions(ca, "other.example", Verify: true, null, null));
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
}
