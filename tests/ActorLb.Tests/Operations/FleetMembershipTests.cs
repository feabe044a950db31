using ActorLb.Balancing;
using ActorLb.Cluster.InProcess;
using ActorLb.Configuration;
using ActorLb.Fleet;
using ActorLb.Operations;
using ActorLb.Protocol.Admin;
using ActorLb.Sticky;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Tests.Operations;

/// <summary>The operator's wishes through the fleet's machinery, with a store in the process and no peers.</summary>
public sealed class FleetMembershipTests : IAsyncLifetime
{
    private readonly InProcessStore _store = new(TimeProvider.System);
    private readonly FleetNode _node;
    private readonly FleetMembership _fleet;
    private readonly Pool _pool;

    public FleetMembershipTests()
    {
        ConfigurationResult result = ConfigurationLoader.LoadText(
            """actorlb { pools.emqx { backends = ["127.0.0.1:1", "127.0.0.1:2"] }, listeners.mqtt { bind = "127.0.0.1:0", pool = emqx } }""", "/test.conf");
        _pool = new Pool(result.Options!.Pools["emqx"], TimeProvider.System);
        var options = new FleetOptions(
            "test", "lb-1", "127.0.0.1:1", "a", 1, TimeSpan.FromSeconds(5), TimeSpan.FromHours(1), 1_000_000, new byte[16], KeepHashKey: true, IsAlone: true);
        _node = new FleetNode(options, _store, null, new BackendSlots(), TimeProvider.System, NullLoggerFactory.Instance)
        {
            // What a node does with the fleet's word.
            BackendsChanged = backends =>
            {
                foreach (FleetBackend known in backends)
                {
                    if (_pool?.Snapshot.Find(known.Id) is not { } backend) continue;
                    backend.Reference = known.Reference.Value;
                    backend.SetAdminState(known.State switch { SlotState.Drain => AdminState.Drain, SlotState.Down => AdminState.Down, _ => AdminState.Up });
                    if (known.Weight is { } weight) backend.SetWeight(weight);
                }
            },
        };
        _fleet = new FleetMembership(_node, result.Options.Sticky, TimeProvider.System);
    }

    private Backend One => _pool.Snapshot.Backends[0];

    private Backend Two => _pool.Snapshot.Backends[1];

    public async ValueTask InitializeAsync()
    {
        await _node.StartAsync(_pool.Snapshot.Backends.ToArray().Select(b => new WantedBackend("emqx", b.Id, b.Id)), CancellationToken.None);
        await _node.FirstTable.WaitAsync(TimeSpan.FromSeconds(10));
        // The store has both records once a change of either is accepted.
        foreach (Backend backend in new[] { One, Two })
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            while (await _fleet.SetWeightAsync(_pool, backend, 2, patience.Token) is not null) await Task.Delay(10, patience.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task Backend_Changed_IsInForceWhenTheAnswerComes()
    {
        Assert.Equal(2, One.Weight);
        Assert.Null(await _fleet.SetStateAsync(_pool, One, AdminState.Drain, null, CancellationToken.None));
        Assert.Equal(AdminState.Drain, One.AdminState);
        uint before = Two.Reference;
        Assert.Null(await _fleet.FlushAsync(_pool, Two, CancellationToken.None));
        Assert.NotEqual(before, Two.Reference);
    }

    [Fact]
    public async Task Sticky_SetGetClear_AreTheSameEntry()
    {
        Assert.True((await _fleet.FindAsync("emqx", "c", CancellationToken.None)).Backend.IsNone);
        Assert.Equal(RefusalKind.Unknown, (await _fleet.ImposeAsync("emqx", "c", BackendRef.None, CancellationToken.None))!.Kind);

        foreach (Backend backend in new[] { One, Two, One })
        {
            var reference = BackendRef.FromValue(backend.Reference);
            Assert.Null(await _fleet.ImposeAsync("emqx", "c", reference, CancellationToken.None));
            StickyFinding found = await _fleet.FindAsync("emqx", "c", CancellationToken.None);
            Assert.Equal((reference, "lb-1", StickyOutcome.Local), (found.Backend, found.Owner, found.Outcome));
        }
        Assert.Equal(1, (await _fleet.StickyStatsAsync(["emqx"], CancellationToken.None)).Entries);

        Assert.Null(await _fleet.ImposeAsync("emqx", "c", BackendRef.None, CancellationToken.None));
        Assert.True((await _fleet.FindAsync("emqx", "c", CancellationToken.None)).Backend.IsNone);

        await _fleet.SetStateAsync(_pool, One, AdminState.Down, null, CancellationToken.None);
        Refusal? refused = await _fleet.ImposeAsync("emqx", "c", BackendRef.FromValue(One.Reference), CancellationToken.None);
        Assert.Equal(RefusalKind.Refused, refused!.Kind);
    }

    [Fact]
    public async Task Views_AgreeWithEachOther()
    {
        ClusterMember member = Assert.Single((await _fleet.MembersAsync(CancellationToken.None)).Members);
        Assert.Equal(("lb-1", "up", "a", true, true, 4096), (member.Name, member.State, member.Zone, member.Self, member.Coordinator, member.Shards));
        ClusterStatus status = await _fleet.StatusAsync(CancellationToken.None);
        Assert.Equal(
            ("test", "lb-1", "up", "etcd", 4096, 0),
            (status.Cluster, status.Coordinator, status.State, status.Coordination, status.ShardsOwned, status.Moving));
        ShardList shards = (await _fleet.ShardsAsync("lb-1", CancellationToken.None))!;
        Assert.Equal(4096, shards.Shards.Length);
        Assert.All(shards.Shards, s => Assert.Equal(("lb-1", 0), (s.Owner, s.Entries)));
        Assert.Equal(4096, Assert.Single((await _fleet.RegionsAsync(CancellationToken.None)).Regions).Owned);
        Assert.Equal(4096, (await _fleet.ShardingAsync(CancellationToken.None)).Owned);
        Assert.Equal((null, 0), await _fleet.RebalanceAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Node_Unknown_TellsWhoIsKnown()
    {
        Refusal? down = await _fleet.DownAsync("lb-9", CancellationToken.None);
        Assert.Equal((RefusalKind.Unknown, "no node 'lb-9' in the cluster. Known: lb-1"), (down!.Kind, down.Reason));
        Assert.Equal(RefusalKind.Unknown, (await _fleet.LeaveAsync("lb-9", CancellationToken.None))!.Kind);
        Assert.Null(await _fleet.ShardsAsync("lb-9", CancellationToken.None));
    }

    [Fact]
    public async Task Leave_EndsTheMembership()
    {
        Assert.Null(await _fleet.LeaveAsync(null, CancellationToken.None));
        Assert.True((await _node.Ended.WaitAsync(TimeSpan.FromSeconds(20))).IsPlanned);
    }
}
