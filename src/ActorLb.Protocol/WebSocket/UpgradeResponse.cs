namespace ActorLb.Protocol.WebSocket;

/// <summary>Writes the 101 response (RFC 6455, 4.2.2).</summary>
public static class UpgradeResponse
{
    /// <summary>Length of the longest response in bytes.</summary>
    public const int MaxLength = 192;

    /// <param name="key">The request's Sec-WebSocket-Key.</param>
    /// <returns>Bytes written.</returns>
    public static int Write(Span<byte> destination, ReadOnlySpan<byte> key, MqttSubprotocol subprotocol)
    {
        int at = 0;
        HttpHead.Put(destination, ref at, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "u8);
        AcceptKey.WriteAccept(key, destination[at..]);
        at += AcceptKey.AcceptLength;
        if (subprotocol != MqttSubprotocol.None)
        {
            HttpHead.Put(destination, ref at, "\r\nSec-WebSocket-Protocol: "u8);
            HttpHead.Put(destination, ref at, UpgradeRequest.NameOf(subprotocol));
        }
        HttpHead.Put(destination, ref at, HttpHead.End);
        return at;
    }
}
