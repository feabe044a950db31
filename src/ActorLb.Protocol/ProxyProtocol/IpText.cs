using System.Buffers.Binary;
using System.Globalization;

namespace ActorLb.Protocol.ProxyProtocol;

/// <summary>
/// Parses and writes IP addresses without allocating, more strictly than the framework's parser: no octal or short IPv4 forms, no
/// leading zeros, no zone, no brackets. Writes the form that RFC 5952 recommends.
/// </summary>
public static class IpText
{
    /// <summary>ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255</summary>
    public const int MaxLength = 45;

    /// <returns>Bytes written.</returns>
    public static int Write(Span<byte> destination, in EndpointAddress address)
    {
        if (!address.IsV6) return WriteV4(destination, (uint)address.Low);
        if (address.IsMappedV4)
        {
            "::ffff:"u8.CopyTo(destination);
            return 7 + WriteV4(destination[7..], (uint)address.Low);
        }
        return WriteV6(destination, address);
    }

    /// <summary>Four decimal numbers.</summary>
    public static bool TryParseV4(ReadOnlySpan<byte> text, out uint address)
    {
        address = 0;
        for (int part = 0; part < 4; part++)
        {
            int end = part < 3 ? text.IndexOf((byte)'.') : text.Length;
            if (end < 0 || !TryParseDecimal(text[..end], byte.MaxValue, out int value)) return false;
            address = (address << 8) | (uint)value;
            text = part < 3 ? text[(end + 1)..] : default;
        }
        return true;
    }

    /// <summary>All forms of RFC 4291, 2.2; the port of the result is 0.</summary>
    public static bool TryParseV6(ReadOnlySpan<byte> text, out EndpointAddress address)
    {
        address = default;
        if (text.Length < 2) return false;
        Span<ushort> groups = stackalloc ushort[8];
        int count = 0, gap = -1, position = 0;
        if (text[0] == ':')
        {
            if (text[1] != ':') return false;
            gap = 0;
            position = 2;
        }
        while (position < text.Length)
        {
            if (count == 8) return false;
            int end = text[position..].IndexOf((byte)':');
            end = end < 0 ? text.Length : position + end;
            var group = text[position..end];
            if (group.Contains((byte)'.'))
            {
                // An IPv4 tail takes the place of two groups and must be last.
                if (end != text.Length || count > 6 || !TryParseV4(group, out uint tail)) return false;
                groups[count++] = (ushort)(tail >> 16);
                groups[count++] = (ushort)tail;
                break;
            }
            if (!TryParseGroup(group, out groups[count])) return false;
            count++;
            if (end == text.Length) break;
            position = end + 1;
            if (position == text.Length) return false;
            if (text[position] != ':') continue;
            if (gap >= 0) return false;
            gap = count;
            position++;
        }
        if (gap < 0 ? count != 8 : count >= 8) return false;
        address = FromGroups(groups, count, gap);
        return true;
    }

    /// <summary>Decimal digits without leading zeros, up to <paramref name="max"/>.</summary>
    internal static bool TryParseDecimal(ReadOnlySpan<byte> digits, int max, out int value)
    {
        value = 0;
        if (digits.IsEmpty || digits.Length > 5 || (digits[0] == '0' && digits.Length > 1)) return false;
        foreach (byte digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'9') return false;
            value = value * 10 + (digit - '0');
        }
        return value <= max;
    }

    private static bool TryParseGroup(ReadOnlySpan<byte> digits, out ushort value)
    {
        value = 0;
        if (digits.IsEmpty || digits.Length > 4) return false;
        foreach (byte digit in digits)
        {
            if (!char.IsAsciiHexDigit((char)digit)) return false;
            value = (ushort)((value << 4) | (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10));
        }
        return true;
    }

    private static EndpointAddress FromGroups(ReadOnlySpan<ushort> groups, int count, int gap)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        for (int i = 0; i < count; i++)
        {
            int slot = gap >= 0 && i >= gap ? 8 - count + i : i;
            BinaryPrimitives.WriteUInt16BigEndian(bytes[(2 * slot)..], groups[i]);
        }
        return EndpointAddress.FromBytes(bytes, 0);
    }

    private static int WriteV4(Span<byte> destination, uint address)
    {
        int at = 0;
        for (int shift = 24; shift >= 0; shift -= 8)
        {
            ((byte)(address >> shift)).TryFormat(destination[at..], out int written, default, CultureInfo.InvariantCulture);
            at += written;
            if (shift > 0) destination[at++] = (byte)'.';
        }
        return at;
    }

    private static int WriteV6(Span<byte> destination, in EndpointAddress address)
    {
        (int gap, int gapLength) = LongestZeroRun(address);
        int at = 0;
        for (int i = 0; i < 8; i++)
        {
            if (i == gap)
            {
                destination[at++] = (byte)':';
                if (i == 0) destination[at++] = (byte)':';
                i += gapLength - 1;
                continue;
            }
            Group(address, i).TryFormat(destination[at..], out int written, "x", CultureInfo.InvariantCulture);
            at += written;
            if (i < 7) destination[at++] = (byte)':';
        }
        return at;
    }

    /// <summary>First of the longest runs of two or more zero groups (RFC 5952, 4.2); (-1, 0) if there is none.</summary>
    private static (int Start, int Length) LongestZeroRun(in EndpointAddress address)
    {
        int best = -1, bestLength = 1;
        for (int i = 0; i < 8; i++)
        {
            int length = 0;
            while (i + length < 8 && Group(address, i + length) == 0) length++;
            if (length > bestLength) (best, bestLength) = (i, length);
            i += length;
        }
        return best < 0 ? (-1, 0) : (best, bestLength);
    }

    private static ushort Group(in EndpointAddress address, int index) =>
        (ushort)((index < 4 ? address.High : address.Low) >> (16 * (3 - (index & 3))));
}
