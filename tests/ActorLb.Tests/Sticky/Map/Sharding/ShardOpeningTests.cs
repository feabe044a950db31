using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Sharding;
using static ActorLb.Tests.Sticky.Map.MapFleet;

namespace ActorLb.Tests.Sticky.Map.Sharding;

/// <summary>With which content a shard is opened, when and under which epoch, and how it is handed over.</summary>
public sealed class ShardOpeningTests : IDisposable
{
    private const ulong Client = 77;

    private readonly MapFleet _fleet = new("lb-1", "lb-2", "lb-3");

    public void Dispose() => _fleet.Dispose();

    [Fact]
    public void Open_NobodyHasACopy_OpensEmpty_AnnouncedToAll()
    {
        _fleet.Members("lb-1", "lb-2", "lb-3");
        var map = _fleet["lb-2"].Map;
        map.BeginOpen(0);
        Assert.False(map.Shards[0].Serves);
        _fleet.Pass(30);

        Assert.Equal(["opened 0"], _fleet["lb-2"].Events);
        Assert.All(["lb-1", "lb-2", "lb-3"], n => Assert.Equal(_fleet["lb-2"].Id, _fleet[n].Map.Directory[0]!.Owner));
        Assert.Equal(new StickyAnswer(A, StickyOutcome.Remote, true), _fleet["lb-1"].Ask(Client, A));
        Assert.Equal(new StickyAnswer(A, StickyOutcome.Local, false), _fleet["lb-2"].Ask(Client, B));
    }

    [Fact]
    public void Open_WithoutFleet_DoesNothing()
    {
        _fleet["lb-1"].Map.BeginOpen(0);
        _fleet.Pass(3000);
        Assert.Empty(_fleet["lb-1"].Events);
    }

    [Fact]
    public void OwnerGone_ReplicaOpensAtOnce_WithoutAskingAnybody()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        Assert.Equal(A, _fleet["lb-1"].Ask(Client, A).Backend);
        _fleet.Pass(50);
        var (owner, replica) = (_fleet.OwnerOf(Client), _fleet.ReplicaOf(Client));
        ulong epoch = owner.Map.Shards[0].HeldEpoch;
        _fleet.Sent.Clear();
        _fleet.Members([.. new[] { "lb-1", "lb-2", "lb-3" }.Except([owner.Id.Name])]);
        replica.Map.BeginOpen(0);

