namespace ActorLb.Protocol.WebSocket;

/// <summary>First line of a request (RFC 9112, 3).</summary>
internal static class RequestLine
{
    /// <summary>Without CR LF.</summary>
    public const int MaxLength = 4096;

    /// <param name="line">Without CR LF; offset 0 of the head.</param>
    /// <param name="authority">Host of an absolute target.</param>
    public static UpgradeError Parse(ReadOnlySpan<byte> line, ref UpgradeRequest request, out FieldRange authority)
    {
        authority = default;
        int first = line.IndexOf((byte)' ');
        int last = line.LastIndexOf((byte)' ');
        if (first <= 0 || last == first) return UpgradeError.RequestLine;
        var target = line[(first + 1)..last];
        if (!HttpHead.IsToken(line[..first]) || target.IsEmpty || target.Contains((byte)' ')) return UpgradeError.RequestLine;
        if (!IsVersion(line[(last + 1)..])) return UpgradeError.RequestLine;
        if (!line[(last + 1)..].SequenceEqual("HTTP/1.1"u8)) return UpgradeError.HttpVersion;
        if (!line[..first].SequenceEqual("GET"u8)) return UpgradeError.Method;

        int start = first + 1;
        if (target[0] != '/')
        {
            int scheme = SchemeLength(target);
            if (scheme == 0) return UpgradeError.RequestLine;
            int length = target[scheme..].IndexOfAny((byte)'/', (byte)'?');
            if (length <= 0) return UpgradeError.Path;
            authority = new FieldRange(start + scheme, length);
            start = authority.End;
        }
        return SplitTarget(line, start, last, ref request);
    }

    private static UpgradeError SplitTarget(ReadOnlySpan<byte> line, int start, int end, ref UpgradeRequest request)
    {
        // A fragment is never sent (RFC 9112, 3.2).
        if (line[start..end].Contains((byte)'#')) return UpgradeError.RequestLine;
        int question = line[start..end].IndexOf((byte)'?');
        int pathEnd = question < 0 ? end : start + question;
        request.Path = new FieldRange(start, pathEnd - start);
        if (question >= 0) request.Query = new FieldRange(pathEnd + 1, end - pathEnd - 1);
        return UpgradeError.None;
    }

    private static int SchemeLength(ReadOnlySpan<byte> target)
    {
        if (target.Length >= 7 && HttpHead.Equals(target[..7], "http://"u8)) return 7;
        return target.Length >= 8 && HttpHead.Equals(target[..8], "https://"u8) ? 8 : 0;
    }

    private static bool IsVersion(ReadOnlySpan<byte> text) =>
        text.Length == 8 && text.StartsWith("HTTP/"u8) && char.IsAsciiDigit((char)text[5]) && text[6] == '.' && char.IsAsciiDigit((char)text[7]);
}
