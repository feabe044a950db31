using ActorLb.Fleet.Sharding;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;

namespace ActorLb.Tests.Fleet.Sharding;

public sealed class ShardAllocationTests
{
    private const int Shards = 16;

    private static readonly PeerId A = new("a", 1), B = new("b", 2), C = new("c", 3);

    [Fact]
    public void New_Shards_AreWhereThePlacementWantsThem()
    {
        MapMembers members = Members();
        PeerId?[] wished = Placement.Owners(members, Shards);

        for (int shard = 0; shard < Shards; shard++) Assert.Equal(wished[shard], ShardAllocation.Choose(shard, [A, B, C], members, Empty(), Shards));
    }

    [Fact]
    public void Shard_OfADeadOwner_GoesToItsCompleteCopy()
    {
        (int shard, PeerId owner, PeerId other) = Wished();
        PeerId third = new[] { A, B, C }.First(p => p != owner && p != other);
        MapMembers members = Members(unreachable: owner);

        Assert.Equal(other, ShardAllocation.Choose(shard, [A, B, C], members, With(shard, owner, replica: other), Shards));
        Assert.Equal(third, ShardAllocation.Choose(shard, [A, B, C], members, With(shard, owner, replica: third), Shards));
    }

    [Fact]
    public void Shard_WhoseCopyIsComplete_MovesToWhereItBelongs()
    {
        (int shard, PeerId wished, PeerId owner) = Wished();
        ShardDirectory complete = With(shard, owner, next: wished), incomplete = With(shard, owner);

        Assert.Equal([shard], ShardAllocation.Moves([(shard, owner)], [], Members(), complete, Shards));
        Assert.Empty(ShardAllocation.Moves([(shard, owner)], [], Members(), incomplete, Shards));
        Assert.Empty(ShardAllocation.Moves([(shard, owner)], [shard], Members(), complete, Shards));
        Assert.Empty(ShardAllocation.Moves([(shard, wished)], [], Members(), complete, Shards));
        // The move itself: the old owner is there still and must not get it back.
        Assert.Equal(wished, ShardAllocation.Choose(shard, [A, B, C], Members(), complete, Shards));
    }

    [Fact]
    public void Nothing_MovesWhileAMemberIsUnreachable()
    {
        (int shard, PeerId wished, PeerId owner) = Wished();
        PeerId third = new[] { A, B, C }.First(p => p != owner && p != wished);

        Assert.Empty(ShardAllocation.Moves([(shard, owner)], [], Members(unreachable: third), With(shard, owner, next: wished), Shards));
    }

    [Fact]
    public void Moves_AreBounded()
    {
        MapMembers members = Members();
        PeerId?[] wished = Placement.Owners(members, Shards);
        var owned = Enumerable.Range(0, Shards).Select(s => (s, new[] { A, B, C }.First(p => p != wished[s]))).ToArray();
        var directory = new ShardDirectory([.. owned.Select(o => new ShardAnnouncement(o.s, 1, 1, o.Item2, wished[o.s], true, null, false))]);

        Assert.Equal(ShardAllocation.MaxMoves, ShardAllocation.Moves(owned, [], members, directory, Shards).Count());
        Assert.Single(ShardAllocation.Moves(owned, [.. Enumerable.Range(0, ShardAllocation.MaxMoves - 1)], members, directory, Shards));
    }

    [Fact]
    public void Leaver_GetsNothing_AndItsShardsGoToTheirCopies()
    {
        (int shard, PeerId owner, PeerId other) = Wished();
        PeerId third = new[] { A, B, C }.First(p => p != owner && p != other);

        Assert.Equal(third, ShardAllocation.Choose(shard, [other, third], Members(leaving: owner), With(shard, owner, replica: third), Shards));
        for (int s = 0; s < Shards; s++) Assert.NotEqual(A, ShardAllocation.Choose(s, [A, B, C], Members(leaving: A), Empty(), Shards));
    }

    [Fact]
    public void Choice_WithoutMembers_IsAlwaysACandidate()
    {
        Assert.Equal(B, ShardAllocation.Choose(0, [C, B], null, Empty(), Shards));
        Assert.Equal(C, ShardAllocation.Choose(0, [C], Members(unreachable: C), Empty(), Shards));
    }

    /// <summary>A shard, whom it belongs to, and another member.</summary>
    private static (int Shard, PeerId Wished, PeerId Other) Wished()
    {
        PeerId wished = Placement.Owners(Members(), Shards)[3]!.Value;
        return (3, wished, new[] { A, B, C }.First(p => p != wished));
    }

    private static MapMembers Members(PeerId? unreachable = null, PeerId? leaving = null) => new(
        unreachable == A ? B : A,
        new[] { A, B, C }.Select(p => new MapMember(p) { IsReachable = p != unreachable, IsLeaving = p == leaving }));

    private static ShardDirectory Empty() => new([.. new ShardAnnouncement?[Shards]]);

    private static ShardDirectory With(int shard, PeerId owner, PeerId? replica = null, PeerId? next = null) =>
        new(Empty().Shards.SetItem(shard, new ShardAnnouncement(shard, 1, 1, owner, replica, replica is not null, next, next is not null)));
}
