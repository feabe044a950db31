using System.Buffers.Binary;
using System.Text;
using ActorLb.Balancing;
using ActorLb.Sticky;

namespace ActorLb.Fleet.Spread;

/// <param name="Id">Host and port as configured or discovered; contains no slash.</param>
internal readonly record struct BackendKey(string Pool, string Id)
{
    /// <summary>Name of the backend's register.</summary>
    public string Name => $"{Pool}/{Id}";

    /// <returns>Null if it is not the name of a backend.</returns>
    public static BackendKey? TryParse(string name)
    {
        int slash = name.LastIndexOf('/');
        return slash <= 0 || slash == name.Length - 1 ? null : new BackendKey(name[..slash], name[(slash + 1)..]);
    }
}

/// <summary>
/// When a drain ends and the backend goes down. Every node counts from when it learned of the order. Kept in the record of a
/// backend that went down this way, so that a node that missed the drain knows why.
/// </summary>
/// <param name="Ordered">Stamp of the order; another order restarts the count.</param>
internal readonly record struct DrainDeadline(uint Seconds, long Ordered);

/// <summary>The fleet's shared state of a backend: its reference in the sticky map, and what operators changed.</summary>
/// <param name="State">Null if the backend was removed.</param>
/// <param name="Weight">The operator's weight; null for the configured one.</param>
/// <param name="Pacing">The pace at which a drain closes sessions; null if it closes none.</param>
internal sealed record BackendRecord(
    BackendRef Reference, AdminState? State, int? Weight = null, DrainDeadline? Deadline = null, PacedDrain? Pacing = null)
{
    /// <summary>Stamp of an unchanged record; any change supersedes it.</summary>
    public const long DefaultStamp = 1;

    private const byte Version = 1;
    private const int Length = 1 + 4 + 1 + 4 + 4 + 8;
    private const int PacedLength = Length + 4 + 1 + 8;
    private const double RateUnits = 1000;

    // A state's byte is its number plus one, because 0 is a removed backend.
    private const byte Removed = 0;
    private const int StateOffset = 1;

    /// <summary>
    /// The record of an unchanged backend. Slot and generation are derived from its name, so that nodes agree without
    /// communication and two backends that hash to one slot still differ.
    /// </summary>
    public static BackendRecord Default(BackendKey key)
    {
        ulong hash = KeyHash.Of(Encoding.UTF8.GetBytes(key.Name));
        ushort gen = (ushort)((hash >> 32) & BackendRef.MaxGen);
        return new BackendRecord(new BackendRef((ushort)hash, gen == 0 ? (ushort)1 : gen), AdminState.Up);
    }

    /// <summary>
    /// The record with the next generation, which invalidates all entries with the old one. Generation 0 is never assigned.
    /// </summary>
    public BackendRecord WithNextGeneration() =>
        this with { Reference = Reference with { Gen = Reference.Gen >= BackendRef.MaxGen ? (ushort)1 : (ushort)(Reference.Gen + 1) } };

    /// <summary>
    /// <c>version u8 | reference u32 | state u8 | weight i32, 0 for none | seconds u32, 0 for no deadline | ordered i64</c>; of a drain at a pace
    /// also <c>rate u32 in thousandths a second | paused u8 | ordered i64</c>: without one the bytes are those of earlier releases.
    /// </summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[Pacing is null ? Length : PacedLength];
        bytes[0] = Version;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(1), Reference.Value);
        bytes[5] = State is { } state ? (byte)(state + StateOffset) : Removed;
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(6), Weight ?? 0);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(10), Deadline?.Seconds ?? 0);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(14), Deadline?.Ordered ?? 0);
        if (Pacing is null) return bytes;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(Length), (uint)Math.Round(Pacing.Rate * RateUnits));
        bytes[Length + 4] = Pacing.IsPaused ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(Length + 5), Pacing.Ordered);
        return bytes;
    }

    /// <returns>Null if it is invalid. A longer record of a later release is read as far as known.</returns>
    public static BackendRecord? TryDecode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < Length || bytes[0] == 0 || bytes[5] > (byte)(AdminState.Down + StateOffset)) return null;
        var reference = BackendRef.FromValue(BinaryPrimitives.ReadUInt32LittleEndian(bytes[1..]));
        int weight = BinaryPrimitives.ReadInt32LittleEndian(bytes[6..]);
        uint seconds = BinaryPrimitives.ReadUInt32LittleEndian(bytes[10..]);
        if (reference.IsNone || reference.Gen > BackendRef.MaxGen || weight is < 0 or > ushort.MaxValue) return null;
        return new BackendRecord(
            reference, bytes[5] == Removed ? null : (AdminState)(bytes[5] - StateOffset), weight == 0 ? null : weight,
            seconds == 0 ? null : new DrainDeadline(seconds, BinaryPrimitives.ReadInt64LittleEndian(bytes[14..])),
            bytes.Length < PacedLength ? null : DecodePacing(bytes[Length..]));
    }

    private static PacedDrain? DecodePacing(ReadOnlySpan<byte> bytes)
    {
        double rate = BinaryPrimitives.ReadUInt32LittleEndian(bytes) / RateUnits;
        return rate is < PaceRate.Least or > PaceRate.Most ? null : new PacedDrain(rate, bytes[4] != 0, BinaryPrimitives.ReadInt64LittleEndian(bytes[5..]));
    }
}
