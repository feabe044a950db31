using System.Buffers.Binary;

namespace ActorLb.Protocol.Peer;

/// <summary>
/// GetOrAssign: <c>h u64 | n u8 | n x backend</c>; Reassign has <c>expected backend</c> behind h. Backends are values of
/// <c>slot &lt;&lt; 16 | gen</c> in memory, <c>slot u16 | gen u16</c> on the wire.
/// </summary>
public readonly ref struct PeerLookup
{
    public const int MaxProposals = 8;
    public const int MaxSize = PeerFrameHeader.Size + 8 + 4 + 1 + (MaxProposals * 4);

    private readonly ReadOnlySpan<byte> _proposals;

    private PeerLookup(ulong h, uint expected, ReadOnlySpan<byte> proposals)
    {
        H = h;
        Expected = expected;
        _proposals = proposals;
    }

    public ulong H { get; }

    /// <summary>Of a Reassign; 0 in a GetOrAssign.</summary>
    public uint Expected { get; }

    public int Count => _proposals.Length / 4;

    public uint this[int index] =>
        ((uint)BinaryPrimitives.ReadUInt16LittleEndian(_proposals[(4 * index)..]) << 16)
        | BinaryPrimitives.ReadUInt16LittleEndian(_proposals[((4 * index) + 2)..]);

    public static int Write(Span<byte> into, in PeerFrameHeader header, ulong h, uint expected, ReadOnlySpan<uint> proposals)
    {
        var w = new BodyWriter(into);
        w.U64(h);
        if (header.Type == PeerFrameType.Reassign)
        {
            w.Backend(expected);
        }

        var n = Math.Min(proposals.Length, MaxProposals);
        w.U8((byte)n);
        for (var i = 0; i < n; i++)
        {
            w.Backend(proposals[i]);
        }

        return w.Finish(header);
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, PeerFrameType type, out PeerLookup lookup)
    {
        var r = BodyReader.Of(frame);
        var h = r.U64();
        var expected = type == PeerFrameType.Reassign ? r.Backend() : 0;
        var proposals = r.Items(r.U8(), 4, MaxProposals);
        lookup = new PeerLookup(h, expected, proposals);
        return r.Finish();
    }
}

/// <summary>Reply: <c>status u8 | backend | age u32</c>; request id and epoch stand in the header.</summary>
public readonly record struct PeerReply(PeerStatus Status, uint Backend, uint Age)
{
    public const int FrameSize = PeerFrameHeader.Size + 9;

    public int Write(Span<byte> into, in PeerFrameHeader header)
    {
        var w = new BodyWriter(into);
        w.U8((byte)Status);
        w.Backend(Backend);
        w.U32(Age);
        return w.Finish(header);
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerReply reply)
    {
        var r = BodyReader.Of(frame);
        reply = new PeerReply((PeerStatus)r.U8(), r.Backend(), r.U32());
        if (reply.Status is < PeerStatus.Ok or > PeerStatus.None)
        {
            r.Fail(PeerFrameError.StatusUnknown);
        }

        return r.Finish();
    }
}
