using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using ActorLb.Testing;
using Microsoft.Extensions.Logging;

namespace ActorLb.Tests.Admin;

/// <summary>Requests that no program of ours makes: they are refused with a status, or cut, and cost the node nothing.</summary>
[Collection(AloneCollection.Name)]
public sealed class HostileRequestTests
{
    /// <summary>As the paths are sent, not as a client would tidy them up.</summary>
    [Theory]
    [InlineData("/../../../../etc/passwd")]
    [InlineData("/..%2f..%2f..%2fetc%2fpasswd")]
    [InlineData("/%2e%2e/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/%252e%252e/%252e%252e/etc/passwd")]
    [InlineData("/..\\..\\..\\etc\\passwd")]
    [InlineData("/..%5c..%5cetc%5cpasswd")]
    [InlineData("/....//....//etc/passwd")]
    [InlineData("//etc/passwd")]
    [InlineData("/%2fetc%2fpasswd")]
    [InlineData("/etc/passwd%00.html")]
    [InlineData("/metrics/../../etc/passwd")]
    [InlineData("/api/v1/pools/..%2f..%2f..%2fetc%2fpasswd")]
    [InlineData("/api/v1/pools/%2e%2e%2f%2e%2e%2fetc%2fpasswd")]
    [InlineData("/api/v1/config/../../../etc/passwd")]
    [InlineData("file:///etc/passwd")]
    [InlineData("http://127.0.0.1/etc/passwd")]
    [InlineData("/metrics.bak")]
    [InlineData("/.git/config")]
    [InlineData("/node.conf")]
    public async Task Path_ThatLeadsOutside_LeadsNowhere(string path)
    {
        await using var node = await AdminNode.StartAsync();
        var log = new HeardLog();
        node.Hear(log);

        string answer = await AskAsync(node, $"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");

        Assert.Matches("^HTTP/1.1 (400|404) ", answer);
        Assert.DoesNotContain("root:", answer, StringComparison.Ordinal);
        Assert.Empty(log.Errors);
    }

    /// <summary>What needs the token needs it under every spelling of its path, and whatever stands beside it.</summary>
    [Theory]
    [InlineData("/healthz/../metrics", 401)]
    [InlineData("/healthz/%2e%2e/metrics", 401)]
    [InlineData("/readyz/../api/v1/node", 401)]
    [InlineData("/healthz/..;/metrics", 401)]
    [InlineData("/METRICS", 401)]
    [InlineData("/metrics/", 401)]
    [InlineData("//metrics", 401)]
    [InlineData("/healthz?x=/metrics", 200)]
    [InlineData("/healthz#/metrics", 401)]
    [InlineData("/healthz%2f..%2fmetrics", 401)]
    [InlineData("/api/v1/../../status", 401)]
    public async Task Path_ByAnyWay_IsNotPastTheToken(string path, int status)
    {
        await using var node = await AdminNode.StartAsync(token: "s3cret");
        string answer = await AskAsync(node, $"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Original-URL: /healthz\r\nX-Forwarded-For: 127.0.0.1\r\nConnection: close\r\n\r\n");
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("actorlb_", answer, StringComparison.Ordinal);
    }

