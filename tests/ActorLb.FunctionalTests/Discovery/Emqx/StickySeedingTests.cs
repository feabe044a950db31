using System.Net;
using ActorLb.Sticky;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using Microsoft.Extensions.Logging;

namespace ActorLb.FunctionalTests.Discovery.Emqx;

/// <summary>The sticky map of a node that has just started, filled from EMQX's list of clients: see <see cref="FakeEmqx"/>.</summary>
public sealed class StickySeedingTests
{
    private const string One = "127.0.0.1", Two = "127.0.0.2";

    private static FakeBroker At(string host, FakeBroker? first = null) =>
        FakeBroker.Start(FakeBroker.Accepting, new IPEndPoint(IPAddress.Parse(host), first?.EndPoint.Port ?? 0));

    private static string Pool(FakeEmqx emqx, FakeBroker broker, bool seed = true) =>
        $"balance = sticky, place = round-robin\n{emqx.Backends(broker.EndPoint.Port, $"seed = {(seed ? "on" : "off")}")}";

    private static bool Told(TestNode node, string text) => node.Log.Lines.Any(l => l.Text.Contains(text, StringComparison.Ordinal));

    private static string Log(TestNode node) => string.Join('\n', node.Log.Lines.Select(l => l.Text));

    private static string? HomeOf(TestNode node, string id)
    {
        var home = node.Node.Sticky.Peek(node.Node.Sticky.Hash("p"u8, System.Text.Encoding.UTF8.GetBytes(id)));
        return home.IsNone ? null : node.Node.Directory.Find(home)?.Address.Host;
    }

    [Fact]
    public async Task Clients_OfTheList_ComeBackToTheBrokerOfTheirSession()
    {
        await using var one = At(One);
        await using var two = At(Two, one);
        await using var emqx = await FakeEmqx.StartAsync(hosts: [One, Two]);
        emqx.Clients = [.. Enumerable.Range(0, 20).Select(i => ($"c{i}", Two)), ("stranger", "127.0.0.9"), ("", Two)];
        await using var node = await TestNode.StartAsync(Pool(emqx, one));
        await node.UntilAsync(() => Told(node, "pool p: EMQX's list of clients gave the sticky map 20 entries, of 22 clients in "), () => Log(node));
        Assert.True(Told(node, "; 0 it knew already, 0 belong to other nodes' shards, 2 are on no backend of the pool, 0 had no room"), Log(node));
        Assert.Equal(20, node.Node.Sticky.Count);

        for (int i = 0; i < 20; i++)
        {
            using var client = await node.OpenAsync($"c{i}");
        }
        Assert.Equal((0, 20), (one.Accepted, two.Accepted));
    }

    /// <summary>While a page is on its way a client moves: its session is newer than the list.</summary>
    [Fact]
    public async Task Clients_ThatConnectBetweenThePages_KeepTheBrokerThatTheyHave()
    {
        await using var one = At(One);
        await using var two = At(Two, one);
        await using var emqx = await FakeEmqx.StartAsync(hosts: [One, Two]);
        emqx.Clients = [.. Enumerable.Range(0, 12_000).Select(i => ($"c{i}", i % 2 == 0 ? One : Two))];
        var asked = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        emqx.Instead = async context =>
        {
            if (context.Request.Query["page"] != "2") return false;
            asked.TrySetResult();
            await go.Task;
            return false;
        };
        await using var node = await TestNode.StartAsync(Pool(emqx, one));
        await asked.Task.WaitAsync(Wait.Patience);
        Assert.Equal(One, HomeOf(node, "c0"));
        Assert.Null(HomeOf(node, "c7000"));
        // By turns they go to the other broker than the list says.
        using var first = await node.OpenAsync("c7001");
        using var second = await node.OpenAsync("c7000");
        Assert.Equal((One, Two), (HomeOf(node, "c7001"), HomeOf(node, "c7000")));
        go.SetResult();
        await node.UntilAsync(() => Told(node, "of 12000 clients"), () => Log(node));

        Assert.Equal((One, Two), (HomeOf(node, "c7001"), HomeOf(node, "c7000")));
        Assert.True(Told(node, "gave the sticky map 11998 entries") && Told(node, "; 2 it knew already"), Log(node));
        foreach (int i in (int[])[0, 1, 4999, 5000, 9999, 10_000, 11_999]) Assert.Equal(i % 2 == 0 ? One : Two, HomeOf(node, $"c{i}"));
        Assert.Equal(["1", "2", "3"], emqx.Requests.Where(r => r.Contains("/clients", StringComparison.Ordinal)).Select(r => r.Split("page=")[1].Split('&')[0]));
    }

    [Fact]
    public async Task Page_ThatFails_IsAskedForAgain()
    {
        await using var one = At(One);
        await using var emqx = await FakeEmqx.StartAsync(hosts: One);
        emqx.Clients = [("a", One)];
        int failures = 0;
        emqx.Instead = async context =>
        {
            if (context.Request.Path != "/api/v5/clients" || Interlocked.Increment(ref failures) > 1) return false;
            await FakeEmqx.SendAsync(context, 503, "");
            return true;
        };
        await using var node = await TestNode.StartAsync(Pool(emqx, one));
        await node.UntilAsync(() => Told(node, "gave the sticky map 1 entries, of 1 clients"), () => Log(node));
        Assert.Equal(2, failures);
    }

