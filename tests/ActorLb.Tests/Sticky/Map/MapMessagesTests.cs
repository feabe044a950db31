using ActorLb.Sticky;
using ActorLb.Sticky.Map;

namespace ActorLb.Tests.Sticky.Map;

/// <summary>Messages that no correct node sends: counted, reported once a second, dropped.</summary>
public sealed class MapMessagesTests : AskingMap
{
    private const ulong Elsewhere = 1UL << 63;

    private readonly List<string> _rejected = [];

    public MapMessagesTests()
    {
        Map.Context.Rejected = (from, what) => _rejected.Add($"{from.Name} {what}");
        Time.Advance(TimeSpan.FromSeconds(2));
    }

    public static TheoryData<int> Crafted => [.. Enumerable.Range(0, 18)];

    [Theory]
    [MemberData(nameof(Crafted))]
    public void Crafted_IsDroppedAndCounted(int which)
    {
        Announce(Owner, Self);
        Map.BeginOpen(1);
        Time.Advance(TimeSpan.FromSeconds(3));
        Map.Tick();
        Sent.Clear();
        var entry = new MapEntry(Elsewhere, A.Value, 0, EntryFlags.None);
        MapEntry[] many = [.. Enumerable.Repeat(entry with { H = 77 }, MapLimits.MaxEntries + 1)];
        MapMessage message = which switch
        {
            0 => new LookupBatch(1, new LookupRequest[MapLimits.MaxBatch + 1]),
            1 => new LookupBatch(1, [new LookupRequest(1, LookupKind.GetOrAssign, 9, 77, Epoch, 0, default)]),
            2 => new LookupBatch(1, [new LookupRequest(1, 0, 0, 77, Epoch, 0, default)]),
            3 => new LookupAnswers(1, new LookupAnswer[MapLimits.MaxBatch + 1]),
            4 => new LookupAnswers(1, [new LookupAnswer(1, AnswerStatus.Found, false, 1024, A.Value, Epoch)]),
            5 => new Announcements([Owner], [new AnnouncedSeats(64, Epoch, 1, 0, -1, -1, SeatFlags.None)]),
            6 => new Announcements([Owner], [new AnnouncedSeats(0, Epoch, 1, 1, -1, -1, SeatFlags.None)]),
            7 => new Announcements([Owner], [new AnnouncedSeats(0, Epoch, 1, -1, -1, -1, SeatFlags.None)]),
            8 => new Announcements([Owner], new AnnouncedSeats[65]),
            9 => new Replicate(64, Epoch, 1, []),
            10 => new Replicate(0, 0, 1, []),
            11 => new Replicate(0, Epoch, 1, [new MapOp(LogOpKind.Put, entry)]),
            12 => new Replicate(0, Epoch, 1, [.. Enumerable.Repeat(new MapOp(LogOpKind.Put, entry with { H = 77 }), MapLimits.MaxOps + 1)]),
            13 => new Learn(1, Map.Shards[1].HeldEpoch, 16, 1, [entry]),
            14 => new Touch(1, Map.Shards[1].HeldEpoch, 15, []),
            15 => new Offer(1, Map.Shards[1].HeldEpoch, 16, 0, many),
            16 => new MapMessages([new MapMessages([])]),
            _ => new SnapshotChunk(0, Epoch, [new SnapshotPart(0, 0, 1, 0, [entry])], IsLast: true),
        };
        long entries = Map.Measure().Entries;
        Map.Receive(Owner, message);

        Assert.Equal(1, Map.Counters.Rejected);
        Assert.StartsWith("lb-2 ", Assert.Single(_rejected), StringComparison.Ordinal);
        Assert.Equal(entries, Map.Measure().Entries);
        Map.Receive(Owner, message);
        Assert.Equal(2, Map.Counters.Rejected);
        Assert.Single(_rejected);
    }

    [Fact]
    public void FromWhoIsNoMember_NothingIsEvenLookedAt()
    {
        Map.Receive(new MemberId("lb-2", 99), new LookupBatch(1, [new LookupRequest(1, LookupKind.Read, 0, 77, Epoch, 0, default)]));
        Map.Receive(new MemberId("lb-2", 99), new Announcements([Owner], [new AnnouncedSeats(99, 0, 0, 7, 7, 7, SeatFlags.None)]));
        Assert.Empty(Sent);
        Assert.Equal(0, Map.Counters.Rejected);
    }

    [Fact]
    public void StaleEpoch_ChangesNothing_AndTheSenderHearsOfTheNewer()
    {
        ulong old = Epoch;
        Map.BeginOpen(0);
        Time.Advance(TimeSpan.FromSeconds(3));
        Map.Tick();
        Sent.Clear();
        Map.Receive(Owner, new Learn(0, old, 0, 1, [new MapEntry(77, A.Value, 0, EntryFlags.FellBack)]));
        Assert.True(Map.Peek(77).IsNone);
        var told = Assert.IsType<Announcements>(Assert.Single(Sent, s => s.Message is Announcements).Message);
        Assert.Equal(Map.Shards[0].HeldEpoch, Assert.Single(told.Items).Epoch);
    }

    [Fact]
    public void Messages_TheLargest_FitTheBound()
    {
        var entries = new MapEntry[MapLimits.MaxEntries];
        MapMessage[] all =
        [
            new LookupBatch(1, new LookupRequest[MapLimits.MaxBatch]), new LookupAnswers(1, new LookupAnswer[MapLimits.MaxBatch]),
            new Replicate(1, 1, 1, new MapOp[MapLimits.MaxOps]), new Learn(1, 1, 1, 1, entries), new Touch(1, 1, 1, entries), new Offer(1, 1, 1, 1, entries),
            new SnapshotChunk(1, 1, [new SnapshotPart(1, 1, 1, 1, entries)], true), new Announcements(new MemberId[100], new AnnouncedSeats[1024]),
        ];
        Assert.All(all, m => Assert.InRange(m.Size, 1, MapLimits.MaxBytes));
    }
}
