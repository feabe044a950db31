using ActorLb.Protocol.Peer;
using ActorLb.Sticky;

namespace ActorLb.Tests.Sticky;

/// <summary>What a node makes of silence, and of time in which it did not run itself.</summary>
public sealed class LookupFallbackTests : AskingNode
{
    [Fact]
    public void Fallback_LastKnownGood_IfStillValid()
    {
        Region.GetOrAssign(77, [A, B], this, 1, out _);
        Reply(Owner, PeerStatus.Ok, B);
        Region.GetOrAssign(77, [A], this, 2, out _);
        Pass(100);
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Fallback, false), Heard[^1].Answer);

        Slots.Set(B, SlotState.Down);
        Region.GetOrAssign(77, [A], this, 3, out var answer);
        Pass(100);
        Assert.True(Heard.Count == 3 ? Heard[^1].Answer.Backend.IsNone : answer.Backend.IsNone);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    public void Silence_WhatRemainsHereOfTheShard_IsReadBeforeTheLastKnownGood(short next)
    {
        Region.GetOrAssign(77, [A], this, 1, out _);
        Reply(Owner, PeerStatus.Ok, A);
        Adopt(owner: 0, replica: 1);
        Assert.True(Region.Reassign(77, A, [B], this, 2, out _));

        // Given up and not handed over yet, or to be copied anew: in both cases the entries are still here.
        Adopt(owner: 1, replica: 2, next);
        Assert.False(Region.GetOrAssign(77, [A], this, 3, out _));
        Pass(100);
        Assert.Equal((3UL, new StickyAnswer(B, StickyOutcome.Fallback, false)), Heard[^1]);

        Owner.IsUp = false;
        Replica.IsUp = false;
        Assert.True(Region.GetOrAssign(77, [A], this, 4, out var answer));
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Fallback, false), answer);
        Assert.True(Region.Reassign(77, B, [A], this, 5, out answer));
        Assert.Equal(A, answer.Backend);
    }

    [Fact]
    public void Fallback_ReplicaKnowsNoSuchClient_TheLastKnownGoodIsNotAsked()
    {
        Region.GetOrAssign(77, [A, B], this, 1, out _);
        Reply(Owner, PeerStatus.Ok, B);
        Region.GetOrAssign(77, [A], this, 2, out _);
        Pass(35);
        Reply(Replica, PeerStatus.None, default);
        Assert.Single(Heard);
        Pass(65);
        Assert.Equal((2UL, new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false)), Heard[^1]);

        // Who has no complete copy says nothing of the client.
        Region.OnHeard(Owner, Epoch);
        Region.GetOrAssign(77, [A], this, 3, out _);
        Pass(35);
        Reply(Replica, PeerStatus.NotReady, default);
        Pass(65);
        Assert.Equal((3UL, new StickyAnswer(B, StickyOutcome.Fallback, false)), Heard[^1]);
    }

    [Fact]
    public void Replica_CompleteOrNot_TellsTheDifference_ToOthersAndToItself()
    {
        Region.GetOrAssign(77, [A], this, 1, out _);
        Reply(Owner, PeerStatus.Ok, A);
        Adopt(owner: 1, replica: 0);
        Assert.Equal(PeerStatus.NotReady, AskedByAnother());
        Region.GetOrAssign(77, [B], this, 2, out _);
        Pass(100);
        Assert.Equal(A, Heard[^1].Answer.Backend);

        var header = new PeerFrameHeader(PeerFrameType.Chunk, 0, 0, 0, Epoch);
        var frame = new byte[PeerChunk.MaxSize];
        var n = PeerChunk.Write(frame, header, Owner.Peer.Incarnation, 0, 0, 0, default);
        Assert.Equal(PeerFrameError.None, Region.OnFrame(Owner, header, frame.AsSpan(0, n)));
        Assert.Equal(PeerStatus.None, AskedByAnother());
        Region.GetOrAssign(77, [B], this, 3, out _);
        Pass(100);
        Assert.Equal((3UL, new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false)), Heard[^1]);
    }

    [Fact]
    public void Reassign_FallsBack_NeverToTheBackendThatIsLeft()
    {
        Region.GetOrAssign(77, [A, B], this, 1, out _);
        Reply(Owner, PeerStatus.Ok, B);
        Region.Reassign(77, B, [A], this, 2, out _);
        Pass(100);
        Assert.Equal(new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false), Heard[^1].Answer);

        Owner.IsUp = false;
        Replica.IsUp = false;
        Assert.True(Region.Reassign(77, B, [A], this, 3, out var answer));
        Assert.True(answer.Backend.IsNone);
        Assert.True(Region.Reassign(77, A, [B], this, 4, out answer));
        Assert.Equal(B, answer.Backend);
    }

    [Fact]
    public void TimeIsUp_LateClock_TheCopyHereIsReadFirst()
    {
        Adopt(owner: 0, replica: 1);
        Assert.True(Region.GetOrAssign(77, [B], this, 1, out _));
        Adopt(owner: 1, replica: 0);
        Assert.False(Region.GetOrAssign(77, [A], this, 2, out _));

        // A machine without time: the clock's first look comes when everything is over.
        Time.Advance(TimeSpan.FromMilliseconds(420));
        Region.Tick();
        Assert.Equal([(2UL, new StickyAnswer(B, StickyOutcome.Hedge, false))], Heard);
    }

    [Fact]
    public void TimeIsUp_LateClock_TheOwnerHereAnswers()
    {
        Adopt(owner: 1, replica: 0);
        Region.GetOrAssign(77, [A], this, 1, out _);
        Adopt(owner: 0, replica: 1);
        Assert.Empty(Heard);

        // The former owner's seal does not come; the clock is late for its end, too.
        Time.Advance(TimeSpan.FromMilliseconds(420));
        Region.Tick();
        Assert.Equal([(1UL, new StickyAnswer(A, StickyOutcome.Local, true))], Heard);
    }

    [Fact]
    public void LateClock_TimeInWhichThisNodeDidNotRun_IsNoSilenceOfTheOwner()
    {
        Region.Tick();
        Region.GetOrAssign(77, [A], this, 1, out _);
        Time.Advance(TimeSpan.FromMilliseconds(120));
        Region.Tick();
        Assert.Empty(Heard);
        Reply(Owner, PeerStatus.Ok, B);
        Assert.Equal([(1UL, new StickyAnswer(B, StickyOutcome.Remote, false))], Heard);

        // From then on it runs, and the owner is as silent as ever.
        Region.GetOrAssign(78, [A], this, 2, out _);
        Time.Advance(TimeSpan.FromMilliseconds(120));
        Region.Tick();
        Pass(90);
        Assert.Equal((2UL, StickyOutcome.Fallback), (Heard[^1].Ticket, Heard[^1].Answer.Outcome));
    }

    [Fact]
    public void StuckPool_TimeInWhichNoAnswerCouldBeRead_IsNoSilenceOfTheOwner()
    {
        Time.Advance(TimeSpan.FromSeconds(1));
        Region.Tick();
        Region.GetOrAssign(77, [A], this, 1, out _);
        Region.Context.PoolOwesSince = Region.Context.Clock.Milliseconds;
        Pass(200);
        Assert.Empty(Heard);

        Region.Context.PoolOwesSince = 0;
        Pass(90);
        Assert.Equal(StickyOutcome.Fallback, Assert.Single(Heard).Answer.Outcome);

        // Stuck for ever: the client waits no longer than that.
        Region.GetOrAssign(78, [A], this, 2, out _);
        Region.Context.PoolOwesSince = Region.Context.Clock.Milliseconds;
        Pass(380);
        Assert.Single(Heard);
        Pass(30);
        Assert.Equal(2, Heard.Count);
    }

    [Fact]
    public void LateClock_AgainAndAgain_IsBounded()
    {
        Region.Tick();
        Region.GetOrAssign(77, [A], this, 1, out _);
        var waited = 0;
        for (; Heard.Count == 0 && waited < 2000; waited += 60)
        {
            Time.Advance(TimeSpan.FromMilliseconds(60));
            Region.Tick();
        }

        Assert.InRange(waited, 395, 455);
    }

    [Fact]
    public void FellBack_IsToldWithTheReason()
    {
        var notes = new List<FallbackNote>();
        Region.Context.FellBack = notes.Add;
        Region.GetOrAssign(77, [A], this, 1, out _);
        Pass(35);
        Reply(Replica, PeerStatus.None, default);
        Pass(65);
        Owner.IsUp = false;
        Replica.IsUp = false;
        Region.GetOrAssign(77, [A], this, 2, out _);

        Assert.Equal((95, 0), (notes[0].Waited, notes[0].Late));
        Assert.Equal("lb-2 connected, 1 calls under way", notes[0].Owner);
        Assert.Contains("lb-3 does not know the client", notes[0].Replica, StringComparison.Ordinal);
        Assert.Equal("lb-2 not connected", notes[1].Owner);
        Assert.Equal(2, notes.Count);
    }

    [Fact]
    public void EverybodyDown_FallsBackAtOnce()
    {
        Owner.IsUp = false;
        Replica.IsUp = false;

        Assert.True(Region.GetOrAssign(77, [A], this, 1, out var answer));
        Assert.Equal(StickyOutcome.Fallback, answer.Outcome);
    }

    /// <summary>Another node reads the copy here.</summary>
    private PeerStatus AskedByAnother()
    {
        Span<byte> frame = stackalloc byte[PeerLookup.MaxSize];
        var header = new PeerFrameHeader(PeerFrameType.GetOrAssign, (byte)PeerCallFlags.Hedge, 0, 1, Epoch);
        var n = PeerLookup.Write(frame, header, 77, 0, default);
        Assert.Equal(PeerFrameError.None, Region.OnFrame(Replica, header, frame[..n]));
        Assert.Equal(PeerFrameError.None, PeerReply.TryRead(Replica.Last, out var reply));
        return reply.Status;
    }
}
