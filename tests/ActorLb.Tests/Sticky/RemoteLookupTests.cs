using ActorLb.Cluster;
using ActorLb.Protocol.Peer;
using ActorLb.Sticky;
using Microsoft.Extensions.Time.Testing;

namespace ActorLb.Tests.Sticky;

/// <summary>One node whose shards all belong to another: what it asks, and what it makes of answers and of silence.</summary>
public sealed class RemoteLookupTests : IDisposable, IStickyWaiter
{
    private static readonly PeerId Self = new("lb-1", 1);
    private static readonly BackendRef A = new(1, 1);
    private static readonly BackendRef B = new(2, 1);
    private readonly FakeTimeProvider _time = new();
    private readonly BackendSlots _slots = new();
    private readonly ShardRegion _region;
    private readonly TestLink _owner = new(new PeerId("lb-2", 2));
    private readonly TestLink _replica = new(new PeerId("lb-3", 3));
    private readonly List<(ulong Ticket, StickyAnswer Answer)> _heard = new(20_000);
    private ulong _epoch;

    public RemoteLookupTests()
    {
        _slots.Set(A, SlotState.Up);
        _slots.Set(B, SlotState.Up);
        _region = new ShardRegion(
            new RegionSettings(Self, TimeSpan.FromHours(1), 100_000), new StickyHash(new byte[16]), _slots, new StickyClock(_time));
        Adopt(owner: 1, replica: 2);
    }

    void IStickyWaiter.Complete(ulong ticket, in StickyAnswer answer) => _heard.Add((ticket, answer));

    public void Dispose() => _region.Dispose();

    [Fact]
    public void Ask_GoesToTheOwner_AnswerComesBack()
    {
        Assert.False(_region.GetOrAssign(77, [A, B], this, 5, out _));
        Assert.Equal(PeerFrameType.GetOrAssign, _owner.Header.Type);
        PeerLookup.TryRead(_owner.Last, PeerFrameType.GetOrAssign, out var asked);
        Assert.Equal((77UL, 2, A.Value), (asked.H, asked.Count, asked[0]));

        Reply(_owner, PeerStatus.New, B);
        Assert.Equal([(5UL, new StickyAnswer(B, StickyOutcome.Remote, true))], _heard);
        Reply(_owner, PeerStatus.New, B);
        Assert.Single(_heard);
        Assert.Equal(0, _region.CallsInFlight);
    }

