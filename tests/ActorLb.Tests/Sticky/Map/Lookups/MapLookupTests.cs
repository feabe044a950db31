using ActorLb.Balancing;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;
using ActorLb.Sticky.Map.Lookups;
using ActorLb.Testing;

namespace ActorLb.Tests.Sticky.Map.Lookups;

/// <summary>What a node asks owner and replica of a shard, and how it uses their answers.</summary>
[Collection(AloneCollection.Name)]
public sealed class MapLookupTests : AskingMap
{
    [Fact]
    public void Ask_GoesToTheOwner_AnswerComesBack()
    {
        Assert.False(Map.GetOrAssign(77, [A, B], this, 5, out _));
        var asked = Assert.Single(LastBatch(Owner).Items);
        Assert.Equal((77UL, 2, A.Value, LookupKind.GetOrAssign, Epoch), (asked.H, asked.Count, asked.Proposals[0], asked.Kind, asked.Epoch));

        Reply(Owner, AnswerStatus.Assigned, B);
        Assert.Equal([(5UL, new StickyAnswer(B, StickyOutcome.Remote, true))], Heard);
        Reply(Owner, AnswerStatus.Assigned, B);
        Assert.Single(Heard);
        Assert.Equal(0, Map.CallsInFlight);
    }

    [Fact]
    public void Silence_Hedges_ThenFallsBack_WithinTheBound()
    {
        Map.GetOrAssign(77, [A, B], this, 5, out _);
        Pass(25);
        Assert.Equal(0, Asked(Replica));
        Pass(10);
        Assert.Equal(LookupKind.Read, LastBatch(Replica).Items[0].Kind);
        Reply(Replica, AnswerStatus.NotReady, default);
        Pass(55);
        Assert.Empty(Heard);
        Pass(10);
        Assert.Equal([(5UL, new StickyAnswer(BackendRef.None, StickyOutcome.Fallback, false))], Heard);
    }

    [Fact]
    public void Silence_ReplicaKnows_Hedge()
    {
        Map.GetOrAssign(77, [A, B], this, 5, out _);
        Pass(35);
        Reply(Replica, AnswerStatus.Found, B);
        Assert.Equal([(5UL, new StickyAnswer(B, StickyOutcome.Hedge, false))], Heard);
    }

    [Fact]
    public void OwnerUnreachable_ReplicaIsReadAtOnce_TheOwnerIsNotAsked()
    {
        Members(owner: false);
        Assert.False(Map.GetOrAssign(77, [A], this, 1, out _));
        Assert.Equal((0, 1), (Asked(Owner), Asked(Replica)));
        Reply(Replica, AnswerStatus.Found, A);
        Assert.Equal(StickyOutcome.Hedge, Assert.Single(Heard).Answer.Outcome);
    }

    [Fact]
    public void OwnerBecomesUnreachable_WhoWaitsForIt_ReadsTheReplicaAtOnce()
    {
        Map.GetOrAssign(77, [A], this, 1, out _);
        Members(owner: false);
        Reply(Replica, AnswerStatus.Found, A);
        Assert.Equal(StickyOutcome.Hedge, Assert.Single(Heard).Answer.Outcome);
    }

    [Fact]
    public void EverybodyUnreachable_FallsBackAtOnce()
    {
        Members(owner: false, replica: false);
        Assert.True(Map.GetOrAssign(77, [A], this, 1, out var answer));
        Assert.Equal(StickyOutcome.Fallback, answer.Outcome);
    }

    [Fact]
    public void NotHere_TheAnnouncementsAreAskedFor_ANewOwnerIsAskedThen()
    {
        Map.GetOrAssign(77, [A], this, 1, out _);
        Reply(Owner, AnswerStatus.NotHere, default);
        Assert.Equal(Owner, Assert.Single(Sent, s => s.Message is AnnouncementsRequest).To);
        Assert.Empty(Heard);

        Announce(Replica, Owner);
        var asked = Assert.Single(LastBatch(Replica).Items);
        Assert.Equal((LookupKind.GetOrAssign, Epoch), (asked.Kind, asked.Epoch));
        Reply(Replica, AnswerStatus.Assigned, A);
        Assert.Equal(StickyOutcome.Remote, Assert.Single(Heard).Answer.Outcome);
    }

