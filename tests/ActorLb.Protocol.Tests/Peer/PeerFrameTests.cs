using ActorLb.Protocol.Peer;

namespace ActorLb.Protocol.Tests.Peer;

public sealed class PeerFrameTests
{
    private static readonly PeerEntry[] Entries =
        [new(0x1122334455667788, 0x00020003, 500), new(1, 0xFFFF0001, PeerEntry.AgeOf(1230, marked: true))];

    [Fact]
    public void Numbers_AreFrozen()
    {
        string[] types =
        [
            "Hello", "Proof", "Refuse", "GetOrAssign", "Reply", "Reassign", "Touch", "Learn", "Replicate", "Ack", "SnapshotRequest",
            "Chunk", "Seal", "Digest", "Counts", "Health", "TableRequest", "Table", "Ready",
        ];
        Assert.Equal(types, Enumerable.Range(1, types.Length).Select(i => ((PeerFrameType)i).ToString()));
        Assert.Equal(types.Length, Enum.GetValues<PeerFrameType>().Length);
        string[] statuses = ["Ok", "New", "WrongOwner", "NotReady", "Overload", "StaleEpoch", "None"];
        Assert.Equal(statuses, Enumerable.Range(1, statuses.Length).Select(i => ((PeerStatus)i).ToString()));
        Assert.Equal(statuses.Length, Enum.GetValues<PeerStatus>().Length);
        string[] refusals = ["Version", "Cluster", "Proof", "HashKey", "SameName", "Malformed"];
        Assert.Equal(refusals, Enumerable.Range(1, refusals.Length).Select(i => ((PeerRefusal)i).ToString()));
        Assert.Equal(
            (1, 2, 4, 8, 16),
            ((int)PeerCallFlags.Create, (int)PeerCallFlags.Touch, (int)PeerCallFlags.Hedge, (int)PeerCallFlags.Force,
                (int)PeerCallFlags.Remove));
        Assert.Equal(1, PeerHello.CurrentVersion);
    }

    [Fact]
    public void GetOrAssign_Bytes_AreFrozen()
    {
        var frame = new byte[PeerLookup.MaxSize];
        var header = new PeerFrameHeader(PeerFrameType.GetOrAssign, 3, 0x0ABC, 0x01020304, 0x1112131415161718);

        var n = PeerLookup.Write(frame, header, 0xA1A2A3A4A5A6A7A8, 0, [0x00050006]);

        Assert.Equal(
            "21000000" + "04" + "03" + "BC0A" + "04030201" + "1817161514131211" + "A8A7A6A5A4A3A2A1" + "01" + "05000600",
            Convert.ToHexString(frame.AsSpan(0, n)));
    }

    [Fact]
    public void Hello_RoundTrip()
    {
        var hello = new PeerHello(1, "production", "lb-ä", 42, "10.0.0.1:7946", new byte[16], new byte[32], 7, 1);
        var frame = new byte[PeerHello.MaxSize];
        var n = hello.Write(frame);

        Assert.Equal(PeerFrameError.None, PeerHello.TryRead(frame.AsSpan(0, n), out var read, out var version));
        Assert.Equal(1, version);
        Assert.Equal(hello with { Nonce = read!.Nonce, Proof = read.Proof }, read);
        Assert.Equal((16, 32), (read.Nonce.Length, read.Proof.Length));
    }

    [Fact]
    public void Hello_OtherVersion_NamesIt()
    {
        var frame = new byte[PeerHello.MaxSize];
        var n = new PeerHello(9, "c", "n", 1, "a:1", new byte[16], [], 0, 0).Write(frame);

        Assert.Equal(PeerFrameError.VersionUnknown, PeerHello.TryRead(frame.AsSpan(0, n), out _, out var version));
        Assert.Equal(9, version);
    }

    [Fact]
    public void Hello_BadText_IsRefused()
    {
        var frame = new byte[PeerHello.MaxSize];
        var n = new PeerHello(1, "cc", "n", 1, "a:1", new byte[16], [], 0, 0).Write(frame);
        frame[PeerFrameHeader.Size + 3] = 0xFF;

        Assert.Equal(PeerFrameError.TextInvalid, PeerHello.TryRead(frame.AsSpan(0, n), out _, out _));
    }

