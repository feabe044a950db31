namespace ActorLb.Protocol.WebSocket;

/// <summary>The values of an upgrade request to a backend. They must hold no control characters: they come from validated requests and
/// options.</summary>
public ref struct UpgradeRequestValues
{
    /// <summary>Starts with a slash; may include a query.</summary>
    public ReadOnlySpan<byte> Path;

    /// <summary>The client's query, without the question mark; appended to the path's own.</summary>
    public ReadOnlySpan<byte> Query;

    public ReadOnlySpan<byte> Host;

    /// <summary>Of <see cref="AcceptKey.KeyLength"/> bytes.</summary>
    public ReadOnlySpan<byte> Key;

    public MqttSubprotocol Subprotocol;

    /// <summary>The client's address as text; when empty, as for a probe, the address fields are left out.</summary>
    public ReadOnlySpan<byte> RemoteAddress;

    /// <summary>The bytes of the client's own request; empty when it sent none.</summary>
    public ReadOnlySpan<byte> Client;

    /// <summary>Offsets into <see cref="Client"/>.</summary>
    public UpgradeRequest ClientRequest;

    /// <summary>Which of its fields are passed on; null for none.</summary>
    public PassedFields? Passed;

    /// <summary>The client is a proxy that is trusted to state addresses.</summary>
    public bool IsBelieved;
}

/// <summary>Writes the upgrade request to a WebSocket backend (RFC 6455, 4.1), with the fields that identify the client.</summary>
public static class UpgradeRequestWriter
{
    private const int FixedLength = 320;

    /// <summary>A sufficient number of bytes for the request.</summary>
    public static int MaxLength(in UpgradeRequestValues values) =>
        FixedLength + values.Path.Length + values.Query.Length + values.Host.Length + ClientAddressFields.MaxLength(values.RemoteAddress)
        // One extra space for each field that had none after its colon.
        + values.Client.Length + HttpHead.MaxFields;

    /// <param name="destination">At least <see cref="MaxLength"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int Write(Span<byte> destination, in UpgradeRequestValues values)
    {
        int at = 0;
        HttpHead.Put(destination, ref at, "GET "u8);
        HttpHead.Put(destination, ref at, values.Path);
        if (!values.Query.IsEmpty)
        {
            HttpHead.Put(destination, ref at, values.Path.Contains((byte)'?') ? "&"u8 : "?"u8);
            HttpHead.Put(destination, ref at, values.Query);
        }
        HttpHead.Put(destination, ref at, " HTTP/1.1\r\nHost: "u8);
        HttpHead.Put(destination, ref at, values.Host);
        HttpHead.Put(destination, ref at, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "u8);
        HttpHead.Put(destination, ref at, values.Key);
        if (values.Subprotocol != MqttSubprotocol.None)
        {
            HttpHead.Put(destination, ref at, "\r\nSec-WebSocket-Protocol: "u8);
            HttpHead.Put(destination, ref at, UpgradeRequest.NameOf(values.Subprotocol));
        }
        if (!values.Client.IsEmpty) values.Passed?.Write(destination, ref at, values.Client, values.ClientRequest);
        if (!values.RemoteAddress.IsEmpty)
        {
            var proxy = values.IsBelieved ? values.Client : default;
            ClientAddressFields.Write(destination, ref at, values.RemoteAddress, proxy, values.ClientRequest);
        }
        HttpHead.Put(destination, ref at, HttpHead.End);
        return at;
    }
}
