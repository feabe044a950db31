using System.Runtime.Serialization;
using System.Text.Json;
using ActorLb.Fleet.Sharding;
using ActorLb.Sticky;
using ActorLb.Sticky.Map;

namespace ActorLb.Tests.Fleet.Sharding;

/// <summary>The map's messages as bytes: pinned, bounded, and never larger than announced.</summary>
public sealed class MapWireTests
{
    private static readonly MapEntry[] Entries = [new(0x1122334455667788, 0x00010002, 1000, EntryFlags.Refreshed), new(2, 3, 4, EntryFlags.FellBack)];

    public static readonly TheoryData<int> Kinds = [.. Enumerable.Range(1, Samples().Length)];

    /// <summary>One message of each kind; the index plus one is the kind's permanent number.</summary>
    private static MapMessage[] Samples()
    {
        LookupProposals proposals = default;
        proposals[0] = 7;
        proposals[1] = 8;
        return
        [
            new LookupBatch(5, [new LookupRequest(1, LookupKind.Reassign, 2, 99, 12, 6, proposals), new LookupRequest(2, LookupKind.Read, 0, 98, 12, 0, default)]),
            new LookupAnswers(5, [new LookupAnswer(1, AnswerStatus.Assigned, IsRead: true, 1023, 7, 12)]),
            new Replicate(1, 2, 3, [new MapOp(LogOpKind.Put, Entries[0]), new MapOp(LogOpKind.Remove, Entries[1])]),
            new CopyHint(1, 2, 3, IsStreaming: true),
            new ReplicateAck(1, 2, 3, Resend: true, IsComplete: false),
            new SnapshotRequest(1, 2, 3, Follow: true),
            new SnapshotChunk(1, 2, [new SnapshotPart(3, 4, 5, 6, Entries), new SnapshotPart(4, 5, 0, 0, [])], IsLast: true),
            new Seal(1, 2, 3),
            new SealAck(1, 2, 3),
            new Digest(1, 2, 3, 4, 5, 6),
            new CopyQuery(1, 2),
            new CopyAnswer(1, 2, 3, 4, IsServing: false, IsOffered: true),
            new Learn(1, 2, 3, 4, Entries),
            new LearnAck(1, 2, 3, 4),
            new Touch(1, 2, 3, Entries),
            new Offer(1, 2, 3, 4, Entries),
            new OfferAck(1, 2, 3, 4),
            new Announcements(
                [new MemberId("lb-1", 10), new MemberId("lb-2", 11)], [new AnnouncedSeats(1, 2, 3, 0, 1, -1, SeatFlags.ReplicaIsComplete)]),
            new AnnouncementsRequest(),
            new MapMessages([new Seal(1, 2, 3), new CopyQuery(4, 5)]),
        ];
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Message_Written_IsReadTheSame(int kind)
    {
        var sample = Samples()[kind - 1];
        var serializer = new MapSerializer(null!);
        var envelope = new MapEnvelope(0xABCDEF, sample);

        Assert.Equal(kind.ToString(), serializer.Manifest(envelope));
        byte[] bytes = serializer.ToBinary(envelope);
        var read = (MapEnvelope)serializer.FromBinary(bytes, kind.ToString());

        Assert.Equal(0xABCDEFUL, read.Incarnation);
        Assert.Equal(Describe(sample), Describe(read.Message));
        // The estimate is sufficient, so no buffer is copied to grow.
        Assert.InRange(bytes.Length, sizeof(ulong), sizeof(ulong) + MapWire.SizeOf(sample));
        if (kind <= 2) Assert.Equal(sizeof(ulong) + MapWire.SizeOf(sample), bytes.Length);
    }

    /// <summary>The last release sends these bytes, which must keep their meaning.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Message_AsRecorded_StillMeansTheSame(int kind)
    {
        var serializer = new MapSerializer(null!);
        Assert.Equal(Recorded[kind - 1], Convert.ToHexString(serializer.ToBinary(new MapEnvelope(1, Samples()[kind - 1]))));

        var read = (MapEnvelope)serializer.FromBinary(Convert.FromHexString(Recorded[kind - 1]), kind.ToString());
        Assert.Equal(Describe(Samples()[kind - 1]), Describe(read.Message));
    }

    [Fact]
    public void Messages_OfTheMap_AllHaveAKind()
    {
        var known = Samples().Select(m => m.GetType()).ToHashSet();
        var all = typeof(MapMessage).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(MapMessage)) && !t.IsAbstract);