    [Fact]
    public void ReplicaHasNotHeardOfTheOwner_IsAskedAgain()
    {
        Members(owner: false);
        Map.GetOrAssign(77, [A], this, 1, out _);
        Reply(Replica, AnswerStatus.NotHere, default);
        Assert.Empty(Heard);
        Pass(10);
        Assert.Equal(2, Asked(Replica));
        Reply(Replica, AnswerStatus.Found, B);
        Assert.Equal(new StickyAnswer(B, StickyOutcome.Hedge, false), Assert.Single(Heard).Answer);
    }

    [Fact]
    public void JustJoined_NobodyAnnouncedAnythingYet_TheLookupWaitsForIt()
    {
        Map.SetMembers(null);
        using var fresh = new ShardedMap(
            new MapSettings(64, TimeSpan.FromHours(1), 1000), new StickyHash(new byte[16]), Slots, new StickyClock(Time), this);
        fresh.SetMembers(new MapMembers(Self, [new MapMember(Self), new MapMember(Owner)]));
        Assert.Contains(Sent, s => s.To == Owner && s.Message is AnnouncementsRequest);
        Assert.False(fresh.GetOrAssign(77, [A], this, 1, out _));
        fresh.Receive(Owner, new Announcements([Owner], [new AnnouncedSeats(0, Epoch, 1, 0, -1, -1, SeatFlags.None)]));
        Assert.Equal(77UL, Assert.Single(LastBatch(Owner).Items).H);
    }

    [Fact]
    public void Answer_InMaintenanceHere_OwnerIsAskedToMove()
    {
        Map.GetOrAssign(77, [B], this, 1, out _);
        Slots.Set(A, AdminState.Down);
        Reply(Owner, AnswerStatus.Found, A);
        Assert.Empty(Heard);
        var move = Assert.Single(LastBatch(Owner).Items);
        Assert.Equal((LookupKind.Reassign, A.Value), (move.Kind, move.Expected));

        Reply(Owner, AnswerStatus.Assigned, B);
        Assert.Equal(B, Assert.Single(Heard).Answer.Backend);
    }

    [Fact]
    public void Batches_OneUnderWay_TheRestGathers_AndLeavesWithTheAnswer()
    {
        for (uint i = 0u; i < 300; i++)
        {
            Assert.False(Map.GetOrAssign(i << 20, [A], this, i, out _));
        }

        Assert.Single(Sent, s => s.Message is LookupBatch);
        Reply(Owner, AnswerStatus.Found, A);
        Assert.Equal(MapLimits.MaxBatch, LastBatch(Owner).Items.Length);
        var batch = LastBatch(Owner);
        Map.Receive(Owner, new LookupAnswers(batch.Number, [.. batch.Items.Select(a => new LookupAnswer(a.Id, AnswerStatus.Found, false, 0, A.Value, Epoch))]));
        Assert.Equal(300 - 1 - MapLimits.MaxBatch, LastBatch(Owner).Items.Length);
        Assert.Equal(1 + MapLimits.MaxBatch, Heard.Count);
    }

    [Fact]
    public void Batches_NoAnswer_TheNextLeavesAllTheSame_WithoutThoseGivenUp()
    {
        Map.GetOrAssign(1, [A], this, 1, out _);
        Map.GetOrAssign(2, [A], this, 2, out _);
        Pass(20);
        Assert.Equal(1, Asked(Owner));
        Pass(10);
        Assert.Equal(2, Asked(Owner));
        Map.GetOrAssign(3, [A], this, 3, out _);
        Map.Receive(Owner, new LookupAnswers(99, [new LookupAnswer(LastBatch(Owner).Items[0].Id, AnswerStatus.Found, false, 0, A.Value, Epoch)]));
        Pass(20);
        Assert.Equal(3UL, LastBatch(Owner).Items.Single().H);
    }

