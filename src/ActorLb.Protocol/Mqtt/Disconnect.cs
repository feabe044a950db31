namespace ActorLb.Protocol.Mqtt;

/// <summary>Reason codes of a DISCONNECT from the server (MQTT 5, 3.14.2.1, table 3-13).</summary>
public enum DisconnectReason : byte
{
    Normal = 0x00,
    UnspecifiedError = 0x80,
    MalformedPacket = 0x81,
    ProtocolError = 0x82,
    NotAuthorized = 0x87,
    ServerBusy = 0x89,
    ServerShuttingDown = 0x8B,
    KeepAliveTimeout = 0x8D,
    SessionTakenOver = 0x8E,
    PacketTooLarge = 0x95,
    QuotaExceeded = 0x97,
    AdministrativeAction = 0x98,
    UseAnotherServer = 0x9C,
    ServerMoved = 0x9D,
    ConnectionRateExceeded = 0x9F,
    MaximumConnectTime = 0xA0,
}

/// <summary>DISCONNECT packets.</summary>
public static class Disconnect
{
    /// <summary>A client's normal disconnect, in every version: the broker discards the Will (3.1.1, 3.14; MQTT 5, 3.14.2.1).</summary>
    public static ReadOnlySpan<byte> Clean => [0xE0, 0];

    /// <summary>MQTT 5: a client's disconnect that publishes the Will, reason 0x04.</summary>
    public static ReadOnlySpan<byte> WithWill => [0xE0, 1, 0x04];

    /// <summary>Bytes that <see cref="Write"/> writes for texts of these lengths.</summary>
    public static int LengthOf(int serverReferenceLength, int reasonStringLength)
    {
        int properties = PropertiesLength(serverReferenceLength, reasonStringLength);
        int remaining = properties == 0 ? 1 : 1 + VariableByteInteger.LengthOf(properties) + properties;
        return 1 + VariableByteInteger.LengthOf(remaining) + remaining;
    }

    /// <summary>
    /// Server to client, MQTT 5 only: in earlier versions a server sends no DISCONNECT, it just closes the connection.
    /// Empty texts are left out. Without properties their length is left out too (3.14.2.2.1).
    /// </summary>
    /// <returns>Bytes written.</returns>
    public static int Write(
        Span<byte> destination, DisconnectReason reason, ReadOnlySpan<byte> serverReference = default,
        ReadOnlySpan<byte> reasonString = default)
    {
        int properties = PropertiesLength(serverReference.Length, reasonString.Length);
        int remaining = properties == 0 ? 1 : 1 + VariableByteInteger.LengthOf(properties) + properties;
        destination[0] = (byte)PacketType.Disconnect << 4;
        int at = 1 + VariableByteInteger.Write(destination[1..], remaining);
        destination[at++] = (byte)reason;
        if (properties == 0) return at;
        at += VariableByteInteger.Write(destination[at..], properties);
        if (!reasonString.IsEmpty) at += Connack.WriteTextProperty(destination[at..], PropertyId.ReasonString, reasonString);
        if (!serverReference.IsEmpty) at += Connack.WriteTextProperty(destination[at..], PropertyId.ServerReference, serverReference);
        return at;
    }

    private static int PropertiesLength(int serverReferenceLength, int reasonStringLength) =>
        (serverReferenceLength == 0 ? 0 : 3 + serverReferenceLength) + (reasonStringLength == 0 ? 0 : 3 + reasonStringLength);
}
