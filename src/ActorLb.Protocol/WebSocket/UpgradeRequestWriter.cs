namespace ActorLb.Protocol.WebSocket;

/// <summary>An upgrade to ask a backend for. Texts must hold no control characters: they come from checked requests and options.</summary>
public ref struct UpgradeRequestValues
{
    /// <summary>Begins with a slash; may hold a query.</summary>
    public ReadOnlySpan<byte> Path;

    public ReadOnlySpan<byte> Host;

    /// <summary>Of <see cref="AcceptKey.KeyLength"/> bytes.</summary>
    public ReadOnlySpan<byte> Key;

    public MqttSubprotocol Subprotocol;

    /// <summary>The client's address as text; empty leaves out the fields that tell it, as for a probe.</summary>
    public ReadOnlySpan<byte> RemoteAddress;

    /// <summary>Addresses that proxies before this one told, joined with commas.</summary>
    public ReadOnlySpan<byte> ForwardedFor;
}

/// <summary>Writes the upgrade request to a WebSocket backend (RFC 6455, 4.1), with the fields by which it learns the client.</summary>
public static class UpgradeRequestWriter
{
    private const int FixedLength = 320;

    /// <summary>Enough bytes for the request.</summary>
    public static int MaxLength(in UpgradeRequestValues values) =>
        FixedLength + values.Path.Length + values.Host.Length + 3 * values.RemoteAddress.Length + values.ForwardedFor.Length;

    /// <param name="destination">At least <see cref="MaxLength"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int Write(Span<byte> destination, in UpgradeRequestValues values)
    {
        int at = 0;
        HttpHead.Put(destination, ref at, "GET "u8);
        HttpHead.Put(destination, ref at, values.Path);
        HttpHead.Put(destination, ref at, " HTTP/1.1\r\nHost: "u8);
        HttpHead.Put(destination, ref at, values.Host);
        HttpHead.Put(destination, ref at, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "u8);
        HttpHead.Put(destination, ref at, values.Key);
        if (values.Subprotocol != MqttSubprotocol.None)
        {
            HttpHead.Put(destination, ref at, "\r\nSec-WebSocket-Protocol: "u8);
            HttpHead.Put(destination, ref at, UpgradeRequest.NameOf(values.Subprotocol));
        }
        if (!values.RemoteAddress.IsEmpty)
        {
            HttpHead.Put(destination, ref at, "\r\nX-Real-IP: "u8);
            HttpHead.Put(destination, ref at, values.RemoteAddress);
            HttpHead.Put(destination, ref at, "\r\nREMOTE-HOST: "u8);
            HttpHead.Put(destination, ref at, values.RemoteAddress);
            HttpHead.Put(destination, ref at, "\r\nX-Forwarded-For: "u8);
            if (!values.ForwardedFor.IsEmpty)
            {
                HttpHead.Put(destination, ref at, values.ForwardedFor);
                HttpHead.Put(destination, ref at, ", "u8);
            }
            HttpHead.Put(destination, ref at, values.RemoteAddress);
        }
        HttpHead.Put(destination, ref at, HttpHead.End);
        return at;
    }
}