    /// <summary>A name that a stranger's DNS leads to this endpoint makes a browser read it for that stranger's page.</summary>
    [Theory]
    [InlineData("/metrics")]
    [InlineData("/status")]
    [InlineData("/api/v1/node")]
    [InlineData("/")]
    public async Task Host_OfAStranger_GetsNoPage_WhereThereIsNoToken(string path)
    {
        await using var node = await AdminNode.StartAsync();
        foreach (string host in (string[])["evil.example", "evil.example:8888", "localhost.evil.example", "127.0.0.1.evil.example", "localhost.", "LOCALHOST@evil.example"])
        {
            string answer = await AskAsync(node, $"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            Assert.Matches("^HTTP/1.1 (400|403) ", answer);
        }
        Assert.Matches("^HTTP/1.1 403 ", await AskAsync(node, $"GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n"));
        Assert.Matches("^HTTP/1.1 (200|404) ", await AskAsync(node, $"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8888\r\nConnection: close\r\n\r\n"));
        // Probes have any name for the node.
        Assert.StartsWith("HTTP/1.1 200 ", await AskAsync(node, "GET /healthz HTTP/1.1\r\nHost: lb-1.internal\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /metrics HTTP/1.1\r\n\r\n")]
    [InlineData("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: 127.0.0.1\r\n\r\n")]
    [InlineData("GET /metrics HTTP/1.1\r\nHost: local host\r\n\r\n")]
    [InlineData("POST /api/v1/config/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nabcde")]
    [InlineData("POST /api/v1/config/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("POST /api/v1/config/check HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")]
    [InlineData("GET /metrics\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\u0000")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    [InlineData("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n")]
    [InlineData("CONNECT localhost:1883 HTTP/1.1\r\nHost: localhost\r\n\r\n")]
    [InlineData("TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")]
    public async Task Request_ThatIsNone_IsRefused(string request)
    {
        await using var node = await AdminNode.StartAsync();
        var log = new HeardLog();
        node.Hear(log);
        string answer = await AskAsync(node, request);
        // To the first bytes of HTTP/2 the answer is a frame of it.
        Assert.Matches("^(HTTP/1.1 (400|404|405|505) |\0\0\b\a)", answer);
        Assert.Empty(log.Errors);
        Assert.Equal("ok\n", await node.Http.GetStringAsync("/healthz"));
    }

    [Theory]
    [InlineData("a line", 414)]
    [InlineData("headers", 431)]
    [InlineData("a header", 431)]
    [InlineData("a length", 413)]
    [InlineData("chunks", 413)]
    public async Task Request_TooLarge_IsRefused_AndHeldByNobody(string what, int status)
    {
        await using var node = await AdminNode.StartAsync();
        string piece = new('a', 8_000);
        string begin = what switch
        {
            "a line" => "GET /",
            "headers" => "GET /metrics HTTP/1.1\r\nHost: localhost\r\n",
            "a header" => "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ",
            "a length" => "POST /api/v1/config/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n",
            _ => "POST /api/v1/config/check HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        };
        string next = what switch { "headers" => $"X-{{0}}: {piece}\r\n", "chunks" => $"1F40\r\n{piece}\r\n", _ => piece };
        long sent = 0;
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(node.Address);
        var answer = ReadToEndAsync(socket);
        try
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(begin));
            // What it takes before it says no is bounded: what it read, and what the kernel's buffers hold.
            for (int i = 0; i < 4_000 && !answer.IsCompleted; i++)
            {
                sent += await socket.SendAsync(Encoding.ASCII.GetBytes(next.Replace("{0}", $"{i}", StringComparison.Ordinal)));
            }
        }
        catch (SocketException)
        {
            // It has closed.
        }

        Assert.Contains($" {status} ", (await answer.WaitAsync(Wait.Patience))[..20], StringComparison.Ordinal);
        Assert.InRange(sent, 0, 24_000_000);
        Assert.Equal("ok\n", await node.Http.GetStringAsync("/healthz"));
    }

    /// <summary>A byte now and then holds a connection no longer than silence does.</summary>
    [Theory]
    [Trait("speed", "slow")]
    [InlineData("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ")]
    [InlineData("POST /api/v1/config/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")]
    public async Task Request_ThatDrips_IsCut(string begin)
    {
        await using var node = await AdminNode.StartAsync();
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(node.Address);
        var answer = ReadToEndAsync(socket);
        await socket.SendAsync(Encoding.ASCII.GetBytes(begin));
        var held = Stopwatch.StartNew();
        try
        {
            while (!answer.IsCompleted)
            {
                Assert.True(held.Elapsed < Wait.Patience);
                await socket.SendAsync("a"u8.ToArray());
                // The pace of the drops; Kestrel's clock is the system's.
                await Task.Delay(100);
            }
        }
        catch (SocketException)
        {
            // Cut.
        }
        Assert.Matches("^(HTTP/1.1 408 |$)", await answer);
    }

    private static async Task<string> AskAsync(AdminNode node, string request)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(node.Address);
        await socket.SendAsync(Encoding.Latin1.GetBytes(request));
        return await ReadToEndAsync(socket).WaitAsync(Wait.Patience);
    }

    private static async Task<string> ReadToEndAsync(Socket socket)
    {
        var answer = new StringBuilder();
        byte[] buffer = new byte[16 * 1024];
        try
        {
            for (int read; (read = await socket.ReceiveAsync(buffer)) > 0;) answer.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }
        catch (SocketException)
        {
            // Its end may be a reset, with what it said before.
        }
        return answer.ToString();
    }

    /// <summary>Errors that are logged.</summary>
    private sealed class HeardLog : ILoggerProvider, ILogger
    {
        public List<string> Errors { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Error) lock (Errors) Errors.Add(formatter(state, exception));
        }

        public void Dispose()
        {
            // Nothing is held.
        }
    }
}
