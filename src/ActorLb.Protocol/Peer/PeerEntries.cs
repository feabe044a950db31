using System.Buffers.Binary;

namespace ActorLb.Protocol.Peer;

/// <summary>
/// One entry as nodes exchange it, 16 bytes: <c>h u64 | slot u16 | gen u16 | age u32</c>. The age is in hundredths of a second, 31
/// bits (248 days, then it stays there); bit 31 is a mark whose meaning the frame gives.
/// </summary>
public readonly record struct PeerEntry(ulong H, uint Backend, uint Age)
{
    public const int Size = 16;
    public const uint Mark = 0x8000_0000;

    public bool IsMarked => (Age & Mark) != 0;

    public long AgeMilliseconds => (Age & ~Mark) * 10L;

    public static uint AgeOf(long milliseconds, bool marked) =>
        (uint)Math.Clamp(milliseconds / 10, 0, int.MaxValue) | (marked ? Mark : 0);

    internal void Write(ref BodyWriter w)
    {
        w.U64(H);
        w.Backend(Backend);
        w.U32(Age);
    }

    internal static PeerEntry Read(ReadOnlySpan<byte> at) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(at),
        ((uint)BinaryPrimitives.ReadUInt16LittleEndian(at[8..]) << 16) | BinaryPrimitives.ReadUInt16LittleEndian(at[10..]),
        BinaryPrimitives.ReadUInt32LittleEndian(at[12..]));
}

/// <summary>Touch and Learn: <c>n u16 | n x entry</c>. In a Learn the mark says that the lookup had fallen back.</summary>
public readonly ref struct PeerEntries
{
    public const int MaxEntries = 4000;

    private readonly ReadOnlySpan<byte> _items;

    private PeerEntries(ReadOnlySpan<byte> items) => _items = items;

    public int Count => _items.Length / PeerEntry.Size;

    public PeerEntry this[int index] => PeerEntry.Read(_items[(index * PeerEntry.Size)..]);

    public static int SizeOf(int count) => PeerFrameHeader.Size + 2 + (count * PeerEntry.Size);

    public static int Write(Span<byte> into, in PeerFrameHeader header, ReadOnlySpan<PeerEntry> entries)
    {
        var w = new BodyWriter(into);
        w.U16((ushort)entries.Length);
        foreach (var entry in entries)
        {
            entry.Write(ref w);
        }

        return w.Finish(header);
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerEntries entries)
    {
        var r = BodyReader.Of(frame);
        entries = new PeerEntries(r.Items(r.U16(), PeerEntry.Size, MaxEntries));
        return r.Finish();
    }
}

/// <summary>One change of a shard, 17 bytes: <c>op u8 | entry</c>. Operation 1 puts the entry, 2 removes the key. The mark: refreshed.</summary>
public readonly record struct PeerOp(byte Op, PeerEntry Entry)
{
    public const int Size = 1 + PeerEntry.Size;
    public const byte Put = 1;
    public const byte Remove = 2;
}

/// <summary>Replicate: <c>owner's incarnation u64 | number of the first change u64 | n u16 | n x op</c>.</summary>
public readonly ref struct PeerReplicate
{
    public const int MaxOps = 256;

    private readonly ReadOnlySpan<byte> _items;

    private PeerReplicate(ulong owner, ulong first, ReadOnlySpan<byte> items)
    {
        Owner = owner;
        First = first;
        _items = items;
    }

    public ulong Owner { get; }

    public ulong First { get; }

    public int Count => _items.Length / PeerOp.Size;

    public PeerOp this[int index] => new(_items[index * PeerOp.Size], PeerEntry.Read(_items[((index * PeerOp.Size) + 1)..]));

    public static int SizeOf(int count) => PeerFrameHeader.Size + 18 + (count * PeerOp.Size);

    public static int Write(Span<byte> into, in PeerFrameHeader header, ulong owner, ulong first, ReadOnlySpan<PeerOp> ops)
    {
        var w = new BodyWriter(into);
        w.U64(owner);
        w.U64(first);
        w.U16((ushort)ops.Length);
        foreach (var op in ops)
        {
            w.U8(op.Op);
            op.Entry.Write(ref w);
        }

        return w.Finish(header);
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerReplicate replicate)
    {
        var r = BodyReader.Of(frame);
        replicate = new PeerReplicate(r.U64(), r.U64(), r.Items(r.U16(), PeerOp.Size, MaxOps));
        for (var i = 0; i < replicate.Count; i++)
        {
            if (replicate[i].Op is not (PeerOp.Put or PeerOp.Remove))
            {
                r.Fail(PeerFrameError.OperationUnknown);
            }
        }

        return r.Finish();
    }
}

/// <summary>
/// Chunk of a snapshot: <c>owner's incarnation u64 | number of the last change contained u64 | total u32 | offset u32 | n u16 |
/// n x entry</c>. The snapshot is of one moment; its chunks are in order. The mark: refreshed.
/// </summary>
public readonly ref struct PeerChunk
{
    /// <summary>64,000 bytes: below the 64 KB of a chunk.</summary>
    public const int MaxEntries = 4000;

    public const int MaxSize = PeerFrameHeader.Size + 26 + (MaxEntries * PeerEntry.Size);

    private readonly ReadOnlySpan<byte> _items;

    private PeerChunk(ulong owner, ulong sequence, uint total, uint offset, ReadOnlySpan<byte> items)
    {
        Owner = owner;
        Sequence = sequence;
        Total = total;
        Offset = offset;
        _items = items;
    }

    public ulong Owner { get; }

    public ulong Sequence { get; }

    public uint Total { get; }

    public uint Offset { get; }

    public int Count => _items.Length / PeerEntry.Size;

    public PeerEntry this[int index] => PeerEntry.Read(_items[(index * PeerEntry.Size)..]);

    public static int Write(
        Span<byte> into, in PeerFrameHeader header, ulong owner, ulong sequence, uint total, uint offset, ReadOnlySpan<PeerEntry> entries)
    {
        var w = new BodyWriter(into);
        w.U64(owner);
        w.U64(sequence);
        w.U32(total);
        w.U32(offset);
        w.U16((ushort)entries.Length);
        foreach (var entry in entries)
        {
            entry.Write(ref w);
        }

        return w.Finish(header);
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerChunk chunk)
    {
        var r = BodyReader.Of(frame);
        chunk = new PeerChunk(r.U64(), r.U64(), r.U32(), r.U32(), r.Items(r.U16(), PeerEntry.Size, MaxEntries));
        if (chunk.Offset + (ulong)chunk.Count > chunk.Total)
        {
            r.Fail(PeerFrameError.CountTooLarge);
        }

        return r.Finish();
    }
}
