using System.Buffers.Binary;

namespace ActorLb.Protocol.ProxyProtocol;

/// <summary>Walks type-length-values: one byte type, two bytes length, value (PROXY protocol, 2.2).</summary>
public ref struct ProxyTlvCursor(ReadOnlySpan<byte> header, FieldRange tlvs)
{
    private readonly ReadOnlySpan<byte> _header = header;
    private readonly int _end = tlvs.End;
    private int _position = tlvs.Offset;

    public byte Type { get; private set; }

    public FieldRange Value { get; private set; }

    /// <summary>A length extends past the end.</summary>
    public bool Malformed { get; private set; }

    /// <summary>False at the end and when malformed.</summary>
    public bool MoveNext()
    {
        if (_position >= _end) return false;
        int left = _end - _position;
        int length = left < 3 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(_header[(_position + 1)..]);
        if (left < 3 + length)
        {
            Malformed = true;
            _position = _end;
            return false;
        }
        Type = _header[_position];
        Value = new FieldRange(_position + 3, length);
        _position = Value.End;
        return true;
    }
}
