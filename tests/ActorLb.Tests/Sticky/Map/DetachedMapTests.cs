using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using static ActorLb.Tests.Sticky.Map.MapFleet;

namespace ActorLb.Tests.Sticky.Map;

/// <summary>A node that is no longer a member, and one that has rejoined.</summary>
public sealed class DetachedMapTests : IDisposable
{
    private const ulong Client = 77;

    private readonly MapFleet _fleet = new("lb-1", "lb-2", "lb-3");

    public void Dispose() => _fleet.Dispose();

    [Fact]
    public void Detached_AnswersAtOnce_FromItsTables_ThenTheLastKnownGood_ThenNothing()
    {
        _fleet.OpenAll("lb-1", "lb-2");
        var (owner, replica) = (_fleet.OwnerOf(Client), _fleet.ReplicaOf(Client));
        owner.Ask(Client, A);
        ulong far = Enumerable.Range(0, 64).Select(i => (ulong)i << 58).First(h => _fleet.OwnerOf(h) == replica);
        owner.Ask(far, B);
        replica.Map.GetOrAssign(Client + 1, [A], replica, 7, out _);
        _fleet.Pass(50);
        owner.Map.SetMembers(null);

        Assert.True(owner.Map.GetOrAssign(Client, [B], owner, 1, out var answer));
        Assert.Equal(new StickyAnswer(A, StickyOutcome.Fallback, false), answer);
        Assert.True(owner.Map.GetOrAssign(far, [A], owner, 1, out answer));
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Fallback, false), answer);
        Assert.True(owner.Map.GetOrAssign(Client + 5, [A], owner, 1, out answer));
        Assert.Equal(new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false), answer);
        Assert.True(owner.Map.Reassign(Client, A, [B], owner, 1, out answer));
        Assert.True(answer.Backend.IsNone);
        Assert.Equal(A, owner.Map.Peek(Client));
        Assert.Equal(0, owner.Map.Measure().Owned);
        owner.Map.BeginOpen(0);
        _fleet.Pass(100);
        Assert.False(owner.Map.IsBusy);
    }

    [Fact]
    public void Detached_LookupsUnderWay_AreAnsweredThen()
    {
        _fleet.OpenAll("lb-1", "lb-2");
        var asker = _fleet.ReplicaOf(Client);
        _fleet.Loses = (_, _, m) => m is LookupBatch;
        Assert.False(asker.Map.GetOrAssign(Client, [A], asker, 1, out _));
        asker.Map.SetMembers(null);
        Assert.Equal((1UL, StickyOutcome.Fallback), (asker.Heard[0].Ticket, asker.Heard[0].Answer.Outcome));
        Assert.Equal(0, asker.Map.CallsInFlight);
    }

    [Fact]
    public void MemberAgain_FormerShardsAreOffered_OnlyWhatTheNewOwnerLacks_LiveSessionsAreLearnt()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var (owner, replica) = (_fleet.OwnerOf(Client), _fleet.ReplicaOf(Client));
        string[] others = new[] { "lb-1", "lb-2", "lb-3" }.Except([owner.Id.Name]).ToArray();
        _fleet.Loses = (from, to, _) => from == owner.Id || to == owner.Id;
        for (ulong i = 0UL; i < 5000; i++)
        {
            owner.Map.GetOrAssign(Client + (i << 49), [A], owner, 1, out _);
        }

        foreach (string? name in others)
        {
            _fleet[name].Map.SetMembers(new MapMembers(_fleet[name].Id, others.Select(n => new MapMember(_fleet[n].Id))));
        }

        replica.Map.BeginOpen(0);
        _fleet.Pass(100);
        replica.Map.GetOrAssign(Client, [B], replica, 1, out _);
        owner.Map.SetMembers(null);
        owner.Map.Opened(Client + 1, B, StickyOutcome.Fallback);

        // Another incarnation of the same node.
        _fleet.Loses = (_, _, _) => false;
        owner.Id = owner.Id with { Incarnation = 1000 };
        _fleet.Members("lb-1", "lb-2", "lb-3");
        _fleet.Pass(3000);

        Assert.Equal(B, replica.Map.Peek(Client));
        Assert.Equal(B, replica.Map.Peek(Client + 1));
        Assert.All(Enumerable.Range(1, 4999), i => Assert.Equal(A, replica.Map.Peek(Client + ((ulong)i << 49))));
        Assert.True(replica.Map.Counters.Offered >= 4999);
        Assert.False(owner.Map.Shards[0].MustOffer);
    }

    [Fact]
    public void AllDetachedAndBack_WhoeverOpens_FindsTheFormerOwnersTables()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        for (ulong i = 0UL; i < 256; i++)
        {
            _fleet["lb-1"].Ask(i << 56, A);
        }

        _fleet.Pass(50);
        ulong incarnation = 1000UL;
        foreach (string? name in new[] { "lb-1", "lb-2", "lb-3" })
        {
            _fleet[name].Map.SetMembers(null);
            _fleet[name].Id = _fleet[name].Id with { Incarnation = incarnation++ };
        }

        _fleet.Members("lb-1", "lb-2", "lb-3");
        for (int shard = 0; shard < Shards; shard++)
        {
            _fleet["lb-3"].Map.BeginOpen(shard);
        }

        _fleet.Pass(500);
        Assert.Equal(Shards, _fleet["lb-3"].Map.Measure().Owned);
        Assert.All(Enumerable.Range(0, 256), i => Assert.Equal(A, _fleet["lb-3"].Map.Peek((ulong)i << 56)));
    }

    [Fact]
    public void BothCopiesLost_OpensEmpty_EveryNodeTeachesItsLiveSessions()
    {
        _fleet.OpenAll("lb-1", "lb-2", "lb-3");
        var (owner, replica) = (_fleet.OwnerOf(Client), _fleet.ReplicaOf(Client));
        var third = _fleet[new[] { "lb-1", "lb-2", "lb-3" }.Except([owner.Id.Name, replica.Id.Name]).Single()];
        third.Map.Opened(Client, third.Ask(Client, A).Backend, StickyOutcome.Remote);
        third.Ask(Client + 1, A);
        _fleet.Loses = (from, to, _) => from == owner.Id || to == owner.Id || from == replica.Id || to == replica.Id;
        _fleet.Change(new MapMember(third.Id));
        third.Map.BeginOpen(0);
        _fleet.Pass(50);

        Assert.Equal(A, third.Map.Peek(Client));
        Assert.True(third.Map.Peek(Client + 1).IsNone);
    }
}
