using System.Collections.Concurrent;
using System.Diagnostics;
using ActorLb.Cluster.InProcess;
using ActorLb.Fleet;
using ActorLb.Sticky;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Tests.Cluster;

/// <summary>Three real nodes, their actors, clocks and threads, over one store and wires in memory.</summary>
public sealed class FleetOfNodesTests : IAsyncLifetime
{
    private static readonly WantedBackend[] Backends = [new("emqx", "a:1883", "a:1883"), new("emqx", "b:1883", "b:1883"), new("emqx", "c:1883", "c:1883")];
    private readonly InProcessStore _store = new(TimeProvider.System);
    private readonly MemoryNetwork _network = new();
    private readonly List<(FleetNode Node, MemoryTransport Transport)> _nodes = [];

    public async ValueTask InitializeAsync()
    {
        for (var i = 1; i <= 3; i++)
        {
            await StartAsync($"lb-{i}");
        }

        await SettledAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (node, transport) in _nodes)
        {
            await transport.DisposeAsync();
            await node.DisposeAsync();
        }

        await _store.DisposeAsync();
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task ConcurrentConnects_ThroughEveryNode_AgreeOnOneBackend()
    {
        var proposals = Proposals();
        var chosen = new ConcurrentDictionary<ulong, BackendRef>();
        var disagreements = 0;
        var slowest = 0L;
        await Task.WhenAll(Enumerable.Range(0, 6).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            var node = _nodes[worker % 3].Node;
            for (var i = 0; i < 5_000; i++)
            {
                var h = node.Map.Hash("emqx"u8, BitConverter.GetBytes(random.Next(500)));
                var mine = proposals.ToArray();
                random.Shuffle(mine);
                var watch = Stopwatch.StartNew();
                var answer = await AskAsync(node, h, mine);
                InterlockedMax(ref slowest, watch.ElapsedMilliseconds);
                if (answer.Outcome == StickyOutcome.Fallback)
                {
                    continue;
                }

                Assert.False(answer.Backend.IsNone);
                if (chosen.GetOrAdd(h, answer.Backend) != answer.Backend)
                {
                    Interlocked.Increment(ref disagreements);
                }
            }
        })));

        Assert.Equal(0, disagreements);
        Assert.Equal(500, chosen.Count);
        Assert.True(slowest < 2000, $"a lookup took {slowest} ms");
        var status = await _nodes[0].Node.GetStatusAsync();
        Assert.True(status.Lookups.Remote > 1000, $"{status.Lookups}");
        Assert.Equal(3, status.LiveNodes);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task PlannedLeave_ChangesNoMapping_AndOperatorsSeeIt()
    {
        var before = await MapAsync(_nodes[0].Node, 400, Proposals());
        var leaving = _nodes[1].Node;

        Assert.Null(await new FleetOperations(_nodes[0].Node).LeaveAsync("lb-2"));
        var end = await leaving.Ended.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(end.IsPlanned);
        await StopAsync(1);
        await SettledAsync();

        Assert.Equal(before, await MapAsync(_nodes[1].Node, 400, default));
        var status = await _nodes[0].Node.GetStatusAsync();
        Assert.Equal(["lb-1", "lb-3"], status.Members.Select(m => m.Name));
        Assert.Equal(StickyHash.Shards, status.Members.Sum(m => m.Owned));
        Assert.Contains(_nodes[0].Node.Events.Recent, e => e.Text.Contains("lb-2 leaves", StringComparison.Ordinal));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Crash_ReplicasTakeOver_EveryMappingSurvives()
    {
        var before = await MapAsync(_nodes[0].Node, 400, Proposals());
        await QuietAsync();

        await StopAsync(2);
        await SettledAsync();

        Assert.Equal(before, await MapAsync(_nodes[1].Node, 400, default));
    }

    private static void InterlockedMax(ref long target, long value)
    {
        for (var seen = Volatile.Read(ref target); value > seen; seen = Volatile.Read(ref target))
        {
            Interlocked.CompareExchange(ref target, value, seen);
        }
    }

    private static async Task<StickyAnswer> AskAsync(FleetNode node, ulong h, BackendRef[] proposals)
    {
        var waiter = new Waiter();
        return node.Map.GetOrAssign(h, proposals, waiter, 0, out var answer) ? answer : await waiter.Answer.Task;
    }

    /// <summary>The mappings of some clients; whoever falls back is asked again.</summary>
    private static async Task<Dictionary<int, BackendRef>> MapAsync(FleetNode node, int clients, BackendRef[]? proposals)
    {
        var mappings = new Dictionary<int, BackendRef>();
        for (var i = 0; i < clients; i++)
        {
            var h = node.Map.Hash("emqx"u8, BitConverter.GetBytes(i));
            StickyAnswer answer;
            var tries = 0;
            do
            {
                answer = await AskAsync(node, h, proposals ?? []);
            }
            while (answer.Outcome == StickyOutcome.Fallback && ++tries < 20);
            mappings[i] = answer.Backend;
        }

        return mappings;
    }

    private BackendRef[] Proposals() => [.. _nodes[0].Node.Backends.Where(b => b.State == SlotState.Up).Select(b => b.Reference)];

    private async Task StartAsync(string name)
    {
        var transport = new MemoryTransport(_network);
        var options = new FleetOptions(
            "test", name, name + ":1", null, 1, TimeSpan.FromSeconds(2), TimeSpan.FromHours(1), 1_000_000, new byte[16],
            KeepHashKey: false, IsAlone: false);
        var node = new FleetNode(options, _store, transport, new BackendSlots(), TimeProvider.System, NullLoggerFactory.Instance);
        await node.StartAsync(Backends, CancellationToken.None);
        _nodes.Add((node, transport));
    }

    private async Task StopAsync(int index)
    {
        var (node, transport) = _nodes[index];
        _nodes.RemoveAt(index);
        await transport.DisposeAsync();
        await node.DisposeAsync();
    }

    /// <summary>One table with nobody moving, every copy complete, every backend known to all.</summary>
    private Task SettledAsync() => UntilAsync(() =>
    {
        var maps = _nodes.Select(n => n.Node.Region.Context.View.Map).ToArray();
        return maps.All(m => m.Epoch == maps[0].Epoch && m.Nodes.Length == _nodes.Count)
            && maps[0].Shards.All(s => s is { Owner: >= 0, Replica: >= 0, Next: < 0 })
            && _nodes.All(n => n.Node.Region.Shards.ToArray().All(s => s.Role == ShardRole.Owner ? s.Serves : !s.IsCopy || s.Synced))
            && _nodes.All(n => n.Node.Backends.Length == Backends.Length && n.Node.Backends.SequenceEqual(_nodes[0].Node.Backends));
    });

    /// <summary>Every change is confirmed by its replica.</summary>
    private async Task QuietAsync()
    {
        foreach (var (node, _) in _nodes)
        {
            await UntilAsync(() => FleetSummary.Shards(node.Region, out var _).Lag == 0);
        }
    }

    private async Task UntilAsync(Func<bool> condition)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (watch.Elapsed > TimeSpan.FromSeconds(60))
            {
                Assert.Fail(string.Join('\n', _nodes.Select(n => $"{FleetSummary.Shards(n.Node.Region, out var _)} {string.Join(' ', n.Node.Backends)}")) + '\n'
                    + string.Join('\n', _nodes.SelectMany(n => n.Node.Events.Recent).OrderBy(e => e.Time).TakeLast(40).Select(e => e.Text)));
            }

            await Task.Delay(20);
        }
    }

    private sealed class Waiter : IStickyWaiter
    {
        public TaskCompletionSource<StickyAnswer> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Complete(ulong ticket, in StickyAnswer answer) => Answer.SetResult(answer);
    }
}
