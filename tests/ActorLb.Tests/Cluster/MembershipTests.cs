using ActorLb.Cluster;
using ActorLb.Tests.Cluster.Simulation;

namespace ActorLb.Tests.Cluster;

/// <summary>Names, leases and operators, one case at a time, in virtual time.</summary>
public sealed class MembershipTests : IDisposable
{
    private readonly SimWorld _world = new(1);
    private readonly SimNetwork _network;
    private readonly SimStore _store;
    private readonly List<SimNode> _nodes = [];

    public MembershipTests()
    {
        _network = new SimNetwork(_world);
        _store = new SimStore(_world);
    }

    public void Dispose() => _nodes.ForEach(n => n.Free());

    [Fact]
    public void SecondProcessOfTheName_WaitsWhileTheFirstLives_ThenTakesOver()
    {
        var first = Start("lb-1");
        _world.RunUntil(3000);
        var second = Start("lb-1");
        _world.RunUntil(6000);
        Assert.True(first.Control.Core.IsRegistered);
        Assert.False(second.Control.Core.IsRegistered);
        Assert.Null(second.Stopped);

        first.Kill(silently: false);
        _world.RunUntil(7300);
        Assert.True(second.Control.Core.IsRegistered);
        _world.RunUntil(9000);
        Assert.True(second.Region.Shards.ToArray().All(s => s.Serves));
    }

    [Fact]
    public void DisplacedProcess_StopsWithAReason()
    {
        var first = Start("lb-1");
        _world.RunUntil(3000);

        // Alive but away from the store until its lease is over and its name is another's.
        _store.CutFrom(first);
        _world.RunUntil(6000);
        var second = Start("lb-1");
        _world.RunUntil(9000);
        Assert.True(second.Control.Core.IsRegistered);
        Assert.Null(first.Stopped);

        _store.HealAll();
        _world.RunUntil(12_000);
        Assert.Contains("took over the node name lb-1", first.Stopped, StringComparison.Ordinal);
        Assert.False(first.HasLeft);
    }

    [Fact]
    public void Down_StopsTheNode_AndPromotesItsReplicas()
    {
        var (first, second) = (Start("lb-1"), Start("lb-2"));
        _world.RunUntil(5000);
        string? answer = "none yet";
        first.Control.Change(core => core.Down("lb-2", text => answer = text));
        _world.RunUntil(6500);

        Assert.Null(answer);
        Assert.Contains("declared lb-2 down", second.Stopped, StringComparison.Ordinal);
        Assert.True(first.Region.Shards.ToArray().All(s => s.Serves));

        var again = Start("lb-2");
        _world.RunUntil(9000);
        Assert.True(again.Control.Core.IsRegistered);
    }

    [Fact]
    public void AskToLeave_ReachesTheOtherNode()
    {
        var (first, second) = (Start("lb-1"), Start("lb-2"));
        _world.RunUntil(5000);
        first.Control.Change(core => core.AskToLeave("lb-2", _ => { }));
        _world.RunUntil(8000);

        Assert.True(second.HasLeft);
        Assert.Equal(["lb-1"], first.Control.Core.View.Members.Select(m => m.Name));
    }

    [Fact]
    public void Leave_EndsWhenAllIsHandedOver_AndWaitsForNoTick()
    {
        SimNode[] nodes = [Start("lb-1"), Start("lb-2"), Start("lb-3")];
        _world.RunUntil(5000);
        Assert.True(SimFinalChecks.IsSettled(_nodes, out var why), why);
        nodes[2].Control.Change(core => core.Leave());
        var start = _world.Now;
        while (!nodes[2].HasLeft && _world.Now < start + 5000)
        {
            _world.RunUntil(_world.Now + 1);
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"left after {_world.Now - start} ms");
        // One step follows the other at once; with the 50 ms of a tick between them it would be 150.
        Assert.InRange(_world.Now - start, 1, 130);
        _world.RunUntil(_world.Now + 1000);
        Assert.Equal((0, 0), (nodes[0].Region.Context.Counters.Unsealed, nodes[1].Region.Context.Counters.Unsealed));
    }

    [Fact]
    public void StoreDown_TableStays_ThenLifeGoesOn()
    {
        var (first, second) = (Start("lb-1"), Start("lb-2"));
        _world.RunUntil(5000);
        var epoch = first.Epoch;
        _store.Stop();
        _world.RunUntil(15_000);

        Assert.Equal(epoch, first.Epoch);
        Assert.True(SimFinalChecks.IsSettled(_nodes, out var why), why);
        Assert.False(first.Control.Core.IsStoreUp);

        _store.Start();
        _world.RunUntil(18_000);
        Assert.True(first.Control.Core.IsRegistered && second.Control.Core.IsRegistered);
        Assert.True(SimFinalChecks.IsSettled(_nodes, out why), why);
    }

    [Fact]
    public void StoreWiped_EpochGoesOn_OwnersStay()
    {
        var (first, second) = (Start("lb-1"), Start("lb-2"));
        _world.RunUntil(5000);
        var before = first.Region.Context.View.Map;
        _store.Wipe();
        _world.RunUntil(9000);

        var after = first.Region.Context.View.Map;
        Assert.True(after.Epoch > before.Epoch);
        Assert.Equal(after.Epoch, second.Epoch);
        Assert.Equal(before.Shards.Select(s => before.NodeAt(s.Owner)), after.Shards.Select(s => after.NodeAt(s.Owner)));
        Assert.Equal(3, _store.State.Range("backends/").Entries.Length);
    }

