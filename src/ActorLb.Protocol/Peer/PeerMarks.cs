using System.Buffers.Binary;

namespace ActorLb.Protocol.Peer;

/// <summary>
/// Ack, SnapshotRequest and Seal: <c>owner's incarnation u64 | sequence u64</c>. An Ack confirms every change up to the sequence; a
/// request asks for a snapshot (its sequence is what the asker has); a Seal says that no change follows the sequence.
/// </summary>
public readonly record struct PeerMark(ulong Owner, ulong Sequence)
{
    public const int FrameSize = PeerFrameHeader.Size + 16;

    public int Write(Span<byte> into, in PeerFrameHeader header)
    {
        var w = new BodyWriter(into);
        w.U64(Owner);
        w.U64(Sequence);
        return w.Finish(header);
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerMark mark)
    {
        var r = BodyReader.Of(frame);
        mark = new PeerMark(r.U64(), r.U64());
        return r.Finish();
    }
}

/// <summary>
/// Digest of a shard at a change: <c>owner's incarnation u64 | sequence u64 | count u32 | 16 x u64</c>, each the exclusive-or of a
/// sixteenth of the entries.
/// </summary>
public readonly ref struct PeerDigest
{
    public const int Lanes = 16;
    public const int FrameSize = PeerFrameHeader.Size + 20 + (Lanes * 8);

    private readonly ReadOnlySpan<byte> _lanes;

    private PeerDigest(ulong owner, ulong sequence, uint count, ReadOnlySpan<byte> lanes)
    {
        Owner = owner;
        Sequence = sequence;
        Count = count;
        _lanes = lanes;
    }

    public ulong Owner { get; }

    public ulong Sequence { get; }

    public uint Count { get; }

    public ulong this[int lane] => BinaryPrimitives.ReadUInt64LittleEndian(_lanes[(8 * lane)..]);

    public static int Write(Span<byte> into, in PeerFrameHeader header, ulong owner, ulong sequence, uint count, ReadOnlySpan<ulong> lanes)
    {
        var w = new BodyWriter(into);
        w.U64(owner);
        w.U64(sequence);
        w.U32(count);
        foreach (var lane in lanes[..Lanes])
        {
            w.U64(lane);
        }

        return w.Finish(header);
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerDigest digest)
    {
        var r = BodyReader.Of(frame);
        digest = new PeerDigest(r.U64(), r.U64(), r.U32(), r.Bytes(Lanes * 8));
        return r.Finish();
    }
}

/// <summary>
/// Ready: <c>n u16 | n bits, low bit first</c>: the shards that the sender copies under the table of the header's epoch and holds in full.
/// </summary>
public readonly ref struct PeerReady
{
    private readonly ReadOnlySpan<byte> _bits;

    private PeerReady(int shards, ReadOnlySpan<byte> bits)
    {
        Shards = shards;
        _bits = bits;
    }

    public int Shards { get; }

    public bool this[int shard] => shard < Shards && (_bits[shard >> 3] & (1 << (shard & 7))) != 0;

    public static int SizeOf(int shards) => PeerFrameHeader.Size + 2 + ((shards + 7) / 8);

    public static int Write(Span<byte> into, in PeerFrameHeader header, ReadOnlySpan<bool> ready)
    {
        var w = new BodyWriter(into);
        w.U16((ushort)ready.Length);
        for (var i = 0; i < ready.Length; i += 8)
        {
            byte bits = 0;
            for (var j = 0; j < 8 && i + j < ready.Length; j++)
            {
                bits |= (byte)(ready[i + j] ? 1 << j : 0);
            }

            w.U8(bits);
        }

        return w.Finish(header);
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerReady ready)
    {
        var r = BodyReader.Of(frame);
        var shards = r.U16();
        ready = new PeerReady(shards, r.Items((shards + 7) / 8, 1, 8192));
        return r.Finish();
    }
}
