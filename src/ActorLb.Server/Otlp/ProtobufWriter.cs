using System.Buffers.Binary;
using System.Text;

namespace ActorLb.Server.Otlp;

/// <summary>
/// Writes a message of Protocol Buffers (protobuf.dev/programming-guides/encoding) front to back: the length of a nested message is
/// filled in when it ends, as a varint of fixed size, so that nothing is measured beforehand or moved.
/// </summary>
internal sealed class ProtobufWriter
{
    private const int Varint = 0, Fixed64 = 1, LengthDelimited = 2;

    /// <summary>Bytes of a nested message's length: 28 bits.</summary>
    private const int LengthBytes = 4;

    private byte[] _bytes = new byte[16 * 1024];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Clear() => Length = 0;

    /// <summary>Removes everything written since.</summary>
    public void CutTo(int length) => Length = length;

    /// <summary>Begins a nested message.</summary>
    /// <returns>For <see cref="End"/>.</returns>
    public int Begin(int field)
    {
        Tag(field, LengthDelimited);
        _ = Room(LengthBytes);
        Length += LengthBytes;
        return Length;
    }

    public void End(int begun)
    {
        int length = Length - begun;
        var into = _bytes.AsSpan(begun - LengthBytes, LengthBytes);
        for (int i = 0; i < LengthBytes; i++) into[i] = (byte)(((length >> (7 * i)) & 0x7F) | (i < LengthBytes - 1 ? 0x80 : 0));
    }

    public void Text(int field, ReadOnlySpan<char> text)
    {
        Tag(field, LengthDelimited);
        Number((ulong)Encoding.UTF8.GetByteCount(text));
        Length += Encoding.UTF8.GetBytes(text, Room(Encoding.UTF8.GetMaxByteCount(text.Length)));
    }

    public void Bytes(int field, ReadOnlySpan<byte> bytes)
    {
        Tag(field, LengthDelimited);
        Number((ulong)bytes.Length);
        bytes.CopyTo(Room(bytes.Length));
        Length += bytes.Length;
    }

    public void Integer(int field, ulong value)
    {
        Tag(field, Varint);
        Number(value);
    }

    /// <summary>A field of the type fixed64.</summary>
    public void Fixed(int field, ulong value)
    {
        Tag(field, Fixed64);
        BinaryPrimitives.WriteUInt64LittleEndian(Room(sizeof(ulong)), value);
        Length += sizeof(ulong);
    }

    public void Double(int field, double value) => Fixed(field, (ulong)BitConverter.DoubleToInt64Bits(value));

    /// <summary>Begins a packed repeated field of fixed64 or double; <see cref="Packed"/> writes each of them.</summary>
    public void BeginPacked(int field, int count)
    {
        Tag(field, LengthDelimited);
        Number((ulong)count * sizeof(ulong));
    }

    public void Packed(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(Room(sizeof(ulong)), value);
        Length += sizeof(ulong);
    }

    public void Packed(double value) => Packed((ulong)BitConverter.DoubleToInt64Bits(value));

    private void Tag(int field, int type) => Number((ulong)((field << 3) | type));

    private void Number(ulong value)
    {
        var room = Room(10);
        int i = 0;
        for (; value > 0x7F; value >>= 7) room[i++] = (byte)(value | 0x80);
        room[i++] = (byte)value;
        Length += i;
    }

    private Span<byte> Room(int needed)
    {
        if (_bytes.Length - Length < needed) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + needed));
        return _bytes.AsSpan(Length);
    }
}