    [Fact]
    public void InFlight_PastTheBound_FallsBackAtOnce()
    {
        for (uint i = 0u; i < MemberLookups.MaxInFlight; i++)
        {
            Assert.False(Map.GetOrAssign(i, [A], this, i, out _));
        }

        Assert.True(Map.GetOrAssign(99_999, [A], this, 0, out var answer));
        Assert.Equal(StickyOutcome.Fallback, answer.Outcome);
        Pass(100);
        Assert.Equal(MemberLookups.MaxInFlight, Heard.Count);
        Assert.Equal(0, Map.CallsInFlight);
    }

    [Fact]
    public void SilentOwner_After150Ms_IsAskedNoMore_UntilItSpeaks()
    {
        Map.GetOrAssign(1, [A], this, 1, out _);
        Pass(200);
        int asked = Asked(Owner);
        for (uint i = 0u; i < 20; i++)
        {
            Map.GetOrAssign(i + 2, [A], this, i, out _);
        }

        Assert.InRange(Asked(Owner) - asked, 0, 1);
        Map.Receive(Owner, new AnnouncementsRequest());
        asked = Asked(Owner);
        Map.GetOrAssign(50, [A], this, 50, out _);
        Pass(30);

        // Waiting calls keep asking it.
        Assert.InRange(Asked(Owner) - asked, 1, 21);
    }

    [Fact]
    public void LocalLookup_AllocatesNothing()
    {
        using var map = new ActorLb.Standalone.LocalStickyMap(new byte[16], TimeSpan.FromHours(1), 100_000, Slots, Time);
        BackendRef[] proposals = [A, B];
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (uint i = 0u; i < 2000; i++)
            {
                map.GetOrAssign(i * 0x9E3779B97F4A7C15UL, proposals, this, i, out _);
            }
        }));
    }

    [Fact]
    public void AskAndAnswer_SixtyFourABatch_AllocateLittle()
    {
        BackendRef[] proposals = [A, B];
        using var owner = new LocalOwner(this, Slots, Time);
        long Run()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int round = 0; round < 100; round++)
            {
                for (uint i = 0u; i < 64; i++)
                {
                    Map.GetOrAssign((i * 0x9E3779B97F4A7C15UL) + (ulong)round, proposals, this, i, out _);
                }

                // The first lookup is sent alone, the others in one batch.
                for (int batch = 0; batch < 2; batch++)
                {
                    owner.Map.Receive(Self, LastBatch(Owner));
                    Map.Receive(Owner, owner.Answers!);
                }
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Run();
        Sent.Clear();
        long bytes = Run() / 6400;
        Assert.Equal(12_800, Heard.Count);
        Assert.All(Heard, h => Assert.Equal(StickyOutcome.Remote, h.Answer.Outcome));
        Assert.InRange(bytes, 1, 150);
    }

    private sealed class LocalOwner : IMapTransport, IDisposable
    {
        public LocalOwner(AskingMap asker, BackendSlots slots, TimeProvider time)
        {
            _ = asker;
            Map = new ShardedMap(new MapSettings(64, TimeSpan.FromHours(1), 1_000_000), new StickyHash(new byte[16]), slots, new StickyClock(time), this);
            Map.SetMembers(new MapMembers(Owner, [new MapMember(Owner)]));
            for (int shard = 0; shard < 64; shard++)
            {
                // Above the epoch that the asker knows.
                Map.Shards[shard].Highest = 1UL << 40;
                Map.BeginOpen(shard);
            }

            Map.SetMembers(new MapMembers(Owner, [new MapMember(Owner), new MapMember(Self)]));
        }

        public ShardedMap Map { get; }

        public LookupAnswers? Answers { get; private set; }

        public void Send(MemberId to, MapMessage message) => Answers = message as LookupAnswers ?? Answers;

        public void Dispose() => Map.Dispose();
    }
}
