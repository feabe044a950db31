using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Fleet;

internal sealed record TestFleetOptions
{
    public int Nodes { get; init; } = 3;

    /// <summary>Whether the nodes are started and settled; else the test does so.</summary>
    public bool Starts { get; init; } = true;

    /// <summary>Each node in a network namespace of its own, so that links can be cut: <see cref="TestFleet.Network"/>.</summary>
    public bool InNamespaces { get; init; }

    public string DownAfter { get; init; } = "5s";

    /// <summary>Whether the admin endpoints want <see cref="TestFleet.AdminToken"/>; in namespaces they always do.</summary>
    public bool WantsToken { get; init; }

    /// <summary>Further settings of the pool <c>p</c>.</summary>
    public string Pool { get; init; } = "";

    /// <summary>Further settings within <c>actorlb</c>; <c>{secure}</c> stands for the node's second front.</summary>
    public string More { get; init; } = "";

    /// <summary>Where the clients go; null starts three <see cref="MarkedBroker"/>s.</summary>
    public IReadOnlyList<IPEndPoint>? Backends { get; init; }
}

/// <summary>Nodes in processes of their own and the brokers behind them.</summary>
internal sealed class TestFleet : IAsyncDisposable
{
    private const int ShardCount = 64;

    public const string AdminToken = "the-token-of-the-test";

    /// <summary>Entries that copies may be behind at any time while clients come and go.</summary>
    private const int LargestLag = 256;

    /// <summary>
    /// Between two clients that visit: what is asked is what the fleet does in a fault, not how many clients two cores can serve that
    /// the clients themselves run on.
    /// </summary>
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(4);

    private readonly TempFolder _folder = new();
    private readonly TestFleetOptions _options;
    private readonly FleetNetwork? _network;
    private readonly List<IPEndPoint> _backends;

    // The seeds: the peers' addresses of the first nodes.
    private readonly IPEndPoint[] _peers;

    private TestFleet(TestFleetOptions options, FleetNetwork? network)
    {
        _options = options;
        _network = network;
        if (options.Backends is null)
            Brokers = [.. Enumerable.Range(0, 3).Select(i => new MarkedBroker(i, new IPEndPoint(network?.Host ?? IPAddress.Loopback, Ports.Free())))];
        _backends = [.. options.Backends ?? Brokers.Select(b => b.EndPoint)];
        SecretFile = _folder.Write("secret", "a long text that all nodes of the test share");
        _peers = [.. Enumerable.Range(0, Math.Max(1, options.Nodes)).Select(i => new IPEndPoint(network?.AddressOf(i) ?? IPAddress.Loopback, Ports.Free()))];
        for (int i = 1; i <= options.Nodes; i++)
            Nodes.Add(Add($"lb-{i}"));
    }

    public MarkedBroker[] Brokers { get; } = [];

    public List<FleetNodeProcess> Nodes { get; } = [];

    public string SecretFile { get; }

    public FleetNetwork Network => _network ?? throw new InvalidOperationException("the nodes share the network of the machine");

