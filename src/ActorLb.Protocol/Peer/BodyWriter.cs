using System.Buffers.Binary;
using System.Text;

namespace ActorLb.Protocol.Peer;

/// <summary>Writes a frame's body behind the place of its header. The caller's buffer is large enough: each frame states its size.</summary>
internal ref struct BodyWriter(Span<byte> frame)
{
    private readonly Span<byte> _frame = frame;
    private int _at = PeerFrameHeader.Size;

    public void U8(byte value) => _frame[_at++] = value;

    public void U16(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_frame[_at..], value);
        _at += 2;
    }

    public void U32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_frame[_at..], value);
        _at += 4;
    }

    public void U64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_frame[_at..], value);
        _at += 8;
    }

    /// <summary>Slot, then generation.</summary>
    public void Backend(uint value)
    {
        U16((ushort)(value >> 16));
        U16((ushort)value);
    }

    public void Bytes(ReadOnlySpan<byte> value)
    {
        value.CopyTo(_frame[_at..]);
        _at += value.Length;
    }

    /// <summary>UTF-8 behind its length in one byte.</summary>
    public void Text(string value)
    {
        var n = Encoding.UTF8.GetBytes(value, _frame[(_at + 1)..]);
        if (n > byte.MaxValue)
        {
            throw new ArgumentException("At most 255 bytes of UTF-8.", nameof(value));
        }

        _frame[_at] = (byte)n;
        _at += 1 + n;
    }

    /// <summary>Writes the header in front of what was written.</summary>
    /// <returns>The frame's length.</returns>
    public readonly int Finish(in PeerFrameHeader header)
    {
        header.Write(_frame, _at);
        return _at;
    }
}
