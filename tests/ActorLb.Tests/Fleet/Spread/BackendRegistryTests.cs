using ActorLb.Balancing;
using ActorLb.Fleet.Spread;
using ActorLb.Hosting;
using ActorLb.Sticky;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Fleet.Spread;

public sealed class BackendRegistryTests
{
    private static readonly BackendKey First = new("emqx", "10.0.0.1:1883");
    private static readonly BackendKey Second = new("emqx", "10.0.0.2:1883");

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Fact]
    public void Want_NodesThatNeverSpoke_NameABackendAlike()
    {
        BackendRegistry one = Node(First, Second), other = Node(Second, First);
        Assert.Equal(Of(one, First).Reference, Of(other, First).Reference);
        Assert.Equal(Of(one, Second).Reference, Of(other, Second).Reference);
        Assert.NotEqual(Of(one, First).Reference, Of(one, Second).Reference);
    }

    /// <summary>Frozen: nodes of two releases, and a node and its own file, must use the same reference for a backend.</summary>
    [Fact]
    public void Default_OfAName_IsPinned() => Assert.Equal("34764.14158", BackendRecord.Default(First).Reference.ToString());

    [Fact]
    public void Change_OnANodeByItself_HoldsAtOnceAndIsMarked()
    {
        var node = Node(First);
        node.Change(First, (r, _) => r with { State = AdminState.Drain });
        Assert.True(Of(node, First) is { State: AdminState.Drain, IsLocal: true });
        Assert.True(node.Confirm(node.ToRegisters()));
        Assert.False(Of(node, First).IsLocal);
    }

    [Fact]
    public void Change_OfABackendThatNobodyKnows_IsNone() => Assert.Null(Node(First).Change(Second, (r, _) => r));

    [Fact]
    public void Merge_ChangesMadeApart_TheLaterOneWinsOnBothSides()
    {
        BackendRegistry fleet = Node(First), detached = Node(First);
        fleet.Change(First, (r, _) => r with { State = AdminState.Down });
        fleet.Change(First, (r, _) => r with { Weight = 7 });
        _time.Advance(TimeSpan.FromSeconds(1));
        detached.Change(First, (r, _) => r with { State = AdminState.Drain });
        var fromFleet = fleet.ToRegisters();
        fleet.Merge(detached.ToRegisters());
        detached.Merge(fromFleet);
        Assert.Equal(AdminState.Drain, Of(fleet, First).State);
        Assert.Equal(AdminState.Drain, Of(detached, First).State);
    }

    [Fact]
    public void Change_WithAnotherInView_SupersedesItWhateverTheClocksSay()
    {
        var ahead = Node(First);
        _time.Advance(TimeSpan.FromHours(1));
        ahead.Change(First, (r, _) => r with { State = AdminState.Down });
        var behind = new BackendRegistry(new SpreadClock(new FakeTimeProvider(DateTimeOffset.UnixEpoch)), _time);
        behind.Want([First]);
        behind.Merge(ahead.ToRegisters());
        behind.Change(First, (r, _) => r with { State = AdminState.Up });
        ahead.Merge(behind.ToRegisters());
        Assert.Equal(AdminState.Up, Of(ahead, First).State);
    }

    [Fact]
    public void Merge_ANewerChangeOfTheFleet_EndsTheWaitForConfirmation()
    {
        BackendRegistry one = Node(First), other = Node(First);
        one.Change(First, (r, _) => r with { State = AdminState.Down });
        _time.Advance(TimeSpan.FromSeconds(1));
        other.Change(First, (r, _) => r with { State = AdminState.Up });
        one.Merge(other.ToRegisters());
        Assert.False(one.HasUnconfirmed);
    }

    [Fact]
    public void Want_OfARemovedBackend_BringsItBackUnderANewGeneration()
    {
        var node = Node(First);
        var before = Of(node, First).Reference;
        node.Change(First, (r, _) => r with { State = null });
        Assert.True(node.Want([First]));
        Assert.True(Of(node, First) is { State: AdminState.Up } now && now.Reference.Slot == before.Slot && now.Reference.Gen != before.Gen);
    }

    [Fact]
    public void Merge_TwoBackendsInOneSlot_TheFirstByNameKeepsItOnAllNodes()
    {
        BackendRegistry one = Node(First, Second), other = Node(Second);
        var clash = Registers.Empty.With(
            Second.Name, new Register(50, new BackendRecord(new BackendRef(Of(one, First).Reference.Slot, 9), AdminState.Up).Encode()));
        one.Merge(clash);
        other.Merge(clash);
        other.Merge(one.ToRegisters());
        one.Merge(other.ToRegisters());
        Assert.NotEqual(Of(one, First).Reference.Slot, Of(one, Second).Reference.Slot);
        Assert.Equal(Of(one, Second).Reference, Of(other, Second).Reference);
        Assert.Equal(Of(one, First).Reference, Of(other, First).Reference);
        Assert.Equal(BackendRecord.Default(First).Reference, Of(one, First).Reference);
    }

    [Fact]
    public void EndDrains_PastTheDeadline_MakesThemDown()
    {
        var node = Node(First);
        node.Change(First, (r, stamp) => r with { State = AdminState.Drain, Deadline = new DrainDeadline(60, stamp) });
        Assert.Equal(TimeSpan.FromSeconds(60), Of(node, First).DrainLeft);
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.False(node.EndDrains());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(node.EndDrains());
        Assert.True(Of(node, First) is { State: AdminState.Down, DrainLeft: null, IsDrainOver: true });

        // A node that was away learns the reason, whatever else changes in the record.
        node.Change(First, (r, _) => r with { Weight = 3 });
        var late = Node(First);
        late.Merge(node.ToRegisters());
        Assert.True(Of(late, First) is { State: AdminState.Down, Weight: 3, IsDrainOver: true });
        node.Change(First, (r, _) => r with { State = AdminState.Down, Deadline = null });
        late.Merge(node.ToRegisters());
        Assert.True(Of(late, First) is { State: AdminState.Down, IsDrainOver: false });
    }

    [Fact]
    public void EndDrains_OfAnOrderThatWasRepeated_CountsFromTheLastOne()
    {
        var node = Node(First);
        node.Change(First, (r, stamp) => r with { State = AdminState.Drain, Deadline = new DrainDeadline(60, stamp) });
        node.Snapshot();
        _time.Advance(TimeSpan.FromSeconds(50));
        node.Change(First, (r, stamp) => r with { State = AdminState.Drain, Deadline = new DrainDeadline(60, stamp) });
        // A change of the weight is not a new drain.
        node.Change(First, (r, _) => r with { Weight = 3 });
        Assert.Equal(TimeSpan.FromSeconds(60), Of(node, First).DrainLeft);
    }

    /// <summary>Pausing a drain also pauses its deadline, on nodes that join meanwhile as well.</summary>
    [Fact]
    public void EndDrains_OfAPausedDrain_WaitsUntilItGoesOn()
    {
        BackendRegistry node = Node(First), late = Node(First);
        node.Change(First, (r, stamp) => r with { State = AdminState.Drain, Deadline = new DrainDeadline(60, stamp), Pacing = new PacedDrain(50, false, stamp) });
        node.Snapshot();
        _time.Advance(TimeSpan.FromSeconds(20));
        node.Change(First, (r, stamp) => r with { Deadline = new DrainDeadline(40, stamp), Pacing = r.Pacing! with { IsPaused = true } });
        node.Snapshot();
        _time.Advance(TimeSpan.FromHours(1));
        late.Merge(node.ToRegisters());
        _time.Advance(TimeSpan.FromHours(1));
        Assert.False(node.EndDrains() || late.EndDrains());
        Assert.All([node, late], n => Assert.True(Of(n, First) is { State: AdminState.Drain, Pacing.IsPaused: true } b && b.DrainLeft == TimeSpan.FromSeconds(40)));

        late.Change(First, (r, stamp) => r with { Deadline = r.Deadline!.Value with { Ordered = stamp }, Pacing = r.Pacing! with { IsPaused = false } });
        node.Merge(late.ToRegisters());
        Assert.Equal(TimeSpan.FromSeconds(40), Of(node, First).DrainLeft);
        _time.Advance(TimeSpan.FromSeconds(39));
        Assert.False(node.EndDrains());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(node.EndDrains());
        Assert.True(Of(node, First) is { State: AdminState.Down, Pacing: null, IsDrainOver: true });
    }

    [Theory]
    [InlineData(AdminState.Up)]
    [InlineData(AdminState.Down)]
    [InlineData(null)]
    public void Change_ToAnythingButADrain_EndsItsPace(AdminState? state)
    {
        var node = Node(First);
        node.Change(First, (r, stamp) => r with { State = AdminState.Drain, Pacing = new PacedDrain(50, false, stamp) });
        node.Change(First, (r, _) => r with { State = state });
        Assert.Null(Of(node, First).Pacing);
    }

    [Fact]
    public void Merge_OfWhatIsNoRecord_LeavesItOut()
    {
        var node = Node(First);
        byte[] good = Of(node, First) is var b ? new BackendRecord(b.Reference, AdminState.Down).Encode() : [];
        byte[] badState = [.. good];
        badState[5] = 77;
        var bad = Registers.Empty
            .With("no-slash", new Register(1L << 50, good)).With("pool/", new Register(1L << 50, good))
            .With(First.Name, new Register(1L << 50, badState)).With(Second.Name, new Register(1L << 50, new byte[] { 1, 2, 3 }));
        Assert.False(node.Merge(bad));
        Assert.Equal(AdminState.Up, Assert.Single(node.Snapshot()).State);
    }

    /// <summary>Nodes of other releases and files on disk use these numbers.</summary>
    [Theory]
    [InlineData(null, 0)]
    [InlineData(AdminState.Up, 1)]
    [InlineData(AdminState.Drain, 2)]
    [InlineData(AdminState.Down, 3)]
    public void Encode_State_HasAFrozenNumber(AdminState? state, byte number)
    {
        byte[] bytes = new BackendRecord(new BackendRef(4, 5), state).Encode();
        Assert.Equal(number, bytes[5]);
        Assert.Equal(state, BackendRecord.TryDecode(bytes)!.State);
    }

    [Fact]
    public void Encode_OfEveryField_IsRead()
    {
        var record = new BackendRecord(new BackendRef(513, BackendRef.MaxGen), AdminState.Drain, 65535, new DrainDeadline(uint.MaxValue, long.MaxValue));
        Assert.Equal(record, BackendRecord.TryDecode(record.Encode()));
        var plain = new BackendRecord(new BackendRef(0, 1), State: null);
        Assert.Equal(plain, BackendRecord.TryDecode(plain.Encode()));
        // A later release may append fields.
        Assert.Equal(plain, BackendRecord.TryDecode([.. plain.Encode(), 1, 2, 3]));
        Assert.Equal("01FF3F010202FFFF0000FFFFFFFFFFFFFFFFFFFFFF7F", Convert.ToHexString(record.Encode()));
        var paced = record with { Pacing = new PacedDrain(12.5, true, 258) };
        Assert.Equal(paced, BackendRecord.TryDecode(paced.Encode()));
        Assert.Equal("01FF3F010202FFFF0000FFFFFFFFFFFFFFFFFFFFFF7F" + "D4300000" + "01" + "0201000000000000", Convert.ToHexString(paced.Encode()));
        foreach (double rate in (double[])[PaceRate.Least, 0.5, PaceRate.Most])
        {
            Assert.Equal(rate, BackendRecord.TryDecode((paced with { Pacing = new PacedDrain(rate, false, 1) }).Encode())!.Pacing!.Rate);
        }
        // An invalid rate is ignored; the drain stays.
        Assert.Equal(record, BackendRecord.TryDecode((paced with { Pacing = new PacedDrain(0, false, 1) }).Encode()));
    }

    private BackendRegistry Node(params BackendKey[] wanted)
    {
        var node = new BackendRegistry(new SpreadClock(_time), _time);
        node.Want(wanted);
        return node;
    }

    private static SpreadBackend Of(BackendRegistry node, BackendKey key) => node.Snapshot().Single(b => b.Key == key);
}