    public static async Task<TestFleet> StartAsync(TestFleetOptions? options = null)
    {
        options ??= new TestFleetOptions();
        var network = options.InNamespaces ? await FleetNetwork.CreateAsync(options.Nodes) : null;
        var fleet = new TestFleet(options, network);
        try
        {
            if (options.Starts)
            {
                await Task.WhenAll(fleet.Nodes.Select(n => n.StartAsync()));
                await fleet.WhenSettledAsync();
            }

            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    /// <summary>Writes the files of a further node, which the caller starts; it is disposed with the fleet only when added to <see cref="Nodes"/>.</summary>
    /// <param name="cluster">Settings of the <c>cluster</c> block that differ.</param>
    public FleetNodeProcess Add(string name, string cluster = "", string? file = null)
    {
        // A seed has its address in the others' files; who joins later brings one of its own.
        var peer = Nodes.Count < _peers.Length && Nodes.Count < _options.Nodes ? _peers[Nodes.Count] : null;
        var node = _network is null
            ? new FleetNodeProcess(file ?? name, _folder.Path, peer, token: _options.WantsToken ? AdminToken : null)
            : new FleetNodeProcess(file ?? name, _folder.Path, peer, _network.AddressOf(Nodes.Count), AdminToken, _network.Within(Nodes.Count));
        _folder.Write($"{node.Name}.conf", $$"""
            actorlb {
              node { name = {{name}}, workers = 1, data-dir = "{{_folder[node.Name]}}", pid-file = "{{node.PidFile}}", drain-timeout = 120s }
              log.level = debug
              admin { bind = "{{node.Admin}}", token-file = {{(_network is null && !_options.WantsToken ? "null" : $"\"{Write("token", AdminToken)}\"")}} }
              cluster {
                name = production, bind = "{{node.Peer}}", secret-file = "{{SecretFile}}", down-after = {{_options.DownAfter}}
                seeds = [{{string.Join(", ", _peers.Select(p => $"\"{p}\""))}}]
                {{cluster}}
              }
              pools.p {
                balance = sticky, place = least-connections, health.probe = none
                backends = [{{string.Join(", ", _backends.Select(b => $"\"{b}\""))}}]
                {{_options.Pool}}
              }
              listeners.mqtt { bind = "{{node.Front}}", pool = p }
              {{_options.More.Replace("{secure}", node.Secure.ToString(), StringComparison.Ordinal)}}
            }
            """);
        return node;
    }

    public string Write(string name, string text) => _folder.Write(name, text);

    /// <summary>Waits until the running nodes are all members, hold every shard twice, and none is on its way.</summary>
    /// <param name="whileVisited">Clients come and go meanwhile, so that copies are always a little behind.</param>
    public Task WhenSettledAsync(bool whileVisited = false)
    {
        string told = "";
        return Wait.UntilAsync(
            async () =>
            {
                var pages = await Task.WhenAll(Nodes.Where(n => n.IsRunning).Select(n => n.MetricsAsync()));
                double Sum(string name) => pages.Sum(p => p.GetValueOrDefault("actorlb_fleet_" + name));
                told = string.Join(
                    "; ", pages.Select(p => string.Join(' ', p.Where(m => m.Key.StartsWith("actorlb_fleet_", StringComparison.Ordinal)
                        && !m.Key.Contains("fault", StringComparison.Ordinal)).Select(m => $"{m.Key["actorlb_fleet_".Length..]}={m.Value}"))));
                return pages.All(p => p.GetValueOrDefault("actorlb_fleet_members") == pages.Length && p.GetValueOrDefault("actorlb_fleet_live_nodes") == pages.Length
                        && p.GetValueOrDefault("actorlb_fleet_detached", 1) == 0)
                    && Sum("shards_open") == ShardCount && Sum("shards_copied") == (pages.Length > 1 ? ShardCount : 0) && Sum("shards_unsynced") == 0
                    && Sum("moves") == 0 && pages.Max(p => p["actorlb_fleet_shards_open"]) <= ShardCount / pages.Length + 1
                    && Sum("replication_lag") <= (whileVisited ? LargestLag : 0);
            },
            () => $"The fleet did not settle: {told}\n{string.Join("\n\n", Nodes.Where(n => n.IsRunning).Select(n => n.Process.Output))}");
    }

    /// <summary>Waits until no node counts a connection of anybody: what an earlier test held is over, and every node knows.</summary>
    public Task WhenEmptyAsync()
    {
        string told = "";
        return Wait.UntilAsync(
            async () =>
            {
                var pages = await Task.WhenAll(Nodes.Where(n => n.IsRunning).Select(n => n.MetricsAsync()));
                var counts = pages.SelectMany(p => p).Where(m => m.Key.StartsWith("actorlb_backend_fleet_connections", StringComparison.Ordinal)).ToArray();
                told = string.Join("; ", counts.Select(c => $"{c.Key}={c.Value}"));
                return counts.Length > 0 && counts.All(c => c.Value == 0);
            },
            () => $"connections are left: {told}");
    }

    /// <summary>Waits until every node shows the operator's wish.</summary>
    /// <param name="wish">up, drain or down.</param>
    public Task UntilAdminAsync(MarkedBroker broker, string wish) =>
        UntilAsync(broker, b => b.GetProperty("admin").GetString() == wish, $"is {wish}");

    /// <summary>Waits until what every node says of the broker fits.</summary>
    public Task UntilAsync(MarkedBroker broker, Func<JsonElement, bool> fits, string otherwise) => Wait.UntilAsync(
        async () => (await Task.WhenAll(Nodes.Select(n => n.GetAsync("pools/p")))).All(
            pool => pool.GetProperty("backends").EnumerateArray().Single(
                b => b.GetProperty("backend").GetString() == broker.EndPoint.ToString()) is var backend && fits(backend)),
        () => $"not every node says that {broker.EndPoint} {otherwise}");

    /// <summary>Name of the node that hands out the shards.</summary>
    public async Task<string> CoordinatorAsync() => (await Nodes.First(n => n.IsRunning).GetAsync("cluster")).GetProperty("members").EnumerateArray()
        .Single(m => m.GetProperty("coordinator").GetBoolean()).GetProperty("name").GetString()!;

    /// <summary>A metric, over the running nodes.</summary>
    public async Task<double> SumAsync(string metric) =>
        (await Task.WhenAll(Nodes.Where(n => n.IsRunning).Select(n => n.MetricsAsync()))).Sum(p => p[metric]);

    /// <summary>Connects a client through a node and keeps it.</summary>
    /// <returns>The broker that it came to, and how long it took from the first byte to the CONNACK.</returns>
    public static async Task<FleetClient> OpenAsync(FleetNodeProcess node, string id, int keepAlive = 60)
    {
        long start = Stopwatch.GetTimestamp();
        var client = await RawClient.ConnectAsync(node.Front);
        try
        {
            await client.SendAsync(ConnectBytes.V5(id, keepAlive));
            byte[] connack = await client.ReadAsync(MarkedBroker.ConnackLength);
            var took = Stopwatch.GetElapsedTime(start);
            Assert.True(connack.Length == MarkedBroker.ConnackLength, $"{id} through {node.Name}: {Convert.ToHexString(connack)}");
            return new FleetClient(id, client, connack[^1] - '0', took);
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Connects and leaves each client, some at a time, each through the node that its turn has.</summary>
    /// <returns>By client: the broker; and the longest wait for a CONNACK.</returns>
    public static async Task<(Dictionary<string, int> Brokers, TimeSpan Longest)> VisitAsync(
        IReadOnlyList<FleetNodeProcess> through, IEnumerable<string> ids, int atOnce = 4)
    {
        var brokers = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        long longest = 0;
        await Parallel.ForEachAsync(
            PacedAsync(ids.Select((id, i) => (id, through[i % through.Count]))), new ParallelOptions { MaxDegreeOfParallelism = atOnce },
            async (turn, _) =>
            {
                using var client = await OpenAsync(turn.Item2, turn.id);
                brokers[turn.id] = client.Broker;
                InterlockedMax(ref longest, client.Took.Ticks);
            });
        return (new Dictionary<string, int>(brokers, StringComparer.Ordinal), TimeSpan.FromTicks(longest));
    }

    /// <summary>
    /// Places clients. On a machine without time a new client may fall back, which places it only as long as it is connected: it comes
    /// again until every node's answer is the map's. That two visits agree does not say so: nodes that fall back agree, too.
    /// </summary>
    public static async Task<Dictionary<string, int>> PlaceAsync(IReadOnlyList<FleetNodeProcess> through, string[] ids)
    {
        var (placed, _) = await VisitAsync(through, ids);
        for (int turn = 0; ; turn++)
        {
            double before = await FallbacksAsync(through);
            var (again, _) = await VisitAsync(through, ids);
            if (again.All(a => placed[a.Key] == a.Value) && await FallbacksAsync(through) == before)
                return placed;
            if (turn == 5)
            {
                AssertSame(placed, again);
                Assert.Fail("the clients are asked for again and again, and always some lookup falls back");
            }

            placed = again;
        }
    }

    private static async Task<double> FallbacksAsync(IReadOnlyList<FleetNodeProcess> nodes) =>
        (await Task.WhenAll(nodes.Select(n => n.MetricsAsync()))).Sum(p => p["actorlb_sticky_lookups_total{outcome=\"fallback\"}"]);

    /// <summary>Writes how many lookups fell back: each is a client that came to its broker by luck, if it did.</summary>
    public async Task TellFallbacksAsync() => TestContext.Current.TestOutputHelper!.WriteLine(
        $"{await FallbacksAsync([.. Nodes.Where(n => n.IsRunning)])} lookups fell back");

    /// <summary>All of them come to where they were before.</summary>
    public static void AssertSame(IReadOnlyDictionary<string, int> before, IReadOnlyDictionary<string, int> after)
    {
        string[] moved = after.Where(a => before[a.Key] != a.Value).Select(a => $"{a.Key}: {before[a.Key]} -> {a.Value}").ToArray();
        Assert.True(moved.Length == 0, $"{moved.Length} of {after.Count} moved: {string.Join(", ", moved.Take(10))}");
    }

    /// <summary>As <see cref="AssertSame"/>; what the nodes have to say is told when it fails.</summary>
    public async Task AssertSameAsync(IReadOnlyDictionary<string, int> before, IReadOnlyDictionary<string, int> after)
    {
        try
        {
            AssertSame(before, after);
        }
        catch (Exception e)
        {
            string[] nodes = await Task.WhenAll(Nodes.Where(n => n.IsRunning).Select(TellAsync));
            throw new InvalidOperationException($"{DateTimeOffset.UtcNow:HH:mm:ss.fff} {e.Message}\n{string.Join("\n\n", nodes)}", e);
        }
    }

    /// <summary>What a node counts and logs; it may be about to end.</summary>
    private static async Task<string> TellAsync(FleetNodeProcess node)
    {
        string output = node.Process.Output;
        try
        {
            var metrics = (await node.MetricsAsync()).Where(m => m.Key.Contains("_lookups_", StringComparison.Ordinal)
                || m.Key.Contains("learned", StringComparison.Ordinal) || m.Key.Contains("unsealed", StringComparison.Ordinal)
                || m.Key.Contains("_retries_", StringComparison.Ordinal) || m.Key.Contains("detached", StringComparison.Ordinal));
            return $"{node.Name}: {string.Join(' ', metrics)}\n{output}";
        }
        catch (HttpRequestException e)
        {
            return $"{node.Name}: {e.Message}\n{output}";
        }
    }

    public static string[] Ids(string prefix, int count) => [.. Enumerable.Range(0, count).Select(i => $"{prefix}-{i:d4}")];

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(Nodes.Select(n => n.DisposeAsync().AsTask()));
        foreach (var broker in Brokers)
            await broker.DisposeAsync();
        if (_network is not null)
            await _network.DisposeAsync();
        _folder.Dispose();
    }

    private static async IAsyncEnumerable<T> PacedAsync<T>(IEnumerable<T> items)
    {
        using var timer = new PeriodicTimer(Pace);
        foreach (var item in items)
        {
            yield return item;
            await timer.WaitForNextTickAsync();
        }
    }

    private static void InterlockedMax(ref long target, long value)
    {
        for (long seen = Volatile.Read(ref target); value > seen;)
        {
            long before = Interlocked.CompareExchange(ref target, value, seen);
            if (before == seen)
                return;
            seen = before;
        }
    }
}

/// <summary>A connected client.</summary>
internal sealed record FleetClient(string Id, RawClient Raw, int Broker, TimeSpan Took) : IDisposable
{
    public void Dispose() => Raw.Dispose();
}

/// <summary>Clients that are held, and let go whatever happens.</summary>
internal sealed class FleetClients : List<FleetClient>, IDisposable
{
    public void Dispose() => ForEach(c => c.Dispose());
}
