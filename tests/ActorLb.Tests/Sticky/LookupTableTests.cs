using ActorLb.Protocol.Peer;
using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky;

/// <summary>Lookups while the nodes go by different tables.</summary>
public sealed class LookupTableTests : AskingNode
{
    [Fact]
    public void StaleEpoch_NewerTableIsAskedFor_AndTheCallTriedAgain()
    {
        Region.GetOrAssign(77, [A], this, 1, out _);
        var header = Owner.Header;
        Reply(Owner, PeerStatus.StaleEpoch, default, epoch: Epoch + (5UL << 12));
        Assert.Equal(PeerFrameType.TableRequest, Owner.Header.Type);
        Assert.Empty(Heard);

        Adopt(owner: 2, replica: 1);
        Assert.Equal(PeerFrameType.GetOrAssign, Replica.Header.Type);
        Assert.Equal((header.RequestId, Epoch), (Replica.Header.RequestId, Replica.Header.Epoch));
        Reply(Replica, PeerStatus.New, A);
        Assert.Equal(StickyOutcome.Remote, Assert.Single(Heard).Answer.Outcome);
    }

    [Fact]
    public void OwnerDown_ReplicaHasAnotherTable_TheCallWaitsForIt()
    {
        Owner.IsUp = false;
        Assert.False(Region.GetOrAssign(77, [A], this, 1, out _));
        Reply(Replica, PeerStatus.StaleEpoch, default, epoch: Epoch + (5UL << 12));
        Assert.Equal(PeerFrameType.TableRequest, Replica.Header.Type);
        Assert.Empty(Heard);

        // Asked again meanwhile: which of the two has the older table may change.
        Pass(5);
        Assert.Equal(PeerCallFlags.Hedge, Replica.Header.CallFlags);
        Adopt(owner: 2, replica: 0);
        Assert.Equal((PeerFrameType.GetOrAssign, Epoch), (Replica.Header.Type, Replica.Header.Epoch));
        Reply(Replica, PeerStatus.Ok, A);
        Assert.Equal(new StickyAnswer(A, StickyOutcome.Remote, false), Assert.Single(Heard).Answer);
    }

    [Fact]
    public void ReplicaMissed_AnotherTable_TheNewReplicaIsAsked()
    {
        Owner.IsUp = false;
        Adopt(owner: 1, replica: 0);
        Assert.True(Region.GetOrAssign(76, [A], this, 1, out var answer));
        Assert.Equal(StickyOutcome.Fallback, answer.Outcome);

        Owner.IsUp = true;
        Assert.False(Region.GetOrAssign(77, [A], this, 2, out _));
        Pass(35);
        Owner.IsUp = false;
        Adopt(owner: 1, replica: 2);
        Assert.Equal(PeerCallFlags.Hedge, Replica.Header.CallFlags);
        Reply(Replica, PeerStatus.Ok, B);
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Hedge, false), Assert.Single(Heard).Answer);
    }

    [Fact]
    public void PeerIsBehind_EveryNewTableIsSentAtOnce_TheSameNotAgain()
    {
        var old = Epoch;
        for (var i = 0; i < 3; i++)
        {
            Adopt(owner: 1, replica: 2);
            Region.OnHeard(Owner, old);
            Assert.Equal((PeerFrameType.Table, Epoch), (Owner.Header.Type, Owner.Header.Epoch));
            Region.GetOrAssign((ulong)i, [A], this, 1, out _);
            Region.OnHeard(Owner, old);
            Assert.Equal(PeerFrameType.GetOrAssign, Owner.Header.Type);
        }

        Time.Advance(TimeSpan.FromMilliseconds(100));
        Region.OnHeard(Owner, old);
        Assert.Equal(PeerFrameType.Table, Owner.Header.Type);
    }
}
