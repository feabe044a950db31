using ActorLb.Cluster;
using ActorLb.Protocol.Peer;
using ActorLb.Sticky;
using ActorLb.Testing;

namespace ActorLb.Tests.Sticky;

/// <summary>What a node asks of the holders of a shard, and what it makes of their answers.</summary>
public sealed class RemoteLookupTests : AskingNode
{
    [Fact]
    public void Ask_GoesToTheOwner_AnswerComesBack()
    {
        Assert.False(Region.GetOrAssign(77, [A, B], this, 5, out _));
        Assert.Equal(PeerFrameType.GetOrAssign, Owner.Header.Type);
        PeerLookup.TryRead(Owner.Last, PeerFrameType.GetOrAssign, out var asked);
        Assert.Equal((77UL, 2, A.Value), (asked.H, asked.Count, asked[0]));

        Reply(Owner, PeerStatus.New, B);
        Assert.Equal([(5UL, new StickyAnswer(B, StickyOutcome.Remote, true))], Heard);
        Reply(Owner, PeerStatus.New, B);
        Assert.Single(Heard);
        Assert.Equal(0, Region.CallsInFlight);
    }

    [Fact]
    public void Silence_Hedges_ThenFallsBack_WithinTheBound()
    {
        Region.GetOrAssign(77, [A, B], this, 5, out _);
        Pass(25);
        Assert.Equal(0, Replica.Sent);
        Pass(10);
        Assert.Equal(PeerCallFlags.Hedge, Replica.Header.CallFlags);
        Reply(Replica, PeerStatus.NotReady, default);
        Pass(55);
        Assert.Empty(Heard);
        Pass(10);
        Assert.Equal([(5UL, new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false))], Heard);
    }

    [Fact]
    public void Silence_ReplicaKnows_Hedge()
    {
        Region.GetOrAssign(77, [A, B], this, 5, out _);
        Pass(35);
        Reply(Replica, PeerStatus.Ok, B);

        Assert.Equal([(5UL, new StickyAnswer(B, StickyOutcome.Hedge, false))], Heard);
    }

    [Fact]
    public void OwnerDown_ReplicaIsReadAtOnce()
    {
        Owner.IsUp = false;
        Assert.False(Region.GetOrAssign(77, [A], this, 1, out _));
        Assert.Equal(1, Replica.Sent);
        Reply(Replica, PeerStatus.Ok, A);

        Assert.Equal(StickyOutcome.Hedge, Assert.Single(Heard).Answer.Outcome);
    }

    [Fact]
    public void Answer_InMaintenanceHere_OwnerIsAskedToMove()
    {
        Region.GetOrAssign(77, [B], this, 1, out _);
        Slots.Set(A, SlotState.Down);
        Reply(Owner, PeerStatus.Ok, A);
        Assert.Empty(Heard);
        PeerLookup.TryRead(Owner.Last, PeerFrameType.Reassign, out var move);
        Assert.Equal((PeerFrameType.Reassign, A.Value), (Owner.Header.Type, move.Expected));

        Reply(Owner, PeerStatus.New, B);
        Assert.Equal(B, Assert.Single(Heard).Answer.Backend);
    }

    [Fact]
    public void InFlight_PastTheBound_FallsBackAtOnce()
    {
        for (var i = 0u; i < PeerCalls.MaxInFlight; i++)
        {
            Assert.False(Region.GetOrAssign(i, [A], this, i, out _));
        }

        Assert.True(Region.GetOrAssign(99_999, [A], this, 0, out var answer));
        Assert.Equal(StickyOutcome.Fallback, answer.Outcome);
        Pass(100);
        Assert.Equal(PeerCalls.MaxInFlight, Heard.Count);
        Assert.Equal(0, Region.CallsInFlight);
    }

    [Fact]
    public void SilentOwner_After150Ms_IsAskedNoMore_UntilItSpeaks()
    {
        Region.GetOrAssign(1, [A], this, 1, out _);
        Pass(200);
        var sent = Owner.Sent;
        for (var i = 0u; i < 20; i++)
        {
            Region.GetOrAssign(i + 2, [A], this, i, out _);
        }

        Assert.InRange(Owner.Sent - sent, 0, 1);
        Region.OnHeard(Owner, Epoch);
        Region.GetOrAssign(50, [A], this, 50, out _);
        Assert.Equal(PeerFrameType.GetOrAssign, Owner.Header.Type);
        Assert.InRange(Owner.Sent - sent, 1, 2);
    }

    [Fact]
    public void AskAndAnswer_AllocateNothing()
    {
        var frame = new byte[PeerReply.FrameSize];
        BackendRef[] proposals = [A, B];
        var runs = 0;
        Assert.Equal(0, Allocations.Least(() =>
        {
            runs++;
            for (var i = 0u; i < 2000; i++)
            {
                Region.GetOrAssign(i * 7919, proposals, this, i, out _);
                var asked = Owner.Header;
                var header = new PeerFrameHeader(PeerFrameType.Reply, 0, asked.Shard, asked.RequestId, asked.Epoch);
                new PeerReply(PeerStatus.Ok, A.Value, 0).Write(frame, header);
                Region.OnFrame(Owner, header, frame);
            }
        }));
        Assert.Equal(2000 * runs, Heard.Count);
    }
}
