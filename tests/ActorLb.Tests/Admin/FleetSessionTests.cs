using System.Collections.Concurrent;
using System.Net;
using ActorLb.Cli;
using ActorLb.Cli.Output;
using ActorLb.Hosting;
using ActorLb.Protocol.Admin;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Tests.Fleet.Membership;
using Microsoft.Extensions.Logging;
using ClusterMembers = ActorLb.Fleet.Membership.ClusterMembers;

namespace ActorLb.Tests.Admin;

/// <summary>One node answers for the sessions of all.</summary>
[Trait("place", "beside")]
[Trait("speed", "slow")]
public sealed class FleetSessionTests(AdminFleet fleet) : IClassFixture<AdminFleet>
{
    [Fact]
    public async Task Clients_OfTwoNodes_AreListedCountedFoundAndKickedThroughEither()
    {
        RawClient[] clients =
        [
            .. await Task.WhenAll(Enumerable.Range(0, 7).Select(i => fleet.One.ConnectAsync($"meter-{i}"))),
            .. await Task.WhenAll(Enumerable.Range(7, 4).Select(i => fleet.Two.ConnectAsync($"meter-{i}", version: 5))),
        ];
        using var twin = await fleet.One.ConnectAsync("meter-10", version: 5);
        var lines = new AuditLines();
        fleet.Two.Hear(lines);

        // In pages over both nodes: everyone once.
        var seen = new List<(string Id, string Node)>();
        string? after = null;
        int pages = 0;
        do
        {
            var page = await fleet.Two.GetAsync($"sessions?limit=3&filter=meter{(after is null ? "" : $"&after={after}")}", AdminJson.Wire.SessionPage);
            Assert.Empty(page.Silent);
            Assert.InRange(page.Sessions.Length, 0, 3);
            seen.AddRange(page.Sessions.Select(s => (s.ClientId!, s.Node)));
            after = page.Next;
            pages++;
        }
        while (after is not null);
        Assert.InRange(pages, 4, 6);
        Assert.Equal(
            Enumerable.Range(0, 7).Select(i => ($"meter-{i}", "lb-1")).Concat(Enumerable.Range(7, 4).Select(i => ($"meter-{i}", "lb-2"))).Append(("meter-10", "lb-1")).Order(),
            seen.Order());
        Assert.Equal(4, (await fleet.One.GetAsync("sessions?node=lb-2", AdminJson.Wire.SessionPage)).Sessions.Length);

        var count = await fleet.One.GetAsync("sessions/count", AdminJson.Wire.SessionCount);
        Assert.Equal((null, 12, 12), (count.Node, count.Total, count.Established));
        Assert.Equal([new NamedCount("lb-1", 8), new NamedCount("lb-2", 4)], count.Nodes);
        Assert.Equal([new NamedCount("mqtt", 12)], count.Listeners);
        Assert.Equal(("lb-2", 4), (await fleet.One.GetAsync("sessions/count?node=lb-2", AdminJson.Wire.SessionCount)) is var two ? (two.Node!, two.Total) : default);

        var found = await fleet.One.GetAsync("sessions/find?client=meter-8", AdminJson.Wire.SessionPage);
        var session = Assert.Single(found.Sessions);
        Assert.Equal(("lb-2", "mqtt", "emqx", "5", clients[8].Local.ToString()), (session.Node, session.Listener, session.Pool, session.Protocol, session.Address));
        Assert.InRange(session.Since, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddSeconds(1));
        Assert.Contains(session.Backend, new[] { fleet.Two.One.EndPoint.ToString(), fleet.Two.Two.EndPoint.ToString() });

        var top = await fleet.Two.GetAsync("sessions/top?by=connects&limit=1", AdminJson.Wire.SessionTop);
        Assert.Equal(("meter-10", 2L), (Assert.Single(top.Clients).ClientId!, top.Clients[0].Value));
        Assert.Equal(["lb-1", "lb-2"], top.Clients[0].Nodes.Order());
        await clients[3].SendAsync(new byte[] { 0xC0, 0, 0xC0, 0, 0xC0, 0 });
        await Wait.UntilAsync(() => fleet.One.Node.Reactors.Sum(r => Volatile.Read(ref r.Counters.PacketsFromClients)) >= 11, () => "the pings have not come");
        top = await fleet.Two.GetAsync("sessions/top?by=packets&limit=2", AdminJson.Wire.SessionTop);
        Assert.Equal(("meter-3", "lb-1"), (top.Clients[0].ClientId!, top.Clients[0].Session!.Node));
        Assert.Equal(2, top.Clients.Length);

        await AssertKickedAsync(clients[10], twin, lines);
        foreach (var client in clients) client.Dispose();
    }