        Assert.Equal(all.Select(t => t.Name).Order(), known.Select(t => t.Name).Order());
        Assert.Equal(Enumerable.Range(1, known.Count), Samples().Select(m => (int)MapWire.KindOf(m)));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Message_CutAnywhere_IsRefused(int kind)
    {
        var serializer = new MapSerializer(null!);
        byte[] whole = serializer.ToBinary(new MapEnvelope(1, Samples()[kind - 1]));
        for (int length = 0; length < whole.Length; length++)
        {
            byte[] part = whole[..length];
            Assert.Throws<SerializationException>(() => serializer.FromBinary(part, kind.ToString()));
        }
    }

    [Fact]
    public void Message_OfRandomBytes_IsRefusedOrReadWithinBounds()
    {
        var serializer = new MapSerializer(null!);
        var random = new Random(1);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                serializer.FromBinary(bytes, random.Next(21).ToString());
            }
            catch (SerializationException)
            {
                // Most inputs are malformed.
            }
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 40_000);
        }
    }

    [Fact]
    public void Messages_WithinMessagesWithinMessages_AreRefused()
    {
        var serializer = new MapSerializer(null!);
        byte[] bytes = serializer.ToBinary(new MapEnvelope(1, new MapMessages([new MapMessages([])])));

        Assert.Throws<SerializationException>(() => serializer.FromBinary(bytes, "20"));
    }

    [Fact]
    public void Messages_WithOneOfALaterRelease_GiveTheOthers()
    {
        var serializer = new MapSerializer(null!);
        byte[] bytes = serializer.ToBinary(new MapEnvelope(1, new MapMessages([new Seal(1, 2, 3), new CopyQuery(4, 5)])));
        bytes[10] = 31;

        Assert.Equal([new CopyQuery(4, 5)], ((MapMessages)((MapEnvelope)serializer.FromBinary(bytes, "20")).Message).Items);
    }

    [Theory]
    [InlineData("21")]
    [InlineData("31")]
    [InlineData("x")]
    [InlineData("")]
    public void Manifest_Unknown_IsRefused(string manifest) =>
        Assert.Throws<SerializationException>(() => new MapSerializer(null!).FromBinary(new byte[64], manifest));

    [Fact]
    public void OpenShard_Written_IsReadTheSame()
    {
        var serializer = new MapSerializer(null!);
        Assert.Equal(new OpenShard(1000), serializer.FromBinary(serializer.ToBinary(new OpenShard(1000)), serializer.Manifest(new OpenShard(1000))));
    }

    /// <summary>A description that includes the content of arrays.</summary>
    private static string Describe(MapMessage message) => message switch
    {
        LookupBatch batch => $"{batch.Number}: " + string.Join(
            ";", batch.Items.Select(i => $"{i.Id} {i.Kind} {i.H} {i.Epoch} {i.Expected} {string.Join(",", Proposals(i))}")),
        MapMessages many => string.Join("|", many.Items.Select(Describe)),
        _ => message.GetType().Name + JsonSerializer.Serialize(message, message.GetType()),
    };

    private static IEnumerable<uint> Proposals(LookupRequest request)
    {
        for (int i = 0; i < request.Count; i++) yield return request.Proposals[i];
    }

    private static readonly string[] Recorded =
    [
        "010000000000000005000000000000000200920100000063000000000000000C0000000000000006000000070000000800000005020000"
            + "0062000000000000000C00000000000000",
        "0100000000000000050000000000000001008201000000FF03070000000C00000000000000",
        "0100000000000000010002000000000000000300000000000000020001887766554433221102000100E803000001020200000000000000"
            + "030000000400000002",
        "010000000000000001000200000000000000030000000000000001",
        "010000000000000001000200000000000000030000000000000001",
        "010000000000000001000200000000000000030001",
        "0100000000000000010002000000000000000102000300040000000000000005000000060000000200887766554433221102000100E803"
            + "00000102000000000000000300000004000000020400050000000000000000000000000000000000",
        "0100000000000000010002000000000000000300000000000000",
        "0100000000000000010002000000000000000300000000000000",
        "01000000000000000100020000000000000003000400000000000000050000000600000000000000",
        "010000000000000001000200000000000000",
        "0100000000000000010002000000000000000300000000000000040000000000000002",
        "0100000000000000010002000000000000000300040000000200887766554433221102000100E803000001020000000000000003000000"
            + "0400000002",
        "010000000000000001000200000000000000030004000000",
        "01000000000000000100020000000000000003000200887766554433221102000100E80300000102000000000000000300000004000000"
            + "02",
        "0100000000000000010002000000000000000300040000000200887766554433221102000100E803000001020000000000000003000000"
            + "0400000002",
        "010000000000000001000200000000000000030004000000",
        "0100000000000000020004006C622D310A0000000000000004006C622D320B000000000000000100010002000000000000000300000000"
            + "000100FFFF01",
        "0100000000000000",
        "0100000000000000020008120000000100020000000000000003000000000000000B0A00000004000500000000000000",
    ];
}