    [Fact]
    public void Silence_Hedges_ThenFallsBack_WithinTheBound()
    {
        _region.GetOrAssign(77, [A, B], this, 5, out _);
        Pass(25);
        Assert.Equal(0, _replica.Sent);
        Pass(10);
        Assert.Equal(PeerCallFlags.Hedge, _replica.Header.CallFlags);
        Reply(_replica, PeerStatus.NotReady, default);
        Pass(55);
        Assert.Empty(_heard);
        Pass(10);
        Assert.Equal([(5UL, new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false))], _heard);
    }

    [Fact]
    public void Silence_ReplicaKnows_Hedge()
    {
        _region.GetOrAssign(77, [A, B], this, 5, out _);
        Pass(35);
        Reply(_replica, PeerStatus.Ok, B);

        Assert.Equal([(5UL, new StickyAnswer(B, StickyOutcome.Hedge, false))], _heard);
    }

    [Fact]
    public void Fallback_LastKnownGood_IfStillValid()
    {
        _region.GetOrAssign(77, [A, B], this, 1, out _);
        Reply(_owner, PeerStatus.Ok, B);
        _region.GetOrAssign(77, [A], this, 2, out _);
        Pass(100);
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Fallback, false), _heard[^1].Answer);

        _slots.Set(B, SlotState.Down);
        _region.GetOrAssign(77, [A], this, 3, out var answer);
        Pass(100);
        Assert.True(_heard.Count == 3 ? _heard[^1].Answer.Backend.IsNone : answer.Backend.IsNone);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    public void Silence_WhatRemainsHereOfTheShard_IsReadBeforeTheLastKnownGood(short next)
    {
        _region.GetOrAssign(77, [A], this, 1, out _);
        Reply(_owner, PeerStatus.Ok, A);
        Adopt(owner: 0, replica: 1);
        Assert.True(_region.Reassign(77, A, [B], this, 2, out _));

        // Given up and not handed over yet, or to be copied anew: in both cases the entries are still here.
        Adopt(owner: 1, replica: 2, next);
        Assert.False(_region.GetOrAssign(77, [A], this, 3, out _));
        Pass(100);
        Assert.Equal((3UL, new StickyAnswer(B, StickyOutcome.Fallback, false)), _heard[^1]);

        _owner.IsUp = false;
        _replica.IsUp = false;
        Assert.True(_region.GetOrAssign(77, [A], this, 4, out var answer));
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Fallback, false), answer);
        Assert.True(_region.Reassign(77, B, [A], this, 5, out answer));
        Assert.Equal(A, answer.Backend);
    }

    [Fact]
    public void Fallback_ReplicaKnowsNoSuchClient_TheLastKnownGoodIsNotAsked()
    {
        _region.GetOrAssign(77, [A, B], this, 1, out _);
        Reply(_owner, PeerStatus.Ok, B);
        _region.GetOrAssign(77, [A], this, 2, out _);
        Pass(35);
        Reply(_replica, PeerStatus.None, default);
        Assert.Single(_heard);
        Pass(65);
        Assert.Equal((2UL, new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false)), _heard[^1]);

        // Who has no complete copy says nothing of the client.
        _region.OnHeard(_owner, _epoch);
        _region.GetOrAssign(77, [A], this, 3, out _);
        Pass(35);
        Reply(_replica, PeerStatus.NotReady, default);
        Pass(65);
        Assert.Equal((3UL, new StickyAnswer(B, StickyOutcome.Fallback, false)), _heard[^1]);
    }

    [Fact]
    public void Replica_CompleteOrNot_TellsTheDifference_ToOthersAndToItself()
    {
        _region.GetOrAssign(77, [A], this, 1, out _);
        Reply(_owner, PeerStatus.Ok, A);
        Adopt(owner: 1, replica: 0);
        Assert.Equal(PeerStatus.NotReady, AskedByAnother());
        _region.GetOrAssign(77, [B], this, 2, out _);
        Pass(100);
        Assert.Equal(A, _heard[^1].Answer.Backend);

        var header = new PeerFrameHeader(PeerFrameType.Chunk, 0, 0, 0, _epoch);
        var frame = new byte[PeerChunk.MaxSize];
        var n = PeerChunk.Write(frame, header, _owner.Peer.Incarnation, 0, 0, 0, default);
        Assert.Equal(PeerFrameError.None, _region.OnFrame(_owner, header, frame.AsSpan(0, n)));
        Assert.Equal(PeerStatus.None, AskedByAnother());
        _region.GetOrAssign(77, [B], this, 3, out _);
        Pass(100);
        Assert.Equal((3UL, new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false)), _heard[^1]);
    }

    [Fact]
    public void Reassign_FallsBack_NeverToTheBackendThatIsLeft()
    {
        _region.GetOrAssign(77, [A, B], this, 1, out _);
        Reply(_owner, PeerStatus.Ok, B);
        _region.Reassign(77, B, [A], this, 2, out _);
        Pass(100);
        Assert.Equal(new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false), _heard[^1].Answer);

        _owner.IsUp = false;
        _replica.IsUp = false;
        Assert.True(_region.Reassign(77, B, [A], this, 3, out var answer));
        Assert.True(answer.Backend.IsNone);
        Assert.True(_region.Reassign(77, A, [B], this, 4, out answer));
        Assert.Equal(B, answer.Backend);
    }

    [Fact]
    public void TimeIsUp_LateClock_TheCopyHereIsReadFirst()
    {
        Adopt(owner: 0, replica: 1);
        Assert.True(_region.GetOrAssign(77, [B], this, 1, out _));
        Adopt(owner: 1, replica: 0);
        Assert.False(_region.GetOrAssign(77, [A], this, 2, out _));

        // A machine without time: the clock's first look comes when everything is over.
        _time.Advance(TimeSpan.FromMilliseconds(420));
        _region.Tick();
        Assert.Equal([(2UL, new StickyAnswer(B, StickyOutcome.Hedge, false))], _heard);
    }

    [Fact]
    public void TimeIsUp_LateClock_TheOwnerHereAnswers()
    {
        Adopt(owner: 1, replica: 0);
        _region.GetOrAssign(77, [A], this, 1, out _);
        Adopt(owner: 0, replica: 1);
        Assert.Empty(_heard);

        // The former owner's seal does not come; the clock is late for its end, too.
        _time.Advance(TimeSpan.FromMilliseconds(420));
        _region.Tick();
        Assert.Equal([(1UL, new StickyAnswer(A, StickyOutcome.Local, true))], _heard);
    }

    [Fact]
    public void LateClock_TimeInWhichThisNodeDidNotRun_IsNoSilenceOfTheOwner()
    {
        _region.Tick();
        _region.GetOrAssign(77, [A], this, 1, out _);
        _time.Advance(TimeSpan.FromMilliseconds(120));
        _region.Tick();
        Assert.Empty(_heard);
        Reply(_owner, PeerStatus.Ok, B);
        Assert.Equal([(1UL, new StickyAnswer(B, StickyOutcome.Remote, false))], _heard);

        // From then on it runs, and the owner is as silent as ever.
        _region.GetOrAssign(78, [A], this, 2, out _);
        _time.Advance(TimeSpan.FromMilliseconds(120));
        _region.Tick();
        Pass(90);
        Assert.Equal((2UL, StickyOutcome.Fallback), (_heard[^1].Ticket, _heard[^1].Answer.Outcome));
    }

    [Fact]
    public void StuckPool_TimeInWhichNoAnswerCouldBeRead_IsNoSilenceOfTheOwner()
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        _region.Tick();
        _region.GetOrAssign(77, [A], this, 1, out _);
        _region.Context.PoolOwesSince = _region.Context.Clock.Milliseconds;
        Pass(200);
        Assert.Empty(_heard);

        _region.Context.PoolOwesSince = 0;
        Pass(90);
        Assert.Equal(StickyOutcome.Fallback, Assert.Single(_heard).Answer.Outcome);

        // Stuck for ever: the client waits no longer than that.
        _region.GetOrAssign(78, [A], this, 2, out _);
        _region.Context.PoolOwesSince = _region.Context.Clock.Milliseconds;
        Pass(380);
        Assert.Single(_heard);
        Pass(30);
        Assert.Equal(2, _heard.Count);
    }

    [Fact]
    public void LateClock_AgainAndAgain_IsBounded()
    {
        _region.Tick();
        _region.GetOrAssign(77, [A], this, 1, out _);
        var waited = 0;
        for (; _heard.Count == 0 && waited < 2000; waited += 60)
        {
            _time.Advance(TimeSpan.FromMilliseconds(60));
            _region.Tick();
        }

        Assert.InRange(waited, 395, 455);
    }

    [Fact]
    public void FellBack_IsToldWithTheReason()
    {
        var notes = new List<FallbackNote>();
        _region.Context.FellBack = notes.Add;
        _region.GetOrAssign(77, [A], this, 1, out _);
        Pass(35);
        Reply(_replica, PeerStatus.None, default);
        Pass(65);
        _owner.IsUp = false;
        _replica.IsUp = false;
        _region.GetOrAssign(77, [A], this, 2, out _);

        Assert.Equal((95, 0), (notes[0].Waited, notes[0].Late));
        Assert.Equal("lb-2 connected, 1 calls under way", notes[0].Owner);
        Assert.Contains("lb-3 does not know the client", notes[0].Replica, StringComparison.Ordinal);
        Assert.Equal("lb-2 not connected", notes[1].Owner);
        Assert.Equal(2, notes.Count);
    }

    [Fact]
    public void EverybodyDown_FallsBackAtOnce()
    {
        _owner.IsUp = false;
        _replica.IsUp = false;

        Assert.True(_region.GetOrAssign(77, [A], this, 1, out var answer));
        Assert.Equal(StickyOutcome.Fallback, answer.Outcome);
    }

    [Fact]
    public void OwnerDown_ReplicaIsReadAtOnce()
    {
        _owner.IsUp = false;
        Assert.False(_region.GetOrAssign(77, [A], this, 1, out _));
        Assert.Equal(1, _replica.Sent);
        Reply(_replica, PeerStatus.Ok, A);

        Assert.Equal(StickyOutcome.Hedge, Assert.Single(_heard).Answer.Outcome);
    }

    [Fact]
    public void StaleEpoch_NewerTableIsAskedFor_AndTheCallTriedAgain()
    {
        _region.GetOrAssign(77, [A], this, 1, out _);
        var header = _owner.Header;
        Reply(_owner, PeerStatus.StaleEpoch, default, epoch: _epoch + (5UL << 12));
        Assert.Equal(PeerFrameType.TableRequest, _owner.Header.Type);
        Assert.Empty(_heard);

        Adopt(owner: 2, replica: 1);
        Assert.Equal(PeerFrameType.GetOrAssign, _replica.Header.Type);
        Assert.Equal((header.RequestId, _epoch), (_replica.Header.RequestId, _replica.Header.Epoch));
        Reply(_replica, PeerStatus.New, A);
        Assert.Equal(StickyOutcome.Remote, Assert.Single(_heard).Answer.Outcome);
    }

    [Fact]
    public void OwnerDown_ReplicaHasAnotherTable_TheCallWaitsForIt()
    {
        _owner.IsUp = false;
        Assert.False(_region.GetOrAssign(77, [A], this, 1, out _));
        Reply(_replica, PeerStatus.StaleEpoch, default, epoch: _epoch + (5UL << 12));
        Assert.Equal(PeerFrameType.TableRequest, _replica.Header.Type);
        Assert.Empty(_heard);

        // Asked again meanwhile: which of the two has the older table may change.
        Pass(5);
        Assert.Equal(PeerCallFlags.Hedge, _replica.Header.CallFlags);
        Adopt(owner: 2, replica: 0);
        Assert.Equal((PeerFrameType.GetOrAssign, _epoch), (_replica.Header.Type, _replica.Header.Epoch));
        Reply(_replica, PeerStatus.Ok, A);
        Assert.Equal(new StickyAnswer(A, StickyOutcome.Remote, false), Assert.Single(_heard).Answer);
    }

    [Fact]
    public void ReplicaMissed_AnotherTable_TheNewReplicaIsAsked()
    {
        _owner.IsUp = false;
        Adopt(owner: 1, replica: 0);
        Assert.True(_region.GetOrAssign(76, [A], this, 1, out var answer));
        Assert.Equal(StickyOutcome.Fallback, answer.Outcome);

        _owner.IsUp = true;
        Assert.False(_region.GetOrAssign(77, [A], this, 2, out _));
        Pass(35);
        _owner.IsUp = false;
        Adopt(owner: 1, replica: 2);
        Assert.Equal(PeerCallFlags.Hedge, _replica.Header.CallFlags);
        Reply(_replica, PeerStatus.Ok, B);
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Hedge, false), Assert.Single(_heard).Answer);
    }

    [Fact]
    public void PeerIsBehind_EveryNewTableIsSentAtOnce_TheSameNotAgain()
    {
        var old = _epoch;
        for (var i = 0; i < 3; i++)
        {
            Adopt(owner: 1, replica: 2);
            _region.OnHeard(_owner, old);
            Assert.Equal((PeerFrameType.Table, _epoch), (_owner.Header.Type, _owner.Header.Epoch));
            _region.GetOrAssign((ulong)i, [A], this, 1, out _);
            _region.OnHeard(_owner, old);
            Assert.Equal(PeerFrameType.GetOrAssign, _owner.Header.Type);
        }

        _time.Advance(TimeSpan.FromMilliseconds(100));
        _region.OnHeard(_owner, old);
        Assert.Equal(PeerFrameType.Table, _owner.Header.Type);
    }

    [Fact]
    public void Answer_InMaintenanceHere_OwnerIsAskedToMove()
    {
        _region.GetOrAssign(77, [B], this, 1, out _);
        _slots.Set(A, SlotState.Down);
        Reply(_owner, PeerStatus.Ok, A);
        Assert.Empty(_heard);
        PeerLookup.TryRead(_owner.Last, PeerFrameType.Reassign, out var move);
        Assert.Equal((PeerFrameType.Reassign, A.Value), (_owner.Header.Type, move.Expected));

        Reply(_owner, PeerStatus.New, B);
        Assert.Equal(B, Assert.Single(_heard).Answer.Backend);
    }

    [Fact]
    public void InFlight_PastTheBound_FallsBackAtOnce()
    {
        for (var i = 0u; i < PeerCalls.MaxInFlight; i++)
        {
            Assert.False(_region.GetOrAssign(i, [A], this, i, out _));
        }

        Assert.True(_region.GetOrAssign(99_999, [A], this, 0, out var answer));
        Assert.Equal(StickyOutcome.Fallback, answer.Outcome);
        Pass(100);
        Assert.Equal(PeerCalls.MaxInFlight, _heard.Count);
        Assert.Equal(0, _region.CallsInFlight);
    }

    [Fact]
    public void SilentOwner_After150Ms_IsAskedNoMore_UntilItSpeaks()
    {
        _region.GetOrAssign(1, [A], this, 1, out _);
        Pass(200);
        var sent = _owner.Sent;
        for (var i = 0u; i < 20; i++)
        {
            _region.GetOrAssign(i + 2, [A], this, i, out _);
        }

        Assert.InRange(_owner.Sent - sent, 0, 1);
        _region.OnHeard(_owner, _epoch);
        _region.GetOrAssign(50, [A], this, 50, out _);
        Assert.Equal(PeerFrameType.GetOrAssign, _owner.Header.Type);
        Assert.InRange(_owner.Sent - sent, 1, 2);
    }

    [Fact]
    public void AskAndAnswer_AllocateNothing()
    {
        var frame = new byte[PeerReply.FrameSize];
        BackendRef[] proposals = [A, B];
        long Run()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0u; i < 2000; i++)
            {
                _region.GetOrAssign(i * 7919, proposals, this, i, out _);
                var asked = _owner.Header;
                var header = new PeerFrameHeader(PeerFrameType.Reply, 0, asked.Shard, asked.RequestId, asked.Epoch);
                new PeerReply(PeerStatus.Ok, A.Value, 0).Write(frame, header);
                _region.OnFrame(_owner, header, frame);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Run();
        Run();
        Assert.Equal(0, Run());
        Assert.Equal(6000, _heard.Count);
    }

    /// <summary>Another node reads the copy here.</summary>
    private PeerStatus AskedByAnother()
    {
        Span<byte> frame = stackalloc byte[PeerLookup.MaxSize];
        var header = new PeerFrameHeader(PeerFrameType.GetOrAssign, (byte)PeerCallFlags.Hedge, 0, 1, _epoch);
        var n = PeerLookup.Write(frame, header, 77, 0, default);
        Assert.Equal(PeerFrameError.None, _region.OnFrame(_replica, header, frame[..n]));
        Assert.Equal(PeerFrameError.None, PeerReply.TryRead(_replica.Last, out var reply));
        return reply.Status;
    }

    private void Adopt(short owner, short replica, short next = -1)
    {
        _epoch = ShardMap.NextEpoch(_epoch, 1);
        var seats = Enumerable.Repeat(new ShardSeats(owner, replica, next), StickyHash.Shards);
        var map = new ShardMap(
            _epoch, [new MapNode(Self, "a:1"), new MapNode(_owner.Peer, "b:1"), new MapNode(_replica.Peer, "c:1")], [.. seats]);
        _region.Adopt(map, peer => peer.Id == _owner.Peer ? _owner : _replica);
    }

    private void Reply(TestLink from, PeerStatus status, BackendRef backend, ulong? epoch = null)
    {
        var asked = from.Header;
        var flags = (byte)(asked.CallFlags & PeerCallFlags.Hedge);
        var header = new PeerFrameHeader(PeerFrameType.Reply, flags, asked.Shard, asked.RequestId, epoch ?? asked.Epoch);
        var frame = new byte[PeerReply.FrameSize];
        new PeerReply(status, backend.Value, 0).Write(frame, header);
        Assert.Equal(PeerFrameError.None, _region.OnFrame(from, header, frame));
    }

    private void Pass(int milliseconds)
    {
        for (var passed = 0; passed < milliseconds; passed += 5)
        {
            _time.Advance(TimeSpan.FromMilliseconds(5));
            _region.Tick();
        }
    }

    private sealed class TestLink(PeerId peer) : IPeerLink
    {
        private readonly byte[] _frame = new byte[100_000];
        private int _length;

        public PeerId Peer => peer;

        public bool IsUp { get; set; } = true;

        public int Sent { get; private set; }

        public ReadOnlySpan<byte> Last => _frame.AsSpan(0, _length);

        public PeerFrameHeader Header
        {
            get
            {
                Assert.True(PeerFrameHeader.TryRead(Last, out var header) == PeerFrameError.None);
                return header;
            }
        }

        public bool Send(ReadOnlySpan<byte> frame, PeerLane lane)
        {
            frame.CopyTo(_frame);
            _length = frame.Length;
            Sent += IsUp && frame[4] == (byte)PeerFrameType.GetOrAssign ? 1 : 0;
            return IsUp;
        }
    }
}
