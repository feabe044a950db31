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

/// <summary>What the peers of the probes' tests have in common.</summary>
internal static class ProbedPeer
{
    public const string Connect = "102700044d5154540402000a001b6163746f726c622d70726f62652d6e312d30613062306330642d31";

    public static CancellationToken Soon => new CancellationTokenSource(Wait.Patience).Token;

    public static ProbeStream Plain => new(ProxyProtocolVersion.Off, tls: null);

    public static X509Certificate2 SelfSigned()
    {
        using var key = RSA.Create(2048);
        CertificateRequest request = new("CN=broker.example", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("broker.example");
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    public static async Task<string> ReadHeadAsync(Stream stream, CancellationToken end)
    {
        StringBuilder text = new();
        while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            text.Append(Encoding.ASCII.GetString(Convert.FromHexString(await ReadAsync(stream, 1, end))));
        }

        return text.ToString();
    }

    public static async Task AgreeAsync(Stream stream, CancellationToken end)
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
    public static async Task<string> ReadFrameAsync(Stream stream, CancellationToken end)
    {
        byte[] header = Convert.FromHexString(await ReadAsync(stream, 6, end));
        Assert.Equal((0x80, 0x80), (header[0] & 0x80, header[1] & 0x80));
        byte[] payload = Convert.FromHexString(await ReadAsync(stream, header[1] & 0x7F, end));
        return $"{header[0] & 0x0F}:{Convert.ToHexStringLower([.. payload.Select((b, i) => (byte)(b ^ header[2 + (i & 3)]))])}";
    }

    /// <summary>0 for the peer's end; a reset fails the task.</summary>
    public static async Task EndingAsync(Stream stream, TaskCompletionSource<int> ending, CancellationToken end)
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

    public static async Task<string> ReadAsync(Stream stream, int count, CancellationToken end)
    {
        byte[] buffer = new byte[count];
        await stream.ReadExactlyAsync(buffer, end);
        return Convert.ToHexStringLower(buffer);
    }
}
