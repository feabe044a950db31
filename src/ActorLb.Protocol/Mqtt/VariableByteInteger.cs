namespace ActorLb.Protocol.Mqtt;

/// <summary>Seven bits per byte, least significant first, at most four bytes (MQTT 5, 1.5.5; 3.1.1, 2.2.3).</summary>
public static class VariableByteInteger
{
    public const int MaxLength = 4;

    /// <summary>268,435,455, the largest Remaining Length.</summary>
    public const int MaxValue = (1 << 28) - 1;

    /// <param name="length">Bytes read, when <see cref="ReadStatus.Done"/>; more than <see cref="LengthOf"/> returns if not
    /// minimal.</param>
    public static ReadStatus Read(ReadOnlySpan<byte> bytes, out int value, out int length)
    {
        value = 0;
        for (int i = 0; i < MaxLength; i++)
        {
            if (i >= bytes.Length)
            {
                length = 0;
                return ReadStatus.NeedMore;
            }
            byte b = bytes[i];
            value |= (b & 0x7F) << (7 * i);
            if (b < 0x80)
            {
                length = i + 1;
                return ReadStatus.Done;
            }
        }
        length = 0;
        return ReadStatus.Invalid;
    }

    /// <summary>Bytes of the shortest encoding.</summary>
    public static int LengthOf(int value) => value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : 4;

    /// <returns>Bytes written.</returns>
    public static int Write(Span<byte> destination, int value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)value, (uint)MaxValue, nameof(value));
        int i = 0;
        for (; value >= 0x80; value >>= 7) destination[i++] = (byte)(value | 0x80);
        destination[i++] = (byte)value;
        return i;
    }
}
