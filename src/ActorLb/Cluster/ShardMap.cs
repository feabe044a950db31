using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace ActorLb.Cluster;

/// <summary>A node as the table lists it.</summary>
internal sealed record MapNode(PeerId Id, string Address);

/// <summary>Indexes into the table's nodes, -1 for nobody. <c>Next</c> is taking a copy, to become owner or replica.</summary>
internal readonly record struct ShardSeats(short Owner, short Replica, short Next)
{
    public const short Nobody = -1;

    public static readonly ShardSeats Empty = new(Nobody, Nobody, Nobody);

    public bool Holds(int node) => node >= 0 && (Owner == node || Replica == node || Next == node);
}

/// <summary>
/// Who owns which shard: the one truth about ownership, written by the coordinator, read by all. Immutable. A higher epoch replaces a
/// lower one wherever it is heard from.
/// </summary>
internal sealed class ShardMap(ulong epoch, ImmutableArray<MapNode> nodes, ImmutableArray<ShardSeats> shards)
{
    public const int MaxNodes = 1024;
    private const byte Version = 1;
    private const int WriterBits = 12;

    public static readonly ShardMap None = new(0, [], []);

    public ulong Epoch { get; } = epoch;

    public ImmutableArray<MapNode> Nodes { get; } = nodes;

    public ImmutableArray<ShardSeats> Shards { get; } = shards;

    /// <summary>
    /// The epoch after every epoch that was heard of. The low 12 bits are the writer's, so two coordinators that could not hear of
    /// each other, because the store was wiped between them, do not write one number over two tables.
    /// </summary>
    public static ulong NextEpoch(ulong highest, ulong writer) =>
        (((highest >> WriterBits) + 1) << WriterBits) | (writer & ((1UL << WriterBits) - 1));

    /// <summary>The epoch's count, for people.</summary>
    public static ulong Number(ulong epoch) => epoch >> WriterBits;

    public int IndexOf(PeerId id)
    {
        for (var i = 0; i < Nodes.Length; i++)
        {
            if (Nodes[i].Id == id)
            {
                return i;
            }
        }

        return -1;
    }

    public PeerId? NodeAt(int index) => index >= 0 ? Nodes[index].Id : null;

    /// <summary>About 24 KB: <c>version u8 | epoch u64 | nodes u16 | n x (name, incarnation u64, address) | shards u16 | n x 3 x i16</c>.</summary>
    public byte[] Encode()
    {
        var size = 1 + 8 + 2 + 2 + (Shards.Length * 6)
            + Nodes.Sum(n => 1 + Encoding.UTF8.GetByteCount(n.Id.Name) + 8 + 1 + Encoding.UTF8.GetByteCount(n.Address));
        var bytes = new byte[size];
        bytes[0] = Version;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(1), Epoch);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(9), (ushort)Nodes.Length);
        var at = 11;
        foreach (var node in Nodes)
        {
            at += WriteText(bytes.AsSpan(at), node.Id.Name);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), node.Id.Incarnation);
            at += 8;
            at += WriteText(bytes.AsSpan(at), node.Address);
        }

        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(at), (ushort)Shards.Length);
        at += 2;
        foreach (var seats in Shards)
        {
            BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(at), seats.Owner);
            BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(at + 2), seats.Replica);
            BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(at + 4), seats.Next);
            at += 6;
        }

        return bytes;
    }

    /// <summary>Reads a table that anyone may have damaged.</summary>
    /// <returns>Null with a reason, or the table.</returns>
    public static ShardMap? TryDecode(ReadOnlySpan<byte> bytes, int shardCount, out string reason)
    {
        reason = "the value ends before its last field";
        if (bytes.Length < 13)
        {
            return null;
        }

        if (bytes[0] != Version)
        {
            reason = $"version {bytes[0]}, this program reads version {Version}";
            return null;
        }

        var epoch = BinaryPrimitives.ReadUInt64LittleEndian(bytes[1..]);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(bytes[9..]);
        if (epoch == 0 || count > MaxNodes)
        {
            reason = $"epoch {epoch}, {count} nodes";
            return null;
        }

        var rest = bytes[11..];
        var nodes = ImmutableArray.CreateBuilder<MapNode>(count);
        for (var i = 0; i < count; i++)
        {
            if (!TryReadText(ref rest, out var name) || rest.Length < 8)
            {
                return null;
            }

            var incarnation = BinaryPrimitives.ReadUInt64LittleEndian(rest);
            rest = rest[8..];
            if (!TryReadText(ref rest, out var address))
            {
                return null;
            }

            nodes.Add(new MapNode(new PeerId(name, incarnation), address));
        }

        if (rest.Length < 2)
        {
            return null;
        }

        var shards = BinaryPrimitives.ReadUInt16LittleEndian(rest);
        rest = rest[2..];
        if (shards != shardCount || rest.Length != shards * 6)
        {
            reason = $"{shards} shards in {rest.Length} bytes, expected {shardCount} in {shardCount * 6}";
            return null;
        }

        var seats = ImmutableArray.CreateBuilder<ShardSeats>(shards);
        for (var i = 0; i < shards; i++, rest = rest[6..])
        {
            var seat = new ShardSeats(
                BinaryPrimitives.ReadInt16LittleEndian(rest), BinaryPrimitives.ReadInt16LittleEndian(rest[2..]),
                BinaryPrimitives.ReadInt16LittleEndian(rest[4..]));
            if (!Valid(seat.Owner, count) || !Valid(seat.Replica, count) || !Valid(seat.Next, count))
            {
                reason = $"shard {i} names node {seat.Owner}, {seat.Replica} or {seat.Next} of {count}";
                return null;
            }

            seats.Add(seat);
        }

        reason = "";
        return new ShardMap(epoch, nodes.MoveToImmutable(), seats.MoveToImmutable());
    }

    private static bool Valid(short index, int count) => index >= ShardSeats.Nobody && index < count;

    private static int WriteText(Span<byte> into, string text)
    {
        var n = Encoding.UTF8.GetBytes(text, into[1..]);
        into[0] = checked((byte)n);
        return n + 1;
    }

    private static bool TryReadText(ref ReadOnlySpan<byte> rest, out string text)
    {
        text = "";
        if (rest.IsEmpty || rest.Length < 1 + rest[0])
        {
            return false;
        }

        text = Encoding.UTF8.GetString(rest.Slice(1, rest[0]));
        rest = rest[(1 + rest[0])..];
        return text.Length > 0;
    }
}
