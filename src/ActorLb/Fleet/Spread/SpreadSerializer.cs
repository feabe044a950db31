using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using Akka.Serialization;

namespace ActorLb.Fleet.Spread;

/// <summary>
/// The spread state on the wire and in the durable store. Manifests are numbers that are never reused: two adjacent releases read
/// each other. All integers are little-endian.
/// </summary>
internal sealed class SpreadSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary><c>count i32 | count x (name length u16, UTF-8, stamp i64, value length i32, bytes)</c>.</summary>
    public const string RegistersManifest = "1";

    /// <summary>
    /// <c>incarnation i64 | number u32 | count i32 | count x (backend u32, connections i32, down u8)</c>; where sessions were closed for a
    /// drain or rebalance also <c>count i32 | count x (closing i64, process i64, sessions i32)</c>.
    /// </summary>
    public const string CountsManifest = "2";

    private const int ReportLength = 9;
    private const int ClosedLength = 20;

    public override int Identifier => 7947;

    public override string Manifest(object o) => o switch
    {
        ReplicatedRegisters => RegistersManifest,
        CountsMessage => CountsManifest,
        _ => throw new ArgumentException($"{o.GetType()} is not part of the spread state", nameof(o)),
    };

    public override byte[] ToBinary(object obj) => obj switch
    {
        ReplicatedRegisters registers => Write(registers.All),
        CountsMessage counts => Write(counts),
        _ => throw new ArgumentException($"{obj.GetType()} is not part of the spread state", nameof(obj)),
    };

    /// <exception cref="SerializationException">The bytes were not written by this serializer.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        return manifest switch
        {
            RegistersManifest => new ReplicatedRegisters(ReadRegisters(bytes)),
            CountsManifest => ReadCounts(bytes),
            _ => throw new SerializationException($"unknown manifest '{manifest}' of the spread state"),
        };
    }

    internal static byte[] Write(Registers registers)
    {
        var writer = new ArrayBufferWriter<byte>(256);
        BinaryPrimitives.WriteInt32LittleEndian(Take(writer, 4), registers.Items.Count);
        foreach ((string name, var register) in registers.Items)
        {
            int length = Encoding.UTF8.GetByteCount(name);
            BinaryPrimitives.WriteUInt16LittleEndian(Take(writer, 2), checked((ushort)length));
            Encoding.UTF8.GetBytes(name, Take(writer, length));
            BinaryPrimitives.WriteInt64LittleEndian(Take(writer, 8), register.Stamp);
            BinaryPrimitives.WriteInt32LittleEndian(Take(writer, 4), register.Value.Length);
            writer.Write(register.Value.Span);
        }
        return writer.WrittenSpan.ToArray();
    }

    private static byte[] Write(CountsMessage counts)
    {
        byte[] bytes = new byte[16 + (counts.Reports.Length * ReportLength) + (counts.Closed.IsEmpty ? 0 : 4 + (counts.Closed.Length * ClosedLength))];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, counts.Incarnation);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), counts.Number);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), counts.Reports.Length);
        var rest = bytes.AsSpan(16);
        foreach (var report in counts.Reports)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(rest, report.Backend);
            BinaryPrimitives.WriteInt32LittleEndian(rest[4..], report.Connections);
            rest[8] = report.IsDown ? (byte)1 : (byte)0;
            rest = rest[ReportLength..];
        }
        if (counts.Closed.IsEmpty) return bytes;
        BinaryPrimitives.WriteInt32LittleEndian(rest, counts.Closed.Length);
        rest = rest[4..];
        foreach (var report in counts.Closed)
        {
            BinaryPrimitives.WriteInt64LittleEndian(rest, report.Closing);
            BinaryPrimitives.WriteInt64LittleEndian(rest[8..], report.Process);
            BinaryPrimitives.WriteInt32LittleEndian(rest[16..], report.Sessions);
            rest = rest[ClosedLength..];
        }
        return bytes;
    }

    private static Span<byte> Take(ArrayBufferWriter<byte> writer, int length)
    {
        var span = writer.GetSpan(Math.Max(1, length))[..length];
        writer.Advance(length);
        return span;
    }

    /// <exception cref="SerializationException">The bytes were not written by <see cref="Write(Registers)"/>.</exception>
    internal static Registers ReadRegisters(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return ReadItems(bytes);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new SerializationException("the spread state ends before its last field", e);
        }
    }

    private static Registers ReadItems(ReadOnlySpan<byte> bytes)
    {
        int count = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        var rest = bytes[4..];
        var registers = Registers.Empty;
        for (int i = 0; i < count; i++)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(rest);
            string name = Encoding.UTF8.GetString(rest.Slice(2, length));
            rest = rest[(2 + length)..];
            long stamp = BinaryPrimitives.ReadInt64LittleEndian(rest);
            int size = BinaryPrimitives.ReadInt32LittleEndian(rest[8..]);
            registers = registers.With(name, new Register(stamp, rest.Slice(12, size).ToArray()));
            rest = rest[(12 + size)..];
        }
        return registers;
    }

    private static CountsMessage ReadCounts(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 16) throw new SerializationException($"connection counts of {bytes.Length} bytes");
        int count = BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]);
        var rest = bytes[16..];
        if (count is < 0 or > CountsMessage.MaxReports || rest.Length < count * ReportLength)
        {
            throw new SerializationException($"connection counts: {count} reports in {rest.Length} bytes");
        }
        var reports = ImmutableArray.CreateBuilder<BackendReport>(count);
        for (int i = 0; i < count; i++, rest = rest[ReportLength..])
        {
            reports.Add(new BackendReport(
                BinaryPrimitives.ReadUInt32LittleEndian(rest), Math.Max(0, BinaryPrimitives.ReadInt32LittleEndian(rest[4..])), rest[8] != 0));
        }
        return new CountsMessage(
            BinaryPrimitives.ReadInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]), reports.MoveToImmutable())
        {
            Closed = ReadClosed(rest),
        };
    }

    private static ImmutableArray<ClosedReport> ReadClosed(ReadOnlySpan<byte> rest)
    {
        if (rest.Length < 4) return [];
        int count = BinaryPrimitives.ReadInt32LittleEndian(rest);
        rest = rest[4..];
        if (count is < 0 or > ClosingCounts.MaxReports || rest.Length < count * ClosedLength)
        {
            throw new SerializationException($"connection counts: {count} closed sessions in {rest.Length} bytes");
        }
        var closed = ImmutableArray.CreateBuilder<ClosedReport>(count);
        for (int i = 0; i < count; i++, rest = rest[ClosedLength..])
        {
            closed.Add(new ClosedReport(
                BinaryPrimitives.ReadInt64LittleEndian(rest), BinaryPrimitives.ReadInt64LittleEndian(rest[8..]),
                Math.Max(0, BinaryPrimitives.ReadInt32LittleEndian(rest[16..]))));
        }
        return closed.MoveToImmutable();
    }
}
