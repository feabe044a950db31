using System.Collections.Concurrent;
using System.Text;
using ActorLb.Balancing;
using ActorLb.Fleet.Sharding;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Testing;
using ActorLb.Tests.Fleet.Membership;

namespace ActorLb.Tests.Fleet.Sharding;

/// <summary>Several nodes in this process, each with its own map and fleet system.</summary>
internal sealed class MapNodes : IAsyncDisposable
{
    private const int Backends = 5;

    private readonly ConcurrentDictionary<int, (ShardedMap Map, MapClock Clock)> _maps = new();

    public MapNodes(int count)
    {
        Fleet = new FleetNodes(count) { Parts = n => [Make(n)] };
    }

    public FleetNodes Fleet { get; }

    public static int Shards => 16;

    public ShardedMap Map(int node) => _maps[node].Map;

    /// <summary>
    /// Waits until the members see each other and every shard is open on one of them, with a complete copy on another if there is
    /// one.
    /// </summary>
    public async Task ReadyAsync(params int[] nodes)
    {
        await Fleet.FormedAsync(nodes);
        await Wait.UntilAsync(() => Enumerable.Range(0, Shards).All(s => IsReady(s, nodes)), () => Describe(nodes));
    }

    /// <summary>Waits also until no node has more than its share plus one, so that no shard moves any more.</summary>
    public async Task BalancedAsync(params int[] nodes)
    {
        await ReadyAsync(nodes);
        int most = (Shards / nodes.Length) + 1;
        await Wait.UntilAsync(() => nodes.All(n => Map(n).Measure().Owned is > 0 and var owned && owned <= most), () => Describe(nodes));
        await ReadyAsync(nodes);
    }

    /// <summary>Makes a lookup on a node, as for a CONNECT.</summary>
    public async Task<StickyAnswer> AssignAsync(int node, string client, int proposal)
    {
        var waiter = new Waiter();
        ulong h = Hash(node, client);
        if (Map(node).GetOrAssign(h, [BackendAt(proposal)], waiter, 1, out var answer)) return answer;
        return await waiter.Answer.Task.WaitAsync(Wait.Patience);
    }

    /// <summary>Reads what the map holds; asks again if a loaded machine delayed the answer.</summary>
    public async Task<BackendRef> ReadAsync(int node, string client)
    {
        for (int attempt = 1; ; attempt++)
        {
            var waiter = new Waiter();
            if (!Map(node).GetOrAssign(Hash(node, client), [], waiter, 1, out var answer))
            {
                answer = await waiter.Answer.Task.WaitAsync(Wait.Patience);
            }
            if (answer.Outcome != StickyOutcome.Fallback || attempt == 50) return answer.Backend;
        }
    }

    public ulong Hash(int node, string client) => Map(node).Hash("p"u8, Encoding.UTF8.GetBytes(client));

    public static BackendRef BackendAt(int index) => new((ushort)(index % Backends), 1);

    /// <summary>The owners according to each node's directory.</summary>
    public string Describe(IEnumerable<int> nodes) => string.Join("\n", nodes.Select(n =>
        $"n{n}: " + string.Join(" ", Enumerable.Range(0, Shards).Select(s => Map(n).Directory[s] is { } a
            ? $"{a.Owner.Name}/{a.Replica?.Name}{(a.ReplicaIsComplete ? "+" : "-")}" : "?"))));

    public async ValueTask DisposeAsync()
    {
        await Fleet.DisposeAsync();
        foreach ((var map, var clock) in _maps.Values)
        {
            clock.Dispose();
            map.Dispose();
        }
    }

    private bool IsReady(int shard, int[] nodes)
    {
        var known = nodes.Select(n => Map(n).Directory[shard]).ToArray();
        return known.All(a => a is not null && a.Epoch == known[0]!.Epoch && nodes.Any(n => $"n{n}" == a.Owner.Name)
            && (nodes.Length == 1 || (a.ReplicaIsComplete && nodes.Any(n => $"n{n}" == a.Replica!.Value.Name))));
    }

    private MapPart Make(int node)
    {
        var slots = new BackendSlots();
        for (int i = 0; i < Backends; i++) slots.Set(BackendAt(i), AdminState.Up);
        var transport = new AkkaMapTransport();
        var map = new ShardedMap(
            new MapSettings(Shards, TimeSpan.FromHours(1), 100_000), new StickyHash("0123456789abcdef"u8), slots, new StickyClock(TimeProvider.System), transport);
        _maps[node] = (map, new MapClock(map, e => Fleet.Log.Log(Microsoft.Extensions.Logging.LogLevel.Error, 0, "", e, (s, x) => "clock")));
        return new MapPart(map, transport);
    }

    private sealed class Waiter : IStickyWaiter
    {
        public TaskCompletionSource<StickyAnswer> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Complete(ulong ticket, in StickyAnswer answer) => Answer.SetResult(answer);
    }
}
