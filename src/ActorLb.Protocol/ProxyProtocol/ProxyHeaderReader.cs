namespace ActorLb.Protocol.ProxyProtocol;

/// <summary>
/// Reads the PROXY header (HAProxy's proxy-protocol.txt) at the start of a connection, version 1 or 2; allocates nothing.
/// </summary>
public static class ProxyHeaderReader
{
    /// <summary>A version 1 line including its CR LF (2.1).</summary>
    public const int MaxV1Length = 107;

    /// <summary>Room for addresses and every type-length-value in use; the names in certificates are short.</summary>
    public const int DefaultMaxLength = 4096;

    internal static ReadOnlySpan<byte> V1Prefix => "PROXY "u8;

    /// <summary>2.2: twelve bytes that no text protocol starts with.</summary>
    internal static ReadOnlySpan<byte> V2Signature => [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A];

    /// <param name="received">Everything received so far; bytes after the header are ignored.</param>
    /// <param name="maxLength">Largest version 2 header in bytes.</param>
    /// <param name="error">The reason, when <see cref="ProxyStatus.Invalid"/> or <see cref="ProxyStatus.NotProxy"/>.</param>
    public static ProxyStatus Read(ReadOnlySpan<byte> received, int maxLength, out ProxyHeader header, out ProxyError error)
    {
        header = default;
        error = ProxyError.None;
        var prefix = !received.IsEmpty && received[0] == V2Signature[0] ? V2Signature : V1Prefix;
        int known = Math.Min(received.Length, prefix.Length);
        if (!received[..known].SequenceEqual(prefix[..known]))
        {
            error = ProxyError.NotProxy;
            return ProxyStatus.NotProxy;
        }
        if (known < prefix.Length) return ProxyStatus.NeedMore;
        var status = prefix.Length == V1Prefix.Length
            ? ProxyV1Line.Read(received, ref header, ref error)
            : ProxyV2Block.Read(received, maxLength, ref header, ref error);
        return status switch
        {
            ReadStatus.Done => ProxyStatus.Done,
            ReadStatus.Invalid => ProxyStatus.Invalid,
            _ => ProxyStatus.NeedMore,
        };
    }
}
