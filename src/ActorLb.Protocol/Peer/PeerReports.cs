using System.Buffers.Binary;

namespace ActorLb.Protocol.Peer;

/// <summary>What a node says of one backend: connections it holds (Counts), or its verdict (Health).</summary>
public readonly record struct PeerReport(uint Backend, uint Value);

/// <summary>
/// Counts: <c>incarnation u64 | version u32 | n u16 | n x (backend, connections u32)</c>, absolute and complete. Health: the same with
/// the verdict as value: 0 unknown, 1 up, 2 down.
/// </summary>
public readonly ref struct PeerReports
{
    public const int MaxReports = 8192;
    public const uint Unknown = 0;
    public const uint Up = 1;
    public const uint Down = 2;

    private const int ItemSize = 8;
    private readonly ReadOnlySpan<byte> _items;

    private PeerReports(ulong incarnation, uint version, ReadOnlySpan<byte> items)
    {
        Incarnation = incarnation;
        Version = version;
        _items = items;
    }

    public ulong Incarnation { get; }

    /// <summary>Grows with every report of the sender: an older one that comes late is left aside.</summary>
    public uint Version { get; }

    public int Count => _items.Length / ItemSize;

    public PeerReport this[int index]
    {
        get
        {
            var at = _items[(index * ItemSize)..];
            return new PeerReport(
                ((uint)BinaryPrimitives.ReadUInt16LittleEndian(at) << 16) | BinaryPrimitives.ReadUInt16LittleEndian(at[2..]),
                BinaryPrimitives.ReadUInt32LittleEndian(at[4..]));
        }
    }

    public static int SizeOf(int count) => PeerFrameHeader.Size + 14 + (count * ItemSize);

    public static int Write(
        Span<byte> into, in PeerFrameHeader header, ulong incarnation, uint version, ReadOnlySpan<PeerReport> reports)
    {
        var w = new BodyWriter(into);
        w.U64(incarnation);
        w.U32(version);
        w.U16((ushort)reports.Length);
        foreach (var report in reports)
        {
            w.Backend(report.Backend);
            w.U32(report.Value);
        }

        return w.Finish(header);
    }

    public static PeerFrameError TryRead(ReadOnlySpan<byte> frame, out PeerReports reports)
    {
        var r = BodyReader.Of(frame);
        reports = new PeerReports(r.U64(), r.U32(), r.Items(r.U16(), ItemSize, MaxReports));
        return r.Finish();
    }
}

/// <summary>Frames without a body (TableRequest), and frames whose body is opaque here (Table).</summary>
public static class PeerOpaque
{
    public static int SizeOf(int body) => PeerFrameHeader.Size + body;

    public static int Write(Span<byte> into, in PeerFrameHeader header, ReadOnlySpan<byte> body)
    {
        var w = new BodyWriter(into);
        w.Bytes(body);
        return w.Finish(header);
    }

    public static ReadOnlySpan<byte> Body(ReadOnlySpan<byte> frame) => frame[PeerFrameHeader.Size..];
}
