namespace ActorLb.Protocol.ProxyProtocol;

/// <summary>The human-readable header (proxy-protocol.txt, 2.1).</summary>
internal static class ProxyV1Line
{
    /// <param name="received">Starts with the prefix.</param>
    public static ReadStatus Read(ReadOnlySpan<byte> received, ref ProxyHeader header, ref ProxyError error)
    {
        header.Version = 1;
        var window = received[..Math.Min(received.Length, ProxyHeaderReader.MaxV1Length)];
        int end = window.IndexOfAny((byte)'\r', (byte)'\n');
        if (end < 0) return window.Length < ProxyHeaderReader.MaxV1Length ? ReadStatus.NeedMore : Refuse(ProxyError.TooLong, ref error);
        if (window[end] == '\n') return Refuse(ProxyError.LineEnd, ref error);
        if (end + 1 == window.Length)
            return window.Length < ProxyHeaderReader.MaxV1Length ? ReadStatus.NeedMore : Refuse(ProxyError.TooLong, ref error);
        if (window[end + 1] != '\n') return Refuse(ProxyError.LineEnd, ref error);

        header.TotalLength = end + 2;
        error = Parse(window[ProxyHeaderReader.V1Prefix.Length..end], ref header);
        return error == ProxyError.None ? ReadStatus.Done : ReadStatus.Invalid;
    }

    private static ReadStatus Refuse(ProxyError reason, ref ProxyError error)
    {
        error = reason;
        return ReadStatus.Invalid;
    }

    /// <summary>"TCP4 source destination port port" with single spaces; the rest of a line with UNKNOWN is ignored.</summary>
    private static ProxyError Parse(ReadOnlySpan<byte> line, ref ProxyHeader header)
    {
        var protocol = NextWord(ref line);
        header.Kind = ProxyKind.Unknown;
        if (protocol.SequenceEqual("UNKNOWN"u8)) return ProxyError.None;
        bool v6 = protocol.SequenceEqual("TCP6"u8);
        if (!v6 && !protocol.SequenceEqual("TCP4"u8)) return ProxyError.Protocol;

        if (!TryAddress(NextWord(ref line), v6, out var source)) return ProxyError.Address;
        if (!TryAddress(NextWord(ref line), v6, out var destination)) return ProxyError.Address;
        if (!IpText.TryParseDecimal(NextWord(ref line), ushort.MaxValue, out int sourcePort)) return ProxyError.Port;
        // What remains must be the last number: a space in or after it is not a digit.
        if (!IpText.TryParseDecimal(line, ushort.MaxValue, out int destinationPort)) return ProxyError.Port;
        header.Kind = ProxyKind.Ip;
        header.Source = source with { Port = (ushort)sourcePort };
        header.Destination = destination with { Port = (ushort)destinationPort };
        return ProxyError.None;
    }

    private static ReadOnlySpan<byte> NextWord(ref ReadOnlySpan<byte> line)
    {
        int space = line.IndexOf((byte)' ');
        var word = space < 0 ? line : line[..space];
        line = space < 0 ? default : line[(space + 1)..];
        return word;
    }

    private static bool TryAddress(ReadOnlySpan<byte> text, bool v6, out EndpointAddress address)
    {
        if (v6) return IpText.TryParseV6(text, out address);
        bool valid = IpText.TryParseV4(text, out uint bits);
        address = new EndpointAddress(false, 0, bits, 0);
        return valid;
    }
}