    [Fact]
    public void StoreRestored_WithEarlierRunsOfTheNames_NobodyStops()
    {
        var (first, second) = (Start("lb-1"), Start("lb-2"));
        _world.RunUntil(4000);
        _store.Backup();

        // Both are restarted, and run on for a while, before the store is set back.
        foreach (var old in new[] { first, second })
        {
            old.Kill(silently: false);
        }

        SimNode[] now = [Start("lb-1"), Start("lb-2")];
        _world.RunUntil(9000);
        Assert.True(SimFinalChecks.IsSettled([.. now], out var why), why);
        var before = now[0].Epoch;
        _store.Restore();
        _world.RunUntil(16_000);

        Assert.All(now, n => Assert.Null(n.Stopped));
        Assert.True(SimFinalChecks.IsSettled([.. now], out why), why);
        Assert.True(now[0].Epoch > before);
        Assert.All(now, n => Assert.True(n.Control.Core.IsRegistered));
    }

    [Fact]
    public void TableDamaged_LastGoodOneStays_AndIsWrittenAgain()
    {
        var first = Start("lb-1");
        _world.RunUntil(5000);
        var before = first.Epoch;
        _store.TableWritten = null;
        _store.State.Commit(new StoreTransaction([], [StoreWrite.Put(StoreKeys.Table, "nonsense"u8.ToArray())]));
        _world.RunUntil(7000);

        Assert.True(first.Epoch > before);
        Assert.Equal(first.Epoch, first.Control.Core.View.Table!.Epoch);
        Assert.True(first.Region.Shards.ToArray().All(s => s.Serves));
    }

    [Fact]
    public void Backends_TwoNodesAtOnce_AgreeOnSlots_AndKeepTombstones()
    {
        var (first, second) = (Start("lb-1"), Start("lb-2"));
        _world.RunUntil(5000);
        Assert.Equal(first.Control.Core.Backends.Records, second.Control.Core.Backends.Records);
        Assert.Equal(3, first.Control.Core.Backends.Records.Values.Select(r => r.Slot).Distinct().Count());

        var key = new BackendKey("emqx", "b1:1883");
        var gen = first.Control.Core.Backends.Records[key].Gen;
        first.Control.Change(core => core.Backends.Change(key, r => r with { State = BackendRegistry.Removed }, Assert.Null));
        first.Control.Change(core => core.Backends.Want([(new BackendKey("emqx", "b2:1883"), "b2:1883")]));
        second.Control.Change(core => core.Backends.Want([(new BackendKey("emqx", "b2:1883"), "b2:1883")]));
        _world.RunUntil(7000);
        Assert.Equal(BackendRegistry.Removed, second.Control.Core.Backends.Records[key].State);

        second.Control.Change(core => core.Backends.Want([(key, "b1:1883")]));
        _world.RunUntil(9000);
        Assert.Equal((BackendRegistry.Up, BackendRegistry.NextGen(gen)),
            (first.Control.Core.Backends.Records[key].State, first.Control.Core.Backends.Records[key].Gen));
    }

    [Fact]
    public void Drain_WithADeadline_BecomesDown_ThoughTheNodeThatTookTheOrderIsGone()
    {
        var (first, second) = (Start("lb-1"), Start("lb-2"));
        _world.RunUntil(5000);
        BackendKey one = new("emqx", "b1:1883"), two = new("emqx", "b2:1883"), three = new("emqx", "b3:1883");
        foreach (var key in new[] { one, two, three })
        {
            first.Control.Change(core => core.Backends.Change(key, r => BackendRegistry.InState(r, BackendRegistry.Drain, 10), Assert.Null));
        }

        _world.RunUntil(8000);
        // Another order counts anew, one without a deadline never ends, a change of another kind does not matter.
        second.Control.Change(core => core.Backends.Change(one, r => BackendRegistry.InState(r, BackendRegistry.Drain, 10), Assert.Null));
        second.Control.Change(core => core.Backends.Change(two, r => BackendRegistry.InState(r, BackendRegistry.Drain, null), Assert.Null));
        second.Control.Change(core => core.Backends.Change(three, r => r with { Weight = 7 }, Assert.Null));
        first.Kill(silently: false);
        _world.RunUntil(13_000);
        // Each in its own time since the order: five, three and never.
        var left = new[] { three, one, two }.Select(k => second.Control.Core.Backends.DrainLeft(k, 13_000)?.TotalSeconds).ToArray();
        Assert.InRange(left[0]!.Value, 2, 2.6);
        Assert.InRange(left[1]!.Value, 5, 5.6);
        Assert.Null(left[2]);
        _world.RunUntil(14_500);
        Assert.Equal((BackendRegistry.Drain, BackendRegistry.Drain, BackendRegistry.Drain), States());
        _world.RunUntil(17_000);
        Assert.Equal((BackendRegistry.Drain, BackendRegistry.Drain, BackendRegistry.Down), States());
        _world.RunUntil(20_000);
        Assert.Equal((BackendRegistry.Down, BackendRegistry.Drain, BackendRegistry.Down), States());
        Assert.All(second.Control.Core.Backends.Records.Values, r => Assert.Null(r.Deadline));

        (string, string, string) States()
        {
            var records = second.Control.Core.Backends.Records;
            return (records[one].State, records[two].State, records[three].State);
        }
    }

    private SimNode Start(string name)
    {
        string[] brokers = ["b1:1883", "b2:1883", "b3:1883"];
        var node = new SimNode(
            _world, _network, _store, () => _nodes, _nodes.Count + 1, new PeerId(name, (ulong)_nodes.Count + 100), null,
            brokers.Select(b => (new BackendKey("emqx", b), b)));
        _nodes.Add(node);
        return node;
    }
}
