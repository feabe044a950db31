using System.Net;
using System.Net.Sockets;
using System.Text;
using ActorLb.Testing.Processes;

namespace ActorLb.Tests.Cli;

/// <summary>pbm pointed at what is no admin endpoint, or at one in the wrong way, says so in a sentence.</summary>
public sealed class ForeignEndpointTests : IDisposable
{
    private const string Port = "the admin endpoint's port is set by admin.bind (8888 by default)";

    private readonly TcpListener _peer = new(IPAddress.Loopback, 0);

    public ForeignEndpointTests() => _peer.Start();

    private string Address => _peer.LocalEndpoint.ToString()!;

    [Fact]
    public async Task Nobody_IsRefused()
    {
        _peer.Stop();
        using var held = new Socket(SocketType.Stream, ProtocolType.Tcp);
        held.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await HasAsync($"http://{held.LocalEndPoint}", $"http://{held.LocalEndPoint}/: connection refused: nothing is listening there");
    }

    [Fact]
    public async Task UnknownName_IsTold() =>
        await HasAsync("http://no-such-host.invalid:8888", "http://no-such-host.invalid:8888/: no such host name", "http://no-such-host.invalid:8888/: the host name cannot be resolved: no name server answers");

    /// <summary>A broker, or a listener of the node, reads a malformed packet and closes; so does an endpoint with TLS.</summary>
    [Fact]
    public async Task MqttPortOrTlsEndpoint_SpokenToInHttp_IsNamedWithWhatToTry()
    {
        _ = AnswerAsync("");
        await HasAsync(Address, $"http://{Address}/: it closed the connection without an HTTP answer; {Port}, and with admin.tls it is https://{Address}");
    }

    [Fact]
    public async Task OtherProtocol_IsNamed()
    {
        _ = AnswerAsync("220 mail.example.com ESMTP\r\n");
        await HasAsync(Address, $"http://{Address}/: it does not speak HTTP; {Port}, and with admin.tls it is https://{Address}");
    }

    [Fact]
    public async Task EndpointWithoutTls_SpokenToInTls_IsNamedWithWhatToTry()
    {
        _ = AnswerAsync("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        await HasAsync($"https://{Address}", $"https://{Address}/: the other side does not speak TLS; {Port}, and it uses TLS only with admin.tls: try http://{Address}");
    }

    [Theory]
    [InlineData("pbm: 'two' is not a whole number", "pool", "weight", "a:1", "two")]
    [InlineData("pbm: '99999999999' is too large a number", "pool", "weight", "a:1", "99999999999")]
    [InlineData("pbm: --limit: 'x' is not a whole number", "session", "list", "--limit", "x")]
    public async Task Number_ThatIsNone_IsToldWithoutTypes(string expected, params string[] words)
    {
        var wrong = await ProcessHost.RunAsync(Path.Combine(AppContext.BaseDirectory, "pbm"), words);
        Assert.Equal(2, wrong.ExitCode);
        Assert.Equal(expected, wrong.Lines[0]);
    }

    public void Dispose() => _peer.Dispose();

    private static async Task HasAsync(string host, params string[] any)
    {
        var pbm = await ProcessHost.RunAsync(Path.Combine(AppContext.BaseDirectory, "pbm"), ["--host", host, "node", "info"]);
        Assert.Equal(3, pbm.ExitCode);
        Assert.Contains(pbm.Output.Trim(), any.Select(a => $"pbm: {a}"));
    }

    /// <summary>Of each connection reads what comes first, answers and closes, until the listener is closed: an HTTP client may try
    /// twice.</summary>
    private async Task AnswerAsync(string answer)
    {
        try
        {
            while (true)
            {
                using var client = await _peer.AcceptSocketAsync();
                await client.ReceiveAsync(new byte[4096]);
                await client.SendAsync(Encoding.ASCII.GetBytes(answer));
                client.Shutdown(SocketShutdown.Both);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test has ended.
        }
    }
}
