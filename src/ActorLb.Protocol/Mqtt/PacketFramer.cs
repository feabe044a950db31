namespace ActorLb.Protocol.Mqtt;

/// <summary>
/// Follows packet boundaries through one direction of a stream without looking at payloads; 12 bytes per direction. After an
/// invalid length it stays <see cref="Invalid"/> and counts nothing more.
/// </summary>
public struct PacketFramer
{
    private const byte LengthDone = 0;
    private const byte Broken = 255;

    /// <summary>Bytes of the packet still to come, once its length is known.</summary>
    private int _left;

    /// <summary>Remaining Length as read so far.</summary>
    private int _length;

    /// <summary>Within a fixed header: the number of its bytes read so far, 1 to 4; otherwise <see cref="LengthDone"/> or
    /// <see cref="Broken"/>.</summary>
    private byte _header;

    private byte _type;

    /// <summary>Whether the last packet was a complete DISCONNECT, after which its sender closes the connection.</summary>
    public readonly bool AtDisconnect => AtBoundary && _type == (byte)PacketType.Disconnect;

    /// <summary>Whether the last byte seen ended a packet, or no byte has been seen.</summary>
    public readonly bool AtBoundary => _left == 0 && _header == LengthDone;

    /// <summary>A Remaining Length had more than four bytes.</summary>
    public readonly bool Invalid => _header == Broken;

    /// <returns>Packets whose last byte is among <paramref name="bytes"/>.</returns>
    public int Advance(ReadOnlySpan<byte> bytes) => Advance(bytes, default);

    /// <param name="started">Empty, or 16 counters by <see cref="PacketType"/>: each packet that begins here adds one.</param>
    /// <returns>Packets whose last byte is among <paramref name="bytes"/>.</returns>
    public int Advance(ReadOnlySpan<byte> bytes, Span<long> started)
    {
        int completed = 0;
        for (int position = 0; position < bytes.Length;)
        {
            if (_header == Broken) return completed;
            if (Step(bytes, ref position, started)) completed++;
        }
        return completed;
    }

    /// <summary>Advances only to the next boundary, where another packet can be inserted.</summary>
    /// <returns>Bytes up to it; all of them when there is none here or the stream is invalid. 0 when already there.</returns>
    public int AdvanceToBoundary(ReadOnlySpan<byte> bytes)
    {
        if (AtBoundary) return 0;
        for (int position = 0; position < bytes.Length;)
        {
            if (_header == Broken) return bytes.Length;
            if (Step(bytes, ref position, default)) return position;
        }
        return bytes.Length;
    }

    /// <summary>Takes the rest of a payload, a complete short header, or one byte of a long one; true when that ends a packet.</summary>
    private bool Step(ReadOnlySpan<byte> bytes, ref int position, Span<long> started)
    {
        if (_left > 0)
        {
            int taken = Math.Min(_left, bytes.Length - position);
            position += taken;
            _left -= taken;
            return _left == 0;
        }
        byte b = bytes[position++];
        if (_header == LengthDone)
        {
            _type = (byte)(b >> 4);
            if (!started.IsEmpty) started[_type]++;
            if (position >= bytes.Length || bytes[position] >= 0x80)
            {
                _header = 1;
                _length = 0;
                return false;
            }
            // Nearly every packet is short: type and length in one step.
            _left = bytes[position++];
            return _left == 0;
        }
        _length |= (b & 0x7F) << (7 * (_header - 1));
        if (b < 0x80)
        {
            _header = LengthDone;
            _left = _length;
            return _left == 0;
        }
        _header = _header == VariableByteInteger.MaxLength ? Broken : (byte)(_header + 1);
        return false;
    }
}
