using System.Net;
using ActorLb.Balancing;
using ActorLb.FunctionalTests.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Discovery.Emqx;

/// <summary>A pool whose backends EMQX's API names: see <see cref="FakeEmqx"/> for what stands in for EMQX.</summary>
public sealed class EmqxDiscoveryTests
{
    private const string One = "127.0.0.1", Two = "127.0.0.2", Three = "127.0.0.3";

    private static FakeBroker At(string host, FakeBroker? first = null) =>
        FakeBroker.Start(FakeBroker.Accepting, new IPEndPoint(IPAddress.Parse(host), first?.EndPoint.Port ?? 0));

    private static string[] Ids(TestNode node) => [.. Pool(node).Snapshot.Backends.ToArray().Select(b => b.Id[..b.Id.LastIndexOf(':')])];

    private static Pool Pool(TestNode node) => node.Node.Pools.Single().Pool;

    [Fact]
    public async Task Nodes_ThatJoinAndStop_AreFollowed()
    {
        await using var one = At(One);
        await using var two = At(Two, one);
        await using var three = At(Three, one);
        await using var emqx = await FakeEmqx.StartAsync(hosts: [Two, One]);
        await using var node = await TestNode.StartAsync(
            $"balance = round-robin\nhealth {{ probe = tcp, interval = 100ms, rise = 1 }}\n{emqx.Backends(one.EndPoint.Port)}");
        await node.UntilAsync(() => Ids(node).SequenceEqual([One, Two]));
        await node.UntilAsync(() => Pool(node).Snapshot.Backends.ToArray().All(b => b.Health == HealthState.Up));

        emqx.Nodes[Three] = "running";
        emqx.Nodes[One] = "stopped";
        await node.UntilAsync(() => Ids(node).SequenceEqual([Two, Three]), () => string.Join(", ", Ids(node)));
        int before = one.Accepted;
        using var clients = await Clients.OpenAsync(node, 4);
        await node.UntilAsync(() => two.Open >= 2 && three.Open >= 2);

        emqx.Nodes[One] = "running";
        await node.UntilAsync(() => Ids(node).SequenceEqual([One, Two, Three]));
        await node.Log.LineAsync(l => l.Text == "pool p: EMQX has 2 backends, 2 new, 0 gone");
    }