        Assert.Contains("opened 0", replica.Events);
        Assert.DoesNotContain(_fleet.Sent, s => s.Message is CopyQuery);
        Assert.Equal(new StickyAnswer(A, StickyOutcome.Local, false), replica.Ask(Client, B));
        Assert.Equal(ShardEpoch.Number(epoch) + 1, ShardEpoch.Number(replica.Map.Shards[0].HeldEpoch));
    }

    [Fact]
    public void OwnerGone_AnotherThanTheReplicaOpens_TakesTheReplicasCopy()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        for (ulong i = 0UL; i < 200; i++)
        {
            _fleet["lb-1"].Ask(Client + (i << 48), A);
        }

        _fleet.Pass(50);
        var (owner, replica) = (_fleet.OwnerOf(Client), _fleet.ReplicaOf(Client));
        string third = new[] { "lb-1", "lb-2", "lb-3" }.Except([owner.Id.Name, replica.Id.Name]).Single();
        _fleet.Members(third, replica.Id.Name);
        _fleet[third].Map.BeginOpen(0);
        _fleet.Pass(50);

        Assert.True(_fleet[third].Map.Shards[0].Serves);
        for (ulong i = 0UL; i < 200; i++)
        {
            Assert.Equal(A, _fleet[third].Map.Peek(Client + (i << 48)));
        }
    }

    [Fact]
    public void KnownHolderIsSlow_OpeningWaitsForIt_TwoSecondsAtMost()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        _fleet["lb-1"].Ask(Client, A);
        _fleet.Pass(50);
        var (owner, replica) = (_fleet.OwnerOf(Client), _fleet.ReplicaOf(Client));
        var third = _fleet[new[] { "lb-1", "lb-2", "lb-3" }.Except([owner.Id.Name, replica.Id.Name]).Single()];
        _fleet.Members(third.Id.Name, replica.Id.Name);
        _fleet.Loses = (from, _, _) => from == replica.Id;
        third.Map.BeginOpen(0);
        _fleet.Pass(1500);
        Assert.False(third.Map.Shards[0].Serves);

        _fleet.Loses = (_, _, _) => false;
        _fleet.Pass(100);
        Assert.True(third.Map.Shards[0].Serves);
        Assert.Equal(A, third.Map.Peek(Client));
    }

    [Fact]
    public void KnownHolderIsSilentForEver_OpensEmpty()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var (owner, replica) = (_fleet.OwnerOf(Client), _fleet.ReplicaOf(Client));
        var third = _fleet[new[] { "lb-1", "lb-2", "lb-3" }.Except([owner.Id.Name, replica.Id.Name]).Single()];
        _fleet.Members(third.Id.Name, replica.Id.Name);
        _fleet.Loses = (from, _, _) => from == replica.Id;
        third.Map.BeginOpen(0);
        _fleet.Pass(2100);
        Assert.True(third.Map.Shards[0].Serves);
    }

    [Fact]
    public void HandOver_EveryChangeArrives_TheNextOpensAtOnce()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var (owner, replica) = (_fleet.OwnerOf(Client), _fleet.ReplicaOf(Client));
        Assert.True(owner.Map.GetOrAssign(Client, [A], owner, 1, out _));
        owner.Map.BeginSeal(0);
        Assert.False(owner.Map.Shards[0].Serves);
        _fleet.Pass(60);

        Assert.Contains("sealed 0", owner.Events);
        Assert.Equal(1, owner.Map.Counters.HandOffs);
        owner.Map.Close(0);
        _fleet.Sent.Clear();
        replica.Map.BeginOpen(0);
        Assert.Contains("opened 0", replica.Events);
        Assert.Equal(A, replica.Map.Peek(Client));
        _fleet.Pass(1000);
        Assert.DoesNotContain(_fleet.Sent, s => s.Message is Offer);
    }

    [Fact]
    public void HandOver_LastChangesAreLost_TheNextAsksTheSealerForThem()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var (owner, replica) = (_fleet.OwnerOf(Client), _fleet.ReplicaOf(Client));
        _fleet.Loses = (_, _, m) => m is not (Announcements or AnnouncementsRequest);
        owner.Map.GetOrAssign(Client, [A], owner, 1, out _);
        owner.Map.BeginSeal(0);
        _fleet.Pass(900);
        Assert.DoesNotContain("sealed 0", owner.Events);
        _fleet.Pass(200);
        Assert.Contains("sealed 0", owner.Events);
        owner.Map.Close(0);

        _fleet.Loses = (_, _, _) => false;
        replica.Map.BeginOpen(0);
        Assert.False(replica.Map.Shards[0].Serves);
        _fleet.Pass(100);
        Assert.True(replica.Map.Shards[0].Serves);
        Assert.Equal(A, replica.Map.Peek(Client));
    }

    [Fact]
    public void Open_SaidAgain_WhileItIsHandedOver_ChangesNothing()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var owner = _fleet.OwnerOf(Client);
        owner.Map.BeginOpen(0);
        Assert.True(owner.Map.Shards[0].Serves);
        owner.Map.BeginSeal(0);
        owner.Map.BeginOpen(0);
        _fleet.Pass(60);
        Assert.Contains("sealed 0", owner.Events);
        owner.Map.BeginOpen(0);
        _fleet.Pass(3000);
        Assert.Equal(ShardPhase.Closed, owner.Map.Shards[0].Phase);

        owner.Map.Close(0);
        owner.Map.BeginOpen(0);
        _fleet.Pass(3000);
        Assert.True(owner.Map.Shards[0].Serves);
    }

    [Fact]
    public void Seal_OfWhatIsNotOpen_IsConfirmedAtOnce()
    {
        _fleet.Members("lb-1", "lb-2");
        _fleet["lb-1"].Map.BeginSeal(0);
        _fleet["lb-2"].Map.BeginOpen(1);
        _fleet["lb-2"].Map.BeginSeal(1);
        Assert.Equal(["sealed 0"], _fleet["lb-1"].Events);
        Assert.Equal(["sealed 1"], _fleet["lb-2"].Events);
        _fleet.Pass(3000);
        Assert.False(_fleet["lb-2"].Map.Shards[1].Serves);
    }

    [Fact]
    public void ActorFails_OpenedHereAgain_NothingIsLost_TheEpochIsHigher()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var owner = _fleet.OwnerOf(Client);
        owner.Map.GetOrAssign(Client, [A], owner, 1, out _);
        ulong epoch = owner.Map.Shards[0].HeldEpoch;
        owner.Map.Close(0);
        Assert.False(owner.Map.GetOrAssign(Client, [B], owner, 2, out _));
        owner.Map.BeginOpen(0);
        _fleet.Pass(100);

        Assert.True(owner.Map.Shards[0].HeldEpoch > epoch);
        Assert.Equal(A, Assert.Single(owner.Heard).Answer.Backend);
    }

    [Fact]
    public void BothSidesOfASplitOpened_TheNewerDeposesTheOlder_WhatItLacksIsOffered()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var owner = _fleet.OwnerOf(Client);
        string[] others = new[] { "lb-1", "lb-2", "lb-3" }.Except([owner.Id.Name]).ToArray();
        var replica = _fleet.ReplicaOf(Client);
        _fleet.Loses = (from, to, _) => from == owner.Id || to == owner.Id;
        foreach (string? name in others)
        {
            _fleet[name].Map.SetMembers(new MapMembers(_fleet[name].Id, others.Select(n => new MapMember(_fleet[n].Id))));
        }

        replica.Map.BeginOpen(0);
        _fleet.Pass(500);

        // One client known on both sides, and one known only to the old owner.
        Assert.True(owner.Map.GetOrAssign(Client, [A], owner, 1, out _));
        Assert.True(owner.Map.GetOrAssign(Client + 1, [A], owner, 1, out _));
        Assert.True(replica.Map.GetOrAssign(Client, [B], replica, 1, out _));
        _fleet.Loses = (_, _, _) => false;
        _fleet.Members("lb-1", "lb-2", "lb-3");
        _fleet.Pass(1500);

        Assert.Contains("deposed 0", owner.Events);
        Assert.Equal((B, A), (replica.Map.Peek(Client), replica.Map.Peek(Client + 1)));
        Assert.False(owner.Map.Shards[0].MustOffer);
    }

    [Fact]
    public void HigherEpochIsKnownButNobodyClaimsIt_TheOwnerTakesAHigherOne()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var owner = _fleet.OwnerOf(Client);
        ulong epoch = owner.Map.Shards[0].HeldEpoch;
        var other = _fleet[new[] { "lb-1", "lb-2", "lb-3" }.First(n => n != owner.Id.Name)];
        var third = _fleet[new[] { "lb-1", "lb-2", "lb-3" }.Last(n => n != owner.Id.Name)];

        // The third once learned that the other owned the shard in a later epoch.
        ulong later = ShardEpoch.Next(epoch + (5UL << 24), 9);
        third.Map.Receive(other.Id, new Announcements([other.Id], [new AnnouncedSeats(0, later, 1, 0, -1, -1, SeatFlags.None)]));
        Assert.Equal(other.Id, third.Map.Directory[0]!.Owner);
        _fleet.Pass(3000);

        Assert.True(owner.Map.Shards[0].Serves);
        Assert.True(owner.Map.Shards[0].HeldEpoch > later);
        Assert.Equal(owner.Id, third.Map.Directory[0]!.Owner);
    }
}