    [Fact]
    public async Task Map_ThatIsFull_LosesNobodyForIt()
    {
        await using var one = At(One);
        await using var emqx = await FakeEmqx.StartAsync(hosts: One);
        // The first page fills the map, the second finds no room for anybody, the third is not asked for.
        emqx.Clients = [.. Enumerable.Range(0, 17_000).Select(i => ($"c{i}", One))];
        await using var node = await TestNode.StartAsync(Pool(emqx, one), more: "sticky.max-entries = 2048");
        await node.UntilAsync(() => Told(node, "of 10000 clients"), () => Log(node));
        Assert.Equal(2048, node.Node.Sticky.Count);
        Assert.Equal(0, node.Node.Sticky.Measure().Evicted);
        Assert.True(Told(node, ", 7952 had no room"), Log(node));
    }

    /// <summary>Its sessions are on their way elsewhere: EMQX would refuse them there.</summary>
    [Fact]
    public async Task Clients_OfANodeThatIsEvacuated_ArePlacedAnew()
    {
        await using var one = At(One);
        await using var two = At(Two, one);
        await using var emqx = await FakeEmqx.StartAsync(hosts: [One, Two]);
        emqx.Status = FakeEmqx.Evacuating(One);
        emqx.Clients = [("a", One), ("b", Two)];
        await using var node = await TestNode.StartAsync(Pool(emqx, one));
        await node.UntilAsync(() => Told(node, "gave the sticky map 1 entries, of 2 clients"), () => Log(node));
        Assert.Equal((null, Two), (HomeOf(node, "a"), HomeOf(node, "b")));
    }

    /// <summary>A fleet that starts anew: each node fills the shards that it owns, and a client finds its broker through either.</summary>
    [Fact]
    [Trait("speed", "slow")]
    public async Task Fleet_ThatStarts_KnowsEveryClientOnce()
    {
        const int count = 400;
        await using var one = At(One);
        await using var two = At(Two, one);
        await using var emqx = await FakeEmqx.StartAsync(hosts: [One, Two]);
        emqx.Clients = [.. Enumerable.Range(0, count).Select(i => ($"c{i}", i % 4 == 0 ? One : Two))];
        using var folder = new TempFolder();
        string secret = folder.Write("secret", "a long text that the nodes of a fleet share");
        IPEndPoint[] peers = [Ports.FreeEndPoint(), Ports.FreeEndPoint()];
        Task<TestNode> start(int i) => TestNode.StartTextAsync($$"""
            actorlb {
              node { name = lb-{{i}}, workers = 1, pid-file = off, data-dir = "{{folder[$"lb-{i}"]}}" }
              cluster { name = seeding, bind = "{{peers[i]}}", seeds = ["{{peers[0]}}", "{{peers[1]}}"], secret-file = "{{secret}}" }
              pools.p { health.probe = none
              {{Pool(emqx, one)}} }
              listeners.mqtt { bind = "127.0.0.1:0", pool = p }
            }
            """);
        Task<TestNode>[] starting = [start(0), start(1)];
        await using TestNode first = await starting[0], second = await starting[1];
        foreach (var node in (TestNode[])[first, second])
            await node.UntilAsync(() => Told(node, "pool p: EMQX's list of clients gave the sticky map "), () => Log(node));

        long added = new[] { first, second }.Sum(n => long.Parse(n.Log.Lines.Select(l => l.Text).Single(t => t.Contains("gave the sticky map ", StringComparison.Ordinal))
            .Split("gave the sticky map ")[1].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(count, added);
        for (int i = 0; i < 40; i++)
        {
            using var client = await (i % 2 == 0 ? first : second).OpenAsync($"c{i}");
        }
        Assert.Equal((10, 30), (one.Accepted, two.Accepted));
    }

    [Fact]
    public async Task Reload_StopsIt_AndBeginsIt()
    {
        await using var one = At(One);
        await using var emqx = await FakeEmqx.StartAsync(hosts: One);
        emqx.Clients = [.. Enumerable.Range(0, 6000).Select(i => ($"c{i}", One))];
        var asked = new TaskCompletionSource();
        emqx.Instead = async context =>
        {
            if (context.Request.Query["page"] != "2") return false;
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(static _ => { }, TaskScheduler.Default);
            return true;
        };
        await using var node = await TestNode.StartAsync(Pool(emqx, one));
        await asked.Task.WaitAsync(Wait.Patience);
        await node.ReloadAsync(TestNode.Text(Pool(emqx, one, seed: false)));
        Assert.True(Told(node, "reading EMQX's list of clients was stopped; it gave the sticky map 5000 entries"), Log(node));

        emqx.Instead = null;
        await node.ReloadAsync(TestNode.Text(Pool(emqx, one)));
        await node.UntilAsync(() => Told(node, "gave the sticky map 1000 entries, of 6000 clients"), () => Log(node));
        // Nothing of it changed: nothing is asked.
        int pages = emqx.Requests.Count(r => r.Contains("/clients", StringComparison.Ordinal));
        await node.ReloadAsync(TestNode.Text(Pool(emqx, one).Replace("interval = 1s", "interval = 2s, weight = 3", StringComparison.Ordinal)));
        await node.UntilAsync(() => node.Backend(one).Weight == 3);
        Assert.Equal(pages, emqx.Requests.Count(r => r.Contains("/clients", StringComparison.Ordinal)));
        Assert.DoesNotContain(node.Log.Lines, l => l.Level >= LogLevel.Warning && l.Text.StartsWith("pool p", StringComparison.Ordinal));
    }
}