    /// <summary>What is stopped by EMQX's word gets nobody, even while it stays because the others are not shown to work yet.</summary>
    [Fact]
    public async Task Node_ThatIsStopped_GetsNoNewClients_ThoughItStays()
    {
        await using var one = At(One);
        await using var two = At(Two, one);
        await using var emqx = await FakeEmqx.StartAsync(hosts: [One, Two]);
        await using var node = await TestNode.StartAsync($"balance = round-robin\n{emqx.Backends(one.EndPoint.Port)}");
        await node.UntilAsync(() => Ids(node).Length == 2);
        Pool(node).Snapshot.Find(one.EndPoint.ToString())!.ReportSuccess(1);

        emqx.Nodes[One] = "stopped";
        await node.UntilAsync(() => node.Backend(one).Blocks == BackendBlocks.DrainingByDiscovery);
        using var clients = await Clients.OpenAsync(node, 3);
        Assert.Equal((0, 3), (one.Accepted, two.Accepted));
        await node.Log.LineAsync(l => l.Text == $"pool p: backend {one.EndPoint} is draining (EMQX says that the node is stopped): it gets no new clients");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Node_ThatSendsItsClientsAway_GetsNoOthers_UntilEmqxSaysSo(bool rebalance)
    {
        await using var one = At(One);
        await using var two = At(Two, one);
        await using var emqx = await FakeEmqx.StartAsync(hosts: [One, Two]);
        await using var node = await TestNode.StartAsync($"balance = sticky, place = round-robin\n{emqx.Backends(one.EndPoint.Port)}");
        await node.UntilAsync(() => Ids(node).Length == 2);
        string idle = emqx.Status!;
        using var clients = await Clients.OpenAsync(node, 4);
        Assert.Equal((2, 2), (one.Accepted, two.Accepted));

        emqx.Status = rebalance ? FakeEmqx.Rebalancing(One, Two) : FakeEmqx.Evacuating(One);
        await node.UntilAsync(() => node.Backend(one).Blocks == BackendBlocks.DrainingByDiscovery);
        Assert.Equal(2, one.Open);
        using var others = await Clients.OpenAsync(node, 4, "new");
        Assert.Equal((2, 6), (one.Accepted, two.Accepted));
        // Its own come back to it: EMQX tells them itself where to go.
        using var again = await Clients.OpenAsync(node, 4);
        Assert.Equal((4, 8), (one.Accepted, two.Accepted));
        string reason = rebalance ? "EMQX is rebalancing its clients to other nodes" : "EMQX is evacuating it";
        await node.Log.LineAsync(l => l == (LogLevel.Warning, $"pool p: backend {one.EndPoint} is draining ({reason}: evicting_conns): it gets no new clients"));

        emqx.Status = idle;
        await node.UntilAsync(() => node.Backend(one).Blocks == BackendBlocks.None);
        await node.Log.LineAsync(l => l.Text == $"pool p: backend {one.EndPoint} is no longer draining");
        using var last = await Clients.OpenAsync(node, 2, "last");
        Assert.InRange(one.Accepted, 5, 6);
    }

    public static TheoryData<string, string> Wrongs => new()
    {
        { "key", "nodes: the API key is wrong or has expired (HTTP status 401)" },
        { "role", "nodes: the API key is not allowed to read this (HTTP status 403)" },
        { "missing", "nodes: not found (HTTP status 404): it is not the API of EMQX 5" },
        { "redirect", "nodes: HTTP status 302" },
        { "page", "nodes: not EMQX 5's JSON" },
        { "shape", "nodes: not EMQX 5's JSON, at $" },
        { "cut", "nodes: not EMQX 5's JSON" },
        { "null", "nodes: not EMQX 5's JSON" },
        { "huge", "nodes: its answer is too large" },
        { "endless", "nodes: its answer is too large" },
        { "slow", "nodes: no answer within 5 s" },
        { "stopped", "none of EMQX's 2 nodes is running" },
        { "status", "load_rebalance/global_status: HTTP status 500" },
    };

    [Theory]
    [MemberData(nameof(Wrongs))]
    public async Task Answer_ThatIsWrong_IsToldAndChangesNothing(string wrong, string expected)
    {
        await using var one = At(One);
        await using var two = At(Two, one);
        await using var emqx = await FakeEmqx.StartAsync(hosts: [One, Two]);
        emqx.Status = FakeEmqx.Evacuating(Two);
        await using var node = await TestNode.StartAsync(emqx.Backends(one.EndPoint.Port));
        await node.UntilAsync(() => Ids(node).Length == 2 && node.Backend(two).Blocks == BackendBlocks.DrainingByDiscovery);

        emqx.Instead = context => MisbehaveAsync(context, wrong);
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Level == LogLevel.Warning && l.Text.Contains(expected, StringComparison.Ordinal)),
            () => string.Join('\n', node.Log.Lines.Select(l => l.Text)));
        string told = node.Log.Lines.First(l => l.Text.Contains(expected, StringComparison.Ordinal)).Text;
        Assert.StartsWith("pool p: discovery of EMQX failed: ", told, StringComparison.Ordinal);
        Assert.EndsWith("; its backends stay as they are", told, StringComparison.Ordinal);
        if (wrong != "stopped") Assert.Contains($"failed: {emqx.Url}/api/v5/", told, StringComparison.Ordinal);
        Assert.DoesNotContain(FakeEmqx.Key.Split(':')[1], string.Join('\n', node.Log.Lines.Select(l => l.Text)), StringComparison.Ordinal);
        Assert.Equal([One, Two], Ids(node));
        Assert.Equal(BackendBlocks.DrainingByDiscovery, node.Backend(two).Blocks);

