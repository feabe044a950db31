using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using ActorLb.Server.Admin.Api;
using ActorLb.Testing;
using ActorLb.Testing.Processes;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace ActorLb.Tests.Admin;

/// <summary>Who changed what, and with which result: a line for every change, done or refused.</summary>
public sealed class AuditTests : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _lines = new();

    [Fact]
    public async Task EveryRouteThatChangesSomething_LeavesALine()
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        node.Hear(this);
        node.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "s3cret");
        (string Method, string Path)[] routes =
        [
            .. from route in node.Endpoint.Routes
               where route.RoutePattern.RawText!.StartsWith(ApiRoutes.Prefix, StringComparison.Ordinal) && route.Metadata.GetMetadata<ChangesNothing>() is null
               from method in route.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods
               where method != "GET"
               select (method, route.RoutePattern.RawText![ApiRoutes.Prefix.Length..]),
        ];
        string[] known = [.. routes.Select(r => r.Path)];
        Assert.All(
            new[]
            {
                "sessions/kick", "sticky", "backends/{backend}/flush", "listeners/{listener}/pause", "listeners/{listener}/resume", "node/log-level",
                "backends/{backend}/drain", "backends/{backend}/down", "backends/{backend}/up", "backends/{backend}/weight", "node/drain", "node/resume",
                "config/reload", "cluster/leave", "cluster/down", "backends/{backend}/pause", "backends/{backend}/resume", "pools/{pool}/rebalance",
                "pools/{pool}/rebalance/pause", "pools/{pool}/rebalance/resume",
            },
            path => Assert.Contains(path, known));

        // What ends the node's work comes last.
        foreach ((string method, string pattern) in routes.OrderBy(r => r.Path is "node/drain"))
        {
            string path = pattern.Replace("{backend}", node.Two.EndPoint.ToString(), StringComparison.Ordinal).Replace("{listener}", "mqtt", StringComparison.Ordinal)
                .Replace("{pool}", "emqx", StringComparison.Ordinal);
            Assert.DoesNotContain('{', path);
            int before = _lines.Count;
            using var answer = await node.SendAsync(new HttpMethod(method), path);
            string line = Assert.Single(_lines.Skip(before), l => l.StartsWith("ActorLb.Audit ", StringComparison.Ordinal));
            string result = answer.IsSuccessStatusCode ? "done" : $@"refused \({(int)answer.StatusCode}\): .+";
            Assert.Matches($@"^ActorLb\.Audit 127\.0\.0\.1:\d+ \(token token\): {method} {System.Text.RegularExpressions.Regex.Escape(path)}: {result}", line);
        }
    }

    [Fact]
    public async Task Line_TellsWhatWasAskedAndAnswered_AtEveryLevel()
    {
        await using var node = await AdminNode.StartAsync();
        node.Hear(this);
        string id = node.Two.EndPoint.ToString();
        await node.SendAsync(HttpMethod.Put, "node/log-level", """{"level":"off"}""");
        await node.SendAsync(HttpMethod.Put, $"backends/{id}/weight?pool=emqx", """{"weight":9}""");
        await node.SendAsync(HttpMethod.Put, $"backends/{id}/weight", """{"weight":0}""");
        await node.SendAsync(HttpMethod.Post, "sessions/kick?client=x%0A%1B[2J%E2%80%AEy");
        await node.SendAsync(HttpMethod.Post, "cluster/leave");
        Assert.Equal(
            [
                "(no token): PUT node/log-level {\"level\":\"off\"}: done",
                $"(no token): PUT backends/{id}/weight?pool=emqx {{\"weight\":9}}: done",
                $"(no token): PUT backends/{id}/weight {{\"weight\":0}}: refused (400): weight: 0 is not between 1 and 65535",
                "(no token): POST sessions/kick?client=x\\u000a\\u001b[2J\\u202ey: refused (404): no session of that client on node lb-1",
                "(no token): POST cluster/leave: refused (409): lb-1 is by itself (no cluster.seeds): there is no cluster to leave; see node drain",
            ],
            Audited().Select(l => l[(l.IndexOf('(', StringComparison.Ordinal))..]));
    }

    [Fact]
    public async Task Questions_LeaveNone()
    {
        await using var node = await AdminNode.StartAsync();
        node.Hear(this);
        foreach (string path in new[] { "node", "pools", "listeners", "cluster", "sticky?client=x", "nowhere" }) (await node.Http.GetAsync(path)).Dispose();
        (await node.SendAsync(HttpMethod.Post, "config/check", "actorlb {}")).Dispose();
        Assert.Empty(Audited());
    }

    [Fact]
    public async Task WrongTokens_AreTold_AFewOfThem()
    {
        await using var node = await AdminNode.StartAsync("s3cret");
        node.Hear(this);
        (await node.SendAsync(HttpMethod.Post, "node/drain")).Dispose();
        node.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "guess");
        for (int i = 0; i < 50; i++)
        {
            using var answer = await node.SendAsync(HttpMethod.Post, "node/drain");
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }
        (await node.Http.GetAsync(new Uri($"http://{node.Address}/metrics"))).Dispose();
        string[] lines = [.. Audited()];
        Assert.Equal(2, lines.Length);
        Assert.EndsWith("is refused: POST node/drain: it has no token", lines[0], StringComparison.Ordinal);
        Assert.EndsWith("is refused: POST node/drain: its token is wrong", lines[1], StringComparison.Ordinal);
        Assert.DoesNotContain(_lines, l => l.Contains("guess", StringComparison.Ordinal));
        Assert.False(node.Node.IsDraining);
    }

    [Fact]
    public async Task PageOfAnotherSite_IsTold()
    {
        await using var node = await AdminNode.StartAsync();
        node.Hear(this);
        using var foreign = new HttpRequestMessage(HttpMethod.Post, "node/drain");
        foreign.Headers.Add("Origin", "http://evil.example");
        (await node.Http.SendAsync(foreign)).Dispose();
        Assert.Contains("POST node/drain: the request comes from another site's page (http://evil.example)", Assert.Single(Audited()), StringComparison.Ordinal);
    }

    /// <summary>Routing tells upper from lower case in no path: neither may what looks after it.</summary>
    [Theory]
    [InlineData("API/v1")]
    [InlineData("Api/V1")]
    public async Task PathInOtherCase_IsRefusedToStrangers_AndAuditedForOthers(string prefix)
    {
        await using var node = await AdminNode.StartAsync();
        node.Hear(this);
        var path = new Uri($"http://{node.Address}/{prefix}/listeners/mqtt/pause");
        using var foreign = new HttpRequestMessage(HttpMethod.Post, path);
        foreign.Headers.Add("Origin", "http://evil.example");
        using var refusal = await node.Http.SendAsync(foreign);
        Assert.Equal(HttpStatusCode.Forbidden, refusal.StatusCode);
        Assert.Contains("evil.example", Assert.Single(Audited()), StringComparison.Ordinal);

        using var done = await node.Http.PostAsync(path, null);
        Assert.True(done.IsSuccessStatusCode);
        Assert.EndsWith(": POST listeners/mqtt/pause: done", Audited().Last(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Certificate_OfTheOperator_IsNamed()
    {
        using var folder = new TempFolder();
        using var authority = new ServiceAuthority(folder.Path, "ca");
        (string certificate, string key) = authority.Issue("node");
        (string own, string ownKey) = authority.Issue("operator-ann");
        await using var node = await AdminNode.StartAsync(admin: $"tls {{ certificate = \"{certificate}\", key = \"{key}\", ca = \"{authority.CertificateFile}\" }}");
        node.Hear(this);
        var result = await ProcessHost.RunAsync(
            Path.Combine(AppContext.BaseDirectory, "pbm"),
            ["--host", $"https://{node.Address}", "--ca", authority.CertificateFile, "--cert", own, "--key", ownKey, "listener", "pause", "mqtt"]);
        Assert.Equal((0, result.Output), (result.ExitCode, result.Output));
        Assert.Matches(@"\(no token, certificate CN=operator-ann.*\): POST listeners/mqtt/pause: done$", Assert.Single(Audited()));
    }

    public ILogger CreateLogger(string categoryName) => new Heard(categoryName, _lines);

    public void Dispose()
    {
        // The lines are the test's.
    }

    private IEnumerable<string> Audited() => _lines.Where(l => l.StartsWith("ActorLb.Audit ", StringComparison.Ordinal));

    private sealed class Heard(string category, ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue($"{category} {formatter(state, exception)}");
    }
}
