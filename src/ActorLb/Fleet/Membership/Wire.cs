using System.Buffers.Binary;
using System.Text;

namespace ActorLb.Fleet.Membership;

/// <summary>Writes little-endian numbers and length-prefixed texts.</summary>
internal struct WireWriter(int capacity)
{
    private byte[] _bytes = GC.AllocateUninitializedArray<byte>(capacity);
    private int _length;

    public readonly int Length => _length;

    public void Byte(byte value) => Take(1)[0] = value;

    public void UInt16(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Take(2), value);

    public void Int32(int value) => BinaryPrimitives.WriteInt32LittleEndian(Take(4), value);

    public void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(4), value);

    public void Int64(long value) => BinaryPrimitives.WriteInt64LittleEndian(Take(8), value);

    public void UInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(8), value);

    public void Text(string value)
    {
        int length = Encoding.UTF8.GetByteCount(value);
        UInt16(checked((ushort)length));
        Encoding.UTF8.GetBytes(value, Take(length));
    }

    /// <summary>Length-prefixed bytes.</summary>
    public void Bytes(ReadOnlySpan<byte> value)
    {
        Int32(value.Length);
        value.CopyTo(Take(value.Length));
    }

    /// <summary>Overwrites a number written earlier as a placeholder.</summary>
    public readonly void SetInt32(int at, int value) => BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(at), value);

    public readonly byte[] ToArray() => _length == _bytes.Length ? _bytes : _bytes.AsSpan(0, _length).ToArray();

    private Span<byte> Take(int count)
    {
        if (_bytes.Length - _length < count) Array.Resize(ref _bytes, Math.Max(_length + count, _bytes.Length * 2));
        _length += count;
        return _bytes.AsSpan(_length - count, count);
    }
}

/// <summary>
/// Reads what <see cref="WireWriter"/> wrote. On malformed input it becomes invalid and returns zeros from then on.
/// </summary>
internal ref struct WireReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public bool IsValid { get; private set; } = true;

    public byte Byte() => Take(1) is [var value] ? value : default;

    public ushort UInt16() => Take(2) is { Length: 2 } span ? BinaryPrimitives.ReadUInt16LittleEndian(span) : default;

    public int Int32() => Take(4) is { Length: 4 } span ? BinaryPrimitives.ReadInt32LittleEndian(span) : default;

    public uint UInt32() => Take(4) is { Length: 4 } span ? BinaryPrimitives.ReadUInt32LittleEndian(span) : default;

    public long Int64() => Take(8) is { Length: 8 } span ? BinaryPrimitives.ReadInt64LittleEndian(span) : default;

    public ulong UInt64() => Take(8) is { Length: 8 } span ? BinaryPrimitives.ReadUInt64LittleEndian(span) : default;

    /// <param name="max">In bytes.</param>
    public string Text(int max)
    {
        int length = UInt16();
        if (length <= max) return Encoding.UTF8.GetString(Take(length));
        IsValid = false;
        return "";
    }

    /// <summary>Length-prefixed bytes, as a span of the input.</summary>
    public ReadOnlySpan<byte> Bytes(int max)
    {
        int length = Int32();
        if (length <= max) return Take(length);
        IsValid = false;
        return [];
    }

    /// <summary>
    /// The number of elements that follow, never more than the rest can hold, so that a count alone can't cause a large
    /// allocation.
    /// </summary>
    public int Count(int max, int leastBytes)
    {
        int count = UInt16();
        if (count <= max && (long)count * leastBytes <= _rest.Length) return count;
        IsValid = false;
        return 0;
    }

    /// <summary>A reader of the next bytes only.</summary>
    public WireReader Part(int length) => new(Take(length));

    /// <summary>Marks the input as invalid.</summary>
    public void Reject() => IsValid = false;

    private ReadOnlySpan<byte> Take(int count)
    {
        if (IsValid && count >= 0 && _rest.Length >= count)
        {
            var taken = _rest[..count];
            _rest = _rest[count..];
            return taken;
        }
        IsValid = false;
        return [];
    }
}