        emqx.Instead = null;
        emqx.Nodes[Three] = "running";
        await node.UntilAsync(() => Ids(node).Contains(Three));
    }

    private static async Task<bool> MisbehaveAsync(HttpContext context, string wrong)
    {
        switch (wrong)
        {
            case "key": await FakeEmqx.SendAsync(context, 401, """{"code":"BAD_API_KEY_OR_SECRET","message":"Check api_key/api_secret"}"""); break;
            case "role": await FakeEmqx.SendAsync(context, 403, """{"code":"UNAUTHORIZED_ROLE","message":"You don't have permission"}"""); break;
            case "missing": await FakeEmqx.SendAsync(context, 404, "not found", "text/plain"); break;
            case "redirect":
                context.Response.Redirect("/api/v5/elsewhere");
                break;
            case "page": await FakeEmqx.SendAsync(context, 200, "<!doctype html><title>Sign in</title>", "text/html"); break;
            case "shape": await FakeEmqx.SendAsync(context, 200, """{"code":0,"data":[]}"""); break;
            case "cut": await FakeEmqx.SendAsync(context, 200, """[{"node":"emqx@127.0.0.1","node_sta"""); break;
            case "null": await FakeEmqx.SendAsync(context, 200, "null"); break;
            case "huge":
                context.Response.ContentLength = 17 << 20;
                await context.Response.Body.FlushAsync();
                break;
            case "endless":
                byte[] some = new byte[64 << 10];
                for (int i = 0; i < 1024 && !context.RequestAborted.IsCancellationRequested; i++) await context.Response.Body.WriteAsync(some, context.RequestAborted);
                break;
            case "slow":
                await Task.Delay(TimeSpan.FromSeconds(30), context.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
                break;
            case "stopped" when context.Request.Path == "/api/v5/nodes":
                await FakeEmqx.SendAsync(context, 200, """[{"node":"emqx@127.0.0.1","node_status":"stopped"},{"node":"emqx@127.0.0.2","node_status":"stopped"}]""");
                break;
            case "status" when context.Request.Path != "/api/v5/nodes":
                await FakeEmqx.SendAsync(context, 500, "{}");
                break;
            default: return false;
        }
        return true;
    }

    [Fact]
    public async Task Api_ThatIsDead_DoesNotBlindThePool()
    {
        await using var one = At(One);
        await using var emqx = await FakeEmqx.StartAsync(hosts: One);
        string dead;
        await using (var gone = At(One)) dead = $"http://{gone.EndPoint}";
        await using var node = await TestNode.StartAsync(emqx.Backends(one.EndPoint.Port, "", dead));
        await node.UntilAsync(() => Ids(node).Length == 1);
        string told = $"pool p: {dead}/api/v5/nodes: connection refused: nothing is listening there; {emqx.Url} answered instead";
        await node.UntilAsync(() => node.Log.Lines.Any(l => l == (LogLevel.Warning, told)), () => string.Join('\n', node.Log.Lines.Select(l => l.Text)));

        // The one that answers is asked first from now on.
        int asked = emqx.Requests.Count;
        await node.UntilAsync(() => emqx.Requests.Count >= asked + 4);
        Assert.Equal(1, node.Log.Lines.Count(l => l.Text.Contains("answered instead", StringComparison.Ordinal)));
        emqx.Instead = context => FakeEmqx.SendAsync(context, 500, "").ContinueWith(static _ => true, TaskScheduler.Default);
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.Contains(
            $"{dead}/api/v5/nodes: connection refused: nothing is listening there; {emqx.Url}/api/v5/nodes: HTTP status 500; its backends stay", StringComparison.Ordinal)));
        Assert.Equal([One], Ids(node));
    }

    /// <summary>EMQX's open-source edition has no evacuation before 5.9.</summary>
    [Fact]
    public async Task Emqx_WithoutEvacuation_NamesItsNodes()
    {
        await using var one = At(One);
        await using var emqx = await FakeEmqx.StartAsync(hosts: One);
        emqx.Status = null;
        await using var node = await TestNode.StartAsync(emqx.Backends(one.EndPoint.Port));
        await node.UntilAsync(() => Ids(node).Length == 1);
        using var client = await node.OpenAsync("a");
        Assert.DoesNotContain(node.Log.Lines, l => l.Level >= LogLevel.Warning && l.Text.StartsWith("pool p", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Https_ByItsAuthority_AndNotByAnother()
    {
        using var authority = new TestCertificates();
        using var stranger = new TestCertificates("Stranger");
        await using var one = At(One);
        await using var emqx = await FakeEmqx.StartAsync(authority.Server([One]), One);
        await using var node = await TestNode.StartAsync(emqx.Backends(one.EndPoint.Port, $"ca = \"{stranger.CaPath}\""));
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.Contains("discovery of EMQX failed: ", StringComparison.Ordinal)));
        Assert.Empty(Ids(node));
        Assert.Empty(emqx.Requests);

        foreach (string trust in (string[])[$"ca = \"{authority.CaPath}\"", "verify = off"])
        {
            await node.ReloadAsync(TestNode.Text("backends = [\"127.0.0.9:1\"]"));
            Assert.Equal(["127.0.0.9"], Ids(node));
            await node.ReloadAsync(TestNode.Text(emqx.Backends(one.EndPoint.Port, trust)));
            await node.UntilAsync(() => Ids(node).SequenceEqual([One]), () => string.Join('\n', node.Log.Lines.Select(l => l.Text)));
        }
    }

    /// <summary>A new key needs no reload; the drain of a pool that names its backends itself is over.</summary>
    [Fact]
    public async Task Reload_ToBackendsOfTheFile_EndsTheDrain_AndKeysAreReadAgain()
    {
        await using var one = At(One);
        await using var emqx = await FakeEmqx.StartAsync(hosts: One);
        emqx.Status = FakeEmqx.Evacuating(One);
        await File.WriteAllTextAsync(emqx.KeyFile, "wrong:secret\n");
        await using var node = await TestNode.StartAsync(emqx.Backends(one.EndPoint.Port));
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.Contains("HTTP status 401", StringComparison.Ordinal)));
        await File.WriteAllTextAsync(emqx.KeyFile, "no key at all\n");
        await node.UntilAsync(() => node.Log.Lines.Any(l => l.Text.Contains($"key-file {emqx.KeyFile}: line 1 is not KEY:SECRET", StringComparison.Ordinal)));
        await File.WriteAllTextAsync(emqx.KeyFile, FakeEmqx.Key);
        await node.UntilAsync(() => Ids(node).Length == 1 && node.Backend(one).Blocks == BackendBlocks.DrainingByDiscovery);

        await node.ReloadAsync(TestNode.Text(TestNode.Backends(one)));
        Assert.Equal(BackendBlocks.None, node.Backend(one).Blocks);
        using var client = await node.OpenAsync("a");
    }
}
