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

public sealed class HttpProbeTests
{
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

        var result = await probe.ProbeAsync(service.EndPoint, Soon);

        Assert.Equal((alive, refused), (result.Alive, result.Refused));
        Assert.StartsWith("GET /status HTTP/1.1\r\nHost: broker:8083\r\n", await request.Task);
    }

    [Theory]
    [InlineData("HTTP/1.1 503 Service Unavailable\r\n", true, true)]
    [InlineData("HTTP/1.1 200 OK\r\n", true, false)]
    [InlineData("HTTP/1.1 502 Bad Gateway\r\n", false, false)]
    public void Http_503ThatDrains_Lives(string answer, bool alive, bool drains)
    {
        var result = HttpProbe.Judge(Encoding.ASCII.GetBytes(answer), drainsOn503: true);

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
}
