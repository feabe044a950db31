using ActorLb.Balancing;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Lookups;
using FallbackNote = ActorLb.Sticky.Map.Lookups.FallbackNote;

namespace ActorLb.Tests.Sticky.Map.Lookups;

/// <summary>Silent members, and time in which the node itself did not run.</summary>
public sealed class MapFallbackTests : AskingMap
{
    [Fact]
    public void Fallback_LastKnownGood_IfStillValid()
    {
        Map.GetOrAssign(77, [A, B], this, 1, out _);
        Reply(Owner, AnswerStatus.Found, B);
        Map.GetOrAssign(77, [A], this, 2, out _);
        Pass(100);
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Fallback, false), Heard[^1].Answer);

        Slots.Set(B, AdminState.Down);
        Map.GetOrAssign(77, [A], this, 3, out var answer);
        Pass(100);
        Assert.True(Heard.Count == 3 ? Heard[^1].Answer.Backend.IsNone : answer.Backend.IsNone);
    }

    [Fact]
    public void Fallback_ReplicaKnowsNoSuchClient_TheLastKnownGoodIsNotAsked()
    {
        Map.GetOrAssign(77, [A, B], this, 1, out _);
        Reply(Owner, AnswerStatus.Found, B);
        Map.GetOrAssign(77, [A], this, 2, out _);
        Pass(35);
        Reply(Replica, AnswerStatus.None, default);
        Assert.Single(Heard);
        Pass(65);
        Assert.Equal((2UL, new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false)), Heard[^1]);

        // A member without a complete copy can't say that the client is unknown.
        Map.Receive(Owner, new AnnouncementsRequest());
        Map.GetOrAssign(77, [A], this, 3, out _);
        Pass(35);
        Reply(Replica, AnswerStatus.NotReady, default);
        Pass(65);
        Assert.Equal((3UL, new StickyAnswer(B, StickyOutcome.Fallback, false)), Heard[^1]);
    }

    [Fact]
    public void Owned_GivenUpWithoutAHandOver_WhatRemainsHereIsReadBeforeTheLastKnownGood()
    {
        Map.GetOrAssign(77, [A], this, 1, out _);
        Reply(Owner, AnswerStatus.Found, A);
        Members(owner: false, replica: false);
        Map.BeginOpen(0);
        Assert.True(Map.Reassign(77, A, [B], this, 2, out _));
        Map.Close(0);
        Members();
        Announce(Owner, Replica);
        Assert.False(Map.GetOrAssign(77, [A], this, 3, out _));
        Pass(100);
        Assert.Equal((3UL, new StickyAnswer(B, StickyOutcome.Fallback, false)), Heard[^1]);

        Members(owner: false, replica: false);
        Assert.True(Map.GetOrAssign(77, [A], this, 4, out var answer));
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Fallback, false), answer);
        Assert.True(Map.Reassign(77, B, [A], this, 5, out answer));
        Assert.Equal(A, answer.Backend);
    }

    [Fact]
    public void Replica_CompleteOrNot_TellsTheDifference_ToOthersAndToItself()
    {
        Map.GetOrAssign(77, [A], this, 1, out _);
        Reply(Owner, AnswerStatus.Found, A);
        Announce(Owner, Self);
        Assert.Equal(AnswerStatus.NotReady, AskedByAnother());
        Assert.Equal(AnswerStatus.NotHere, AskedByAnother(later: 1));
        Map.GetOrAssign(77, [B], this, 2, out _);
        Pass(100);
        Assert.Equal(A, Heard[^1].Answer.Backend);

        Map.Receive(Owner, new SnapshotChunk(
            0, Epoch, [.. Enumerable.Range(0, 16).Select(p => new SnapshotPart((ushort)p, 0, 0, 0, []))], IsLast: true));
        Assert.Equal(AnswerStatus.None, AskedByAnother());
        Map.GetOrAssign(77, [B], this, 3, out _);
        Pass(100);
        Assert.Equal((3UL, new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false)), Heard[^1]);
    }

    [Fact]
    public void TimeIsUp_LateClock_TheCopyHereIsReadFirst()
    {
        Announce(Owner, Self);
        Pass(5);
        var entry = new MapEntry(77, B.Value, 0, EntryFlags.None);
        Map.Receive(Owner, new SnapshotChunk(
            0, Epoch, [.. Enumerable.Range(0, 16).Select(p => new SnapshotPart((ushort)p, 0, p == 0 ? 1 : 0, 0, p == 0 ? [entry] : []))], IsLast: true));
        Assert.False(Map.GetOrAssign(77, [A], this, 2, out _));

        // An overloaded machine: the clock first ticks after all deadlines.
        Time.Advance(TimeSpan.FromMilliseconds(420));
        Map.Tick();
        Assert.Equal([(2UL, new StickyAnswer(B, StickyOutcome.Hedge, false))], Heard);
    }

    [Fact]
    public void TimeIsUp_LateClock_TheOwnerHereAnswers()
    {
        Map.GetOrAssign(77, [A], this, 1, out _);
        Map.BeginOpen(0);
        Assert.Empty(Heard);

        // No answer arrives, and the clock is also late for the end of that wait.
        Time.Advance(TimeSpan.FromMilliseconds(2100));
        Map.Tick();
        Assert.Equal([(1UL, new StickyAnswer(A, StickyOutcome.Local, true))], Heard);
    }

    [Fact]
    public void Reassign_FallsBack_NeverToTheBackendThatIsLeft()
    {
        Map.GetOrAssign(77, [A, B], this, 1, out _);
        Reply(Owner, AnswerStatus.Found, B);
        Map.Reassign(77, B, [A], this, 2, out _);
        Pass(100);
        Assert.Equal(new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false), Heard[^1].Answer);

        Members(owner: false, replica: false);
        Assert.True(Map.Reassign(77, B, [A], this, 3, out var answer));
        Assert.True(answer.Backend.IsNone);
        Assert.True(Map.Reassign(77, A, [B], this, 4, out answer));
        Assert.Equal(B, answer.Backend);
    }

    [Fact]
    public void LateClock_TimeInWhichThisNodeDidNotRun_IsNoSilenceOfTheOwner()
    {
        Map.Tick();
        Map.GetOrAssign(77, [A], this, 1, out _);
        Time.Advance(TimeSpan.FromMilliseconds(120));
        Map.Tick();
        Assert.Empty(Heard);
        Reply(Owner, AnswerStatus.Found, B);
        Assert.Equal([(1UL, new StickyAnswer(B, StickyOutcome.Remote, false))], Heard);

        // The clock runs on time now, and the owner is still silent.
        Map.GetOrAssign(78, [A], this, 2, out _);
        Time.Advance(TimeSpan.FromMilliseconds(120));
        Map.Tick();
        Pass(90);
        Assert.Equal((2UL, StickyOutcome.Fallback), (Heard[^1].Ticket, Heard[^1].Answer.Outcome));
    }

    [Fact]
    public void StuckPool_TimeInWhichNoAnswerCouldBeRead_IsNoSilenceOfTheOwner()
    {
        Time.Advance(TimeSpan.FromSeconds(1));
        Map.Tick();
        Map.GetOrAssign(77, [A], this, 1, out _);
        Map.Context.PoolOwesSince = Map.Context.Clock.Milliseconds;
        Pass(200);
        Assert.Empty(Heard);

        Map.Context.PoolOwesSince = 0;
        Pass(90);
        Assert.Equal(StickyOutcome.Fallback, Assert.Single(Heard).Answer.Outcome);

        // The pool is stuck for good: the client waits no longer than this.
        Map.GetOrAssign(78, [A], this, 2, out _);
        Map.Context.PoolOwesSince = Map.Context.Clock.Milliseconds;
        Pass(380);
        Assert.Single(Heard);
        Pass(30);
        Assert.Equal(2, Heard.Count);
    }

    [Fact]
    public void LateClock_AgainAndAgain_IsBounded()
    {
        Map.Tick();
        Map.GetOrAssign(77, [A], this, 1, out _);
        int waited = 0;
        for (; Heard.Count == 0 && waited < 2000; waited += 60)
        {
            Time.Advance(TimeSpan.FromMilliseconds(60));
            Map.Tick();
        }

        Assert.InRange(waited, 395, 455);
    }

    [Fact]
    public void FellBack_IsToldWithTheReason()
    {
        var notes = new List<FallbackNote>();
        Map.Context.FellBack = notes.Add;
        Map.GetOrAssign(77, [A], this, 1, out _);
        Pass(35);
        Reply(Replica, AnswerStatus.None, default);
        Pass(65);
        Members(owner: false, replica: false);
        Map.GetOrAssign(77, [A], this, 2, out _);

        Assert.Equal((95, 0), (notes[0].Waited, notes[0].Late));
        Assert.Equal("lb-2 connected, 1 calls in flight", notes[0].Owner);
        Assert.Contains("lb-3 does not know the client", notes[0].Replica, StringComparison.Ordinal);
        Assert.Equal("lb-2 not connected", notes[1].Owner);
        Assert.Equal(2, notes.Count);
    }

    /// <summary>Another node reads this node's copy.</summary>
    private AnswerStatus AskedByAnother(uint later = 0)
    {
        Sent.Clear();
        Map.Receive(Replica, new LookupBatch(1, [new LookupRequest(1, LookupKind.Read, 0, 77, Epoch + later, 0, default)]));
        return ((LookupAnswers)Sent.Find(s => s.Message is LookupAnswers).Message).Items[0].Status;
    }
}
