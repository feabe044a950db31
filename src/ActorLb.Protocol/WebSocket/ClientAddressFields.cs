using ActorLb.Protocol.ProxyProtocol;

namespace ActorLb.Protocol.WebSocket;

/// <summary>
/// The fields that tell a WebSocket backend the client's address: X-Real-IP, REMOTE-HOST and X-Forwarded-For. A client's own values
/// of them, and of Forwarded (RFC 7239), are dropped. A trusted proxy's list is kept with the proxy's address appended, and the
/// address that it names is the client's.
/// </summary>
internal static class ClientAddressFields
{
    private const int FixedLength = 128;

    /// <param name="address">The address that the request came from, as text.</param>
    public static int MaxLength(ReadOnlySpan<byte> address) => FixedLength + 2 * IpText.MaxLength + 2 * address.Length;

    /// <summary>Appends the fields, each with the line end before it.</summary>
    /// <param name="proxy">The request of a trusted proxy; empty for any other client.</param>
    public static void Write(Span<byte> destination, ref int at, ReadOnlySpan<byte> address, ReadOnlySpan<byte> proxy, in UpgradeRequest request)
    {
        var client = ClientOf(proxy, request, address);
        HttpHead.Put(destination, ref at, "\r\nX-Real-IP: "u8);
        HttpHead.Put(destination, ref at, client);
        HttpHead.Put(destination, ref at, "\r\nREMOTE-HOST: "u8);
        HttpHead.Put(destination, ref at, client);

        HttpHead.Put(destination, ref at, "\r\nX-Forwarded-For: "u8);
        int start = at;
        UpgradeRequestReader.Join(proxy, request, "X-Forwarded-For"u8, ", "u8, destination, ref at);
        if (at > start) HttpHead.Put(destination, ref at, ", "u8);
        HttpHead.Put(destination, ref at, address);

        if (UpgradeRequestReader.Last(proxy, request, "Forwarded"u8).IsEmpty) return;
        HttpHead.Put(destination, ref at, "\r\nForwarded: "u8);
        UpgradeRequestReader.Join(proxy, request, "Forwarded"u8, ", "u8, destination, ref at);
        // RFC 7239, section 6: an IPv6 address must be in brackets and quotes.
        bool v6 = address.Contains((byte)':');
        HttpHead.Put(destination, ref at, v6 ? ", for=\"["u8 : ", for="u8);
        HttpHead.Put(destination, ref at, address);
        if (v6) HttpHead.Put(destination, ref at, "]\""u8);
    }

    /// <summary>The client that a trusted proxy names: by X-Real-IP, or else the last entry of X-Forwarded-For, which the proxy added
    /// itself; the proxy's own address when neither is an address.</summary>
    private static ReadOnlySpan<byte> ClientOf(ReadOnlySpan<byte> proxy, in UpgradeRequest request, ReadOnlySpan<byte> address)
    {
        var named = UpgradeRequestReader.Last(proxy, request, "X-Real-IP"u8);
        if (IsAddress(named)) return named;
        var list = UpgradeRequestReader.Last(proxy, request, "X-Forwarded-For"u8);
        named = HttpHead.Trim(list[(list.LastIndexOf((byte)',') + 1)..]);
        return IsAddress(named) ? named : address;
    }

    private static bool IsAddress(ReadOnlySpan<byte> text) =>
        text.Length <= IpText.MaxLength && (IpText.TryParseV4(text, out _) || IpText.TryParseV6(text, out _));
}