    [Fact]
    public void Calls_RoundTrip()
    {
        var frame = new byte[PeerLookup.MaxSize];
        var header = new PeerFrameHeader(PeerFrameType.Reassign, 1, 7, 8, 9);
        var n = PeerLookup.Write(frame, header, 10, 0x000B000C, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        Assert.Equal(PeerFrameError.None, PeerFrameHeader.TryRead(frame.AsSpan(0, n), out var readHeader));
        Assert.Equal(header, readHeader);
        Assert.Equal(PeerFrameError.None, PeerLookup.TryRead(frame.AsSpan(0, n), header.Type, out var lookup));
        Assert.Equal((10UL, 0x000B000Cu, 8, 8u), (lookup.H, lookup.Expected, lookup.Count, lookup[7]));

        var reply = new PeerReply(PeerStatus.New, 0x000D000E, 99);
        n = reply.Write(frame, new PeerFrameHeader(PeerFrameType.Reply, 0, 7, 8, 9));
        Assert.Equal(PeerReply.FrameSize, n);
        Assert.Equal(PeerFrameError.None, PeerReply.TryRead(frame.AsSpan(0, n), out var readReply));
        Assert.Equal(reply, readReply);
    }

    [Fact]
    public void Entries_RoundTrip()
    {
        var frame = new byte[PeerChunk.MaxSize];
        var n = PeerEntries.Write(frame, new PeerFrameHeader(PeerFrameType.Learn, 0, 0, 1, 2), Entries);
        Assert.Equal(PeerEntries.SizeOf(2), n);
        Assert.Equal(PeerFrameError.None, PeerEntries.TryRead(frame.AsSpan(0, n), out var entries));
        Assert.Equal((Entries[0], Entries[1]), (entries[0], entries[1]));
        Assert.Equal((1230L, true), (entries[1].AgeMilliseconds, entries[1].IsMarked));

        var ops = new PeerOp[] { new(PeerOp.Put, Entries[0]), new(PeerOp.Remove, Entries[1]) };
        n = PeerReplicate.Write(frame, new PeerFrameHeader(PeerFrameType.Replicate, 0, 3, 0, 2), 77, 1001, ops);
        Assert.Equal(PeerReplicate.SizeOf(2), n);
        Assert.Equal(PeerFrameError.None, PeerReplicate.TryRead(frame.AsSpan(0, n), out var replicate));
        Assert.Equal((77UL, 1001UL, 2), (replicate.Owner, replicate.First, replicate.Count));
        Assert.Equal((ops[0], ops[1]), (replicate[0], replicate[1]));

        n = PeerChunk.Write(frame, new PeerFrameHeader(PeerFrameType.Chunk, 0, 3, 0, 2), 77, 1001, 5, 3, Entries);
        Assert.Equal(PeerFrameError.None, PeerChunk.TryRead(frame.AsSpan(0, n), out var chunk));
        Assert.Equal((77UL, 1001UL, 5u, 3u, 2), (chunk.Owner, chunk.Sequence, chunk.Total, chunk.Offset, chunk.Count));
        Assert.Equal(Entries[1], chunk[1]);
    }

    [Fact]
    public void Marks_RoundTrip()
    {
        var frame = new byte[2000];
        var n = new PeerMark(5, 6).Write(frame, new PeerFrameHeader(PeerFrameType.Ack, 0, 3, 0, 2));
        Assert.Equal(PeerFrameError.None, PeerMark.TryRead(frame.AsSpan(0, n), out var mark));
        Assert.Equal(new PeerMark(5, 6), mark);

        var lanes = Enumerable.Range(0, 16).Select(i => (ulong)i << 40).ToArray();
        n = PeerDigest.Write(frame, new PeerFrameHeader(PeerFrameType.Digest, 0, 3, 0, 2), 5, 6, 7, lanes);
        Assert.Equal(PeerFrameError.None, PeerDigest.TryRead(frame.AsSpan(0, n), out var digest));
        Assert.Equal((5UL, 6UL, 7u, lanes[15]), (digest.Owner, digest.Sequence, digest.Count, digest[15]));

        var ready = Enumerable.Range(0, 21).Select(i => i % 3 == 0).ToArray();
        n = PeerReady.Write(frame, new PeerFrameHeader(PeerFrameType.Ready, 0, 0, 0, 2), ready);
        Assert.Equal(PeerReady.SizeOf(21), n);
        Assert.Equal(PeerFrameError.None, PeerReady.TryRead(frame.AsSpan(0, n), out var readReady));
        for (var i = 0; i < 30; i++)
        {
            Assert.Equal(i < 21 && i % 3 == 0, readReady[i]);
        }

        n = PeerReports.Write(frame, new PeerFrameHeader(PeerFrameType.Counts, 0, 0, 0, 2), 5, 6, [new(1, 2), new(3, 4)]);
        Assert.Equal(PeerReports.SizeOf(2), n);
        Assert.Equal(PeerFrameError.None, PeerReports.TryRead(frame.AsSpan(0, n), out var reports));
        Assert.Equal((5UL, 6u, 2, new PeerReport(3, 4)), (reports.Incarnation, reports.Version, reports.Count, reports[1]));
    }

    [Fact]
    public void PeekLength_Stream_WaitsThenTells()
    {
        Assert.Equal(0, PeerFrameHeader.PeekLength([33, 0, 0], out var error));
        Assert.Equal(PeerFrameError.None, error);
        Assert.Equal(33, PeerFrameHeader.PeekLength([33, 0, 0, 0], out _));
        PeerFrameHeader.PeekLength([19, 0, 0, 0], out error);
        Assert.Equal(PeerFrameError.LengthTooSmall, error);
        PeerFrameHeader.PeekLength([1, 0, 16, 0], out error);
        Assert.Equal(PeerFrameError.LengthTooLarge, error);
        PeerFrameHeader.PeekLength("GET / HTTP/1.1"u8, out error);
        Assert.Equal(PeerFrameError.LengthTooLarge, error);
    }

    [Theory]
    [InlineData("140000000400000000000000000000000000000000", PeerFrameError.LengthMismatch)]
    [InlineData("1400000000000000000000000000000000000000", PeerFrameError.UnknownType)]
    [InlineData("1400000014000000000000000000000000000000", PeerFrameError.UnknownType)]
    [InlineData("14000000FF000000000000000000000000000000", PeerFrameError.UnknownType)]
    [InlineData("140000", PeerFrameError.HeaderTooShort)]
    public void Header_Malformed_IsNamed(string hex, PeerFrameError expected)
    {
        Assert.Equal(expected, PeerFrameHeader.TryRead(Convert.FromHexString(hex), out _));
        Assert.DoesNotContain("unknown error", PeerFrameErrors.Describe(expected), StringComparison.Ordinal);
    }

    [Fact]
    public void Body_TruncatedOrLonger_IsRefused_EveryLength()
    {
        foreach (var frame in Samples())
        {
            for (var n = PeerFrameHeader.Size; n < frame.Length; n++)
            {
                Assert.NotEqual(PeerFrameError.None, Read(frame.AsSpan(0, n)));
            }

            Assert.Equal(PeerFrameError.None, Read(frame));
            Assert.Equal(PeerFrameError.BodyTooLong, Read([.. frame, 0]));
        }
    }

    [Fact]
    public void Body_Fuzzed_NeverThrows()
    {
        var random = new Random(11);
        var samples = Samples();
        for (var i = 0; i < 200_000; i++)
        {
            var frame = samples[random.Next(samples.Count)].ToArray();
            for (var flips = random.Next(1, 6); flips > 0; flips--)
            {
                frame[random.Next(PeerFrameHeader.Size, frame.Length)] = (byte)random.Next(256);
            }

            Read(frame.AsSpan(0, random.Next(PeerFrameHeader.Size, frame.Length + 1)));
        }
    }

    [Fact]
    public void Body_WrongNumbers_AreNamed()
    {
        var frame = new byte[PeerChunk.MaxSize];
        var n = new PeerReply((PeerStatus)8, 0, 0).Write(frame, new PeerFrameHeader(PeerFrameType.Reply, 0, 0, 0, 0));
        Assert.Equal(PeerFrameError.StatusUnknown, PeerReply.TryRead(frame.AsSpan(0, n), out _));

        n = PeerReplicate.Write(frame, new PeerFrameHeader(PeerFrameType.Replicate, 0, 0, 0, 0), 1, 1, [new PeerOp(3, Entries[0])]);
        Assert.Equal(PeerFrameError.OperationUnknown, PeerReplicate.TryRead(frame.AsSpan(0, n), out _));

        n = PeerChunk.Write(frame, new PeerFrameHeader(PeerFrameType.Chunk, 0, 0, 0, 0), 1, 1, 1, 0, Entries);
        Assert.Equal(PeerFrameError.CountTooLarge, PeerChunk.TryRead(frame.AsSpan(0, n), out _));

        n = PeerLookup.Write(frame, new PeerFrameHeader(PeerFrameType.GetOrAssign, 0, 0, 0, 0), 1, 0, [1]);
        frame[PeerFrameHeader.Size + 8] = 9;
        Assert.Equal(PeerFrameError.CountTooLarge, PeerLookup.TryRead(frame.AsSpan(0, n), PeerFrameType.GetOrAssign, out _));
    }

    private static List<byte[]> Samples()
    {
        var frame = new byte[PeerChunk.MaxSize];
        var samples = new List<byte[]>();
        PeerFrameHeader Header(PeerFrameType type) => new(type, 0, 1, 2, 3);
        void Add(int n) => samples.Add(frame.AsSpan(0, n).ToArray());
        Add(new PeerHello(1, "c", "n", 1, "a:1", new byte[16], new byte[32], 2, 0).Write(frame));
        Add(PeerProof.Write(frame, new byte[32]));
        Add(PeerRefuse.Write(frame, PeerRefusal.Proof, "no"));
        Add(PeerLookup.Write(frame, Header(PeerFrameType.GetOrAssign), 1, 0, [1, 2]));
        Add(PeerLookup.Write(frame, Header(PeerFrameType.Reassign), 1, 5, [1, 2]));
        Add(new PeerReply(PeerStatus.Ok, 1, 2).Write(frame, Header(PeerFrameType.Reply)));
        Add(PeerEntries.Write(frame, Header(PeerFrameType.Touch), Entries));
        Add(PeerReplicate.Write(frame, Header(PeerFrameType.Replicate), 1, 2, [new PeerOp(1, Entries[0])]));
        Add(PeerChunk.Write(frame, Header(PeerFrameType.Chunk), 1, 2, 9, 3, Entries));
        Add(new PeerMark(1, 2).Write(frame, Header(PeerFrameType.Seal)));
        Add(PeerDigest.Write(frame, Header(PeerFrameType.Digest), 1, 2, 3, new ulong[16]));
        Add(PeerReady.Write(frame, Header(PeerFrameType.Ready), new bool[9]));
        Add(PeerReports.Write(frame, Header(PeerFrameType.Health), 1, 2, [new(3, 1)]));
        return samples;
    }

    private static PeerFrameError Read(ReadOnlySpan<byte> frame) => (PeerFrameType)frame[4] switch
    {
        PeerFrameType.Hello => PeerHello.TryRead(frame, out _, out _),
        PeerFrameType.Proof => PeerProof.TryRead(frame, out _),
        PeerFrameType.Refuse => PeerRefuse.TryRead(frame, out _, out _),
        PeerFrameType.GetOrAssign => PeerLookup.TryRead(frame, PeerFrameType.GetOrAssign, out _),
        PeerFrameType.Reassign => PeerLookup.TryRead(frame, PeerFrameType.Reassign, out _),
        PeerFrameType.Reply => PeerReply.TryRead(frame, out _),
        PeerFrameType.Touch => PeerEntries.TryRead(frame, out _),
        PeerFrameType.Replicate => PeerReplicate.TryRead(frame, out _),
        PeerFrameType.Chunk => PeerChunk.TryRead(frame, out _),
        PeerFrameType.Seal => PeerMark.TryRead(frame, out _),
        PeerFrameType.Digest => PeerDigest.TryRead(frame, out _),
        PeerFrameType.Ready => PeerReady.TryRead(frame, out _),
        PeerFrameType.Health => PeerReports.TryRead(frame, out _),
        var type => throw new InvalidOperationException(type.ToString()),
    };
}
