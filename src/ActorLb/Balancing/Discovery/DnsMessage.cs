using System.Buffers.Binary;
using System.Text;

namespace ActorLb.Balancing.Discovery;

/// <summary>Where a service runs, RFC 2782.</summary>
/// <param name="Priority">Lower first; the lowest are a pool's primaries.</param>
internal readonly record struct SrvRecord(ushort Priority, ushort Weight, ushort Port, string Target);

internal enum DnsOutcome
{
    Ok,

    /// <summary>The name does not exist, or has no SRV record.</summary>
    None,

    /// <summary>Ask again over TCP.</summary>
    Truncated,

    /// <summary>The server refuses or fails; another may not.</summary>
    ServerError,

    /// <summary>Not an answer to this question, or malformed.</summary>
    Invalid,
}

/// <summary>The two messages of RFC 1035 that SRV discovery needs: a question, and the answer to it.</summary>
internal static class DnsMessage
{
    private const ushort TypeSrv = 33;
    private const ushort ClassInternet = 1;
    private const int HeaderLength = 12;

    /// <summary>Jumps followed in one compressed name; a name has at most 127 labels, RFC 1035 section 3.1.</summary>
    private const int MaxJumps = 127;

    /// <exception cref="FormatException">The name breaks a limit of RFC 1035, section 2.3.4.</exception>
    public static byte[] Question(ushort id, string name)
    {
        List<byte> message = [(byte)(id >> 8), (byte)id, 0x01 /* recursion desired */, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        foreach (string label in name.TrimEnd('.').Split('.'))
        {
            byte[] bytes = Encoding.UTF8.GetBytes(label);
            if (bytes.Length is 0 or > 63)
            {
                throw new FormatException($"DNS name \"{name}\": a label has 1 to 63 bytes.");
            }

            message.Add((byte)bytes.Length);
            message.AddRange(bytes);
        }

        message.Add(0);
        if (message.Count - HeaderLength > 255)
        {
            throw new FormatException($"DNS name \"{name}\": longer than 255 bytes.");
        }

        message.AddRange([0, (byte)TypeSrv, 0, (byte)ClassInternet]);
        return [.. message];
    }

    /// <summary>Reads the answer to <paramref name="question"/>; never throws on what a server sends.</summary>
    public static DnsOutcome Answer(ReadOnlySpan<byte> message, ReadOnlySpan<byte> question, List<SrvRecord> into)
    {
        bool answers = message.Length >= question.Length && message[..2].SequenceEqual(question[..2])
            && (message[2] & 0x80) != 0 && BinaryPrimitives.ReadUInt16BigEndian(message[4..]) == 1
            && Ascii.EqualsIgnoreCase(message[HeaderLength..question.Length], question[HeaderLength..]);
        if (!answers)
        {
            return DnsOutcome.Invalid;
        }

        if ((message[2] & 0x02) != 0)
        {
            return DnsOutcome.Truncated;
        }

        const int NoError = 0;
        const int NameError = 3;
        int code = message[3] & 0x0F;
        if (code != NoError)
        {
            return code == NameError ? DnsOutcome.None : DnsOutcome.ServerError;
        }

        int at = question.Length;
        int count = BinaryPrimitives.ReadUInt16BigEndian(message[6..]);
        for (int i = 0; i < count; i++)
        {
            if (!TryReadName(message, ref at, name: null) || at + 10 > message.Length)
            {
                return DnsOutcome.Invalid;
            }

            ushort type = BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
            int length = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 8)..]);
            int data = at + 10;
            at = data + length;
            if (at > message.Length || (type == TypeSrv && !TryReadSrv(message, data, at, into)))
            {
                return DnsOutcome.Invalid;
            }
        }

        return into.Count > 0 ? DnsOutcome.Ok : DnsOutcome.None;
    }

    private static bool TryReadSrv(ReadOnlySpan<byte> message, int data, int end, List<SrvRecord> into)
    {
        int at = data + 6;
        StringBuilder target = new();
        if (at >= end || !TryReadName(message, ref at, target) || at != end)
        {
            return false;
        }

        ReadOnlySpan<byte> fields = message[data..];
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(fields[4..]);

        // A target of "." says that the service is decidedly not there (RFC 2782); port 0 cannot be dialled.
        if (target.Length > 0 && port != 0)
        {
            into.Add(new SrvRecord(
                BinaryPrimitives.ReadUInt16BigEndian(fields), BinaryPrimitives.ReadUInt16BigEndian(fields[2..]), port, target.ToString()));
        }

        return true;
    }

    /// <summary>Reads or skips a name, RFC 1035 sections 3.1 and 4.1.4; pointers only lead backwards.</summary>
    private static bool TryReadName(ReadOnlySpan<byte> message, ref int at, StringBuilder? name)
    {
        int position = at;
        int jumps = 0;
        while (position < message.Length)
        {
            int length = message[position];
            if ((length & 0xC0) == 0xC0)
            {
                if (position + 1 >= message.Length || ++jumps > MaxJumps)
                {
                    return false;
                }

                int target = ((length & 0x3F) << 8) | message[position + 1];
                at = jumps == 1 ? position + 2 : at;
                if (target >= position)
                {
                    return false;
                }

                position = target;
                continue;
            }

            position++;
            if (length == 0)
            {
                at = jumps == 0 ? position : at;
                return true;
            }

            if (length > 63 || position + length > message.Length || name?.Length > 255)
            {
                return false;
            }

            name?.Append(name.Length > 0 ? "." : "").Append(Encoding.UTF8.GetString(message.Slice(position, length)));
            position += length;
        }

        return false;
    }
}
