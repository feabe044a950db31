using ActorLb.Fleet.Sharding;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Tests.Fleet.Sharding;

public sealed class ShardAllocationTests
{
    private const int Shards = 16;

    private static readonly MemberId A = new("a", 1), B = new("b", 2), C = new("c", 3);

    [Fact]
    public void New_Shards_AreWhereThePlacementWantsThem()
    {
        var members = Members();
        var desired = Placement.Owners(members, Shards);

        for (int shard = 0; shard < Shards; shard++) Assert.Equal(desired[shard], ShardAllocation.Choose(shard, [A, B, C], members, Empty(), Shards));
    }

    [Fact]
    public void Shard_OfADeadOwner_GoesToItsCompleteCopy()
    {
        (int shard, var owner, var other) = Desired();
        var third = new[] { A, B, C }.First(p => p != owner && p != other);
        var members = Members(unreachable: owner);

        Assert.Equal(other, ShardAllocation.Choose(shard, [A, B, C], members, With(shard, owner, replica: other), Shards));
        Assert.Equal(third, ShardAllocation.Choose(shard, [A, B, C], members, With(shard, owner, replica: third), Shards));
    }

    [Fact]
    public void Shard_WhoseCopyIsComplete_MovesToWhereItBelongs()
    {
        (int shard, var desired, var owner) = Desired();
        ShardDirectory complete = With(shard, owner, next: desired), incomplete = With(shard, owner);

        Assert.Equal([shard], ShardAllocation.Moves([(shard, owner)], [], Members(), complete, Shards));
        Assert.Empty(ShardAllocation.Moves([(shard, owner)], [], Members(), incomplete, Shards));
        Assert.Empty(ShardAllocation.Moves([(shard, owner)], [shard], Members(), complete, Shards));
        Assert.Empty(ShardAllocation.Moves([(shard, desired)], [], Members(), complete, Shards));
        // During the move the old owner is still a candidate and must not get the shard back.
        Assert.Equal(desired, ShardAllocation.Choose(shard, [A, B, C], Members(), complete, Shards));
    }

    [Fact]
    public void Nothing_MovesWhileAMemberIsUnreachable()
    {
        (int shard, var desired, var owner) = Desired();
        var third = new[] { A, B, C }.First(p => p != owner && p != desired);

        Assert.Empty(ShardAllocation.Moves([(shard, owner)], [], Members(unreachable: third), With(shard, owner, next: desired), Shards));
    }

    [Fact]
    public void Moves_AreBounded()
    {
        var members = Members();
        var desired = Placement.Owners(members, Shards);
        var owned = Enumerable.Range(0, Shards).Select(s => (s, new[] { A, B, C }.First(p => p != desired[s]))).ToArray();
        var directory = new ShardDirectory([.. owned.Select(o => new ShardAnnouncement(o.s, 1, 1, o.Item2, desired[o.s], true, null, false))]);

        Assert.Equal(ShardAllocation.MaxMoves, ShardAllocation.Moves(owned, [], members, directory, Shards).Count());
        Assert.Single(ShardAllocation.Moves(owned, [.. Enumerable.Range(0, ShardAllocation.MaxMoves - 1)], members, directory, Shards));
    }

    [Fact]
    public void Leaver_GetsNothing_AndItsShardsGoToTheirCopies()
    {
        (int shard, var owner, var other) = Desired();
        var third = new[] { A, B, C }.First(p => p != owner && p != other);

        Assert.Equal(third, ShardAllocation.Choose(shard, [other, third], Members(leaving: owner), With(shard, owner, replica: third), Shards));
        for (int s = 0; s < Shards; s++) Assert.NotEqual(A, ShardAllocation.Choose(s, [A, B, C], Members(leaving: A), Empty(), Shards));
    }

    [Fact]
    public void Choice_WithoutMembers_IsAlwaysACandidate()
    {
        Assert.Equal(B, ShardAllocation.Choose(0, [C, B], null, Empty(), Shards));
        Assert.Equal(C, ShardAllocation.Choose(0, [C], Members(unreachable: C), Empty(), Shards));
    }

    /// <summary>A shard, its desired owner, and another member.</summary>
    private static (int Shard, MemberId Desired, MemberId Other) Desired()
    {
        var desired = Placement.Owners(Members(), Shards)[3]!.Value;
        return (3, desired, new[] { A, B, C }.First(p => p != desired));
    }

    private static MapMembers Members(MemberId? unreachable = null, MemberId? leaving = null) => new(
        unreachable == A ? B : A,
        new[] { A, B, C }.Select(p => new MapMember(p) { IsReachable = p != unreachable, IsLeaving = p == leaving }));

    private static ShardDirectory Empty() => new([.. new ShardAnnouncement?[Shards]]);

    private static ShardDirectory With(int shard, MemberId owner, MemberId? replica = null, MemberId? next = null) =>
        new(Empty().Shards.SetItem(shard, new ShardAnnouncement(shard, 1, 1, owner, replica, replica is not null, next, next is not null)));
}