    /// <summary>Wherever it is, and both nodes write who asked.</summary>
    private async Task AssertKickedAsync(RawClient kicked, RawClient twin, AuditLines lines)
    {
        var kick = await fleet.One.SendAsync(HttpMethod.Post, "sessions/kick?client=meter-10", null, AdminJson.Wire.SessionKick);
        Assert.Equal(2, kick.Kicked);
        Assert.Equal([new NamedCount("lb-1", 1), new NamedCount("lb-2", 1)], kick.Nodes);
        Assert.Equal([0xE0, 0x01, 0x98], (await twin.ReadToEndAsync()).Bytes);
        Assert.Equal([0xE0, 0x01, 0x98], (await kicked.ReadToEndAsync()).Bytes);
        Assert.Matches(@"^node lb-1, 127\.0\.0\.1:\d+ \(no token\): session kick meter-10: done: 1 disconnected$", Assert.Single(lines.Lines));
        var nobody = await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await fleet.One.SendAsync(HttpMethod.Post, "sessions/kick?client=meter-10"));
        Assert.Equal("no session of that client on nodes lb-1, lb-2", nobody.Detail);
        var nowhere = await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await fleet.One.SendAsync(HttpMethod.Get, "sessions?node=lb-9"));
        Assert.Contains("Known: lb-1, lb-2", nowhere.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_OfALongId_PassesBetweenNodesWhole()
    {
        string id = new('\u00e9', 32_767);
        using var client = await fleet.Two.ConnectAsync(id);
        var list = await fleet.One.GetAsync("sessions?filter=state=established&node=lb-2", AdminJson.Wire.SessionPage);
        Assert.Contains(list.Sessions, s => s.ClientId == id);
        var found = await fleet.One.GetAsync($"sessions/find?client={Uri.EscapeDataString(id)}", AdminJson.Wire.SessionPage);
        Assert.Equal(id, Assert.Single(found.Sessions).ClientId);
        var top = await fleet.One.GetAsync("sessions/top?by=bytes&limit=1", AdminJson.Wire.SessionTop);
        Assert.Equal(new string('\u00e9', 512) + "...", Assert.Single(top.Clients).ClientId);
        var kick = await fleet.One.SendAsync(HttpMethod.Post, $"sessions/kick?client={Uri.EscapeDataString(id)}", null, AdminJson.Wire.SessionKick);
        Assert.Equal(1, kick.Kicked);
    }

    [Fact]
    public async Task Node_ThatCannotBeAsked_IsNamed_AndNothingIsTakenForTheWhole()
    {
        using var here = await fleet.One.ConnectAsync("here");
        using var there = await fleet.Two.ConnectAsync("there");
        var both = fleet.One.Node.Member!.Host.Standing.Members!;
        // As if it had been put out of the fleet.
        fleet.One.Node.Inquiry.SetMembers(null);
        try
        {
            SilentNode[] silent = [new("lb-2", "this node is detached from the fleet and cannot ask it")];
            var page = await fleet.One.GetAsync("sessions?filter=here", AdminJson.Wire.SessionPage);
            Assert.Equal("here", Assert.Single(page.Sessions).ClientId);
            Assert.Equal(silent, page.Silent);
            Assert.Equal(silent, (await fleet.One.GetAsync("sessions/count", AdminJson.Wire.SessionCount)).Silent);
            Assert.Equal(silent, (await fleet.One.GetAsync("sessions/top", AdminJson.Wire.SessionTop)).Silent);
            var nobody = await AdminNode.ErrorAsync(
                HttpStatusCode.ServiceUnavailable, await fleet.One.SendAsync(HttpMethod.Get, "sessions/find?client=there"));
            Assert.Equal(
                (AdminErrors.Unavailable, $"no session of that client on node lb-1; lb-2 was asked and did not answer: {silent[0].Reason}"), (nobody.Error, nobody.Detail));
            await AdminNode.ErrorAsync(HttpStatusCode.ServiceUnavailable, await fleet.One.SendAsync(HttpMethod.Post, "sessions/kick?client=there"));

            (int code, string output, string errors) = await PbmAsync("session", "count");
            Assert.Equal(0, code);
            Assert.Contains("established", output, StringComparison.Ordinal);
            Assert.Equal($"pbm: lb-2 is missing here: {silent[0].Reason}\n", errors);
            (code, _, errors) = await PbmAsync("session", "kick", "there");
            Assert.Equal(1, code);
            Assert.Contains("lb-2 was asked and did not answer", errors, StringComparison.Ordinal);
            var kick = await fleet.One.SendAsync(HttpMethod.Post, "sessions/kick?client=here", null, AdminJson.Wire.SessionKick);
            Assert.Equal((1, "lb-2"), (kick.Kicked, Assert.Single(kick.Silent).Node));
        }
        finally
        {
            fleet.One.Node.Inquiry.SetMembers(both);
        }
        Assert.Equal("there", Assert.Single((await fleet.One.GetAsync("sessions/find?client=there", AdminJson.Wire.SessionPage)).Sessions).ClientId);
    }

    private async Task<(int Code, string Output, string Errors)> PbmAsync(params string[] words)
    {
        using var output = new StringWriter();
        using var errors = new StringWriter();
        var tree = new CommandTree(new Screen(output, errors, isTerminal: false), (_, _) => Task.FromResult(0));
        int code = await tree.RunAsync(tree.Parse(["--host", fleet.One.Address.ToString(), .. words]), TestContext.Current.CancellationToken);
        return (code, output.ToString(), errors.ToString());
    }

    private sealed class AuditLines : ILoggerProvider
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public IEnumerable<string> Lines => _lines;

        public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName == "ActorLb.Audit");

        public void Dispose()
        {
        }

        private sealed class Logger(AuditLines owner, bool isAudit) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => isAudit;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            {
                if (isAudit) owner._lines.Enqueue(formatter(state, exception));
            }
        }
    }
}
