using System.Buffers.Binary;

namespace ActorLb.Protocol.Mqtt;

public enum ConnackStatus : byte
{
    NeedMore,
    Invalid,
    Done,

    /// <summary>MQTT 5: a complete AUTH packet comes first (enhanced authentication, 4.12): pass it on and read on after it.</summary>
    Auth,
}

/// <summary>Why a broker's answer is refused. The numbers are stable: they appear in logs and metrics.</summary>
public enum ConnackError : byte
{
    None = 0,
    NotConnack = 1,
    HeaderFlags = 2,
    RemainingLength = 3,
    PacketTooLarge = 4,
    PacketTooShort = 5,
    AcknowledgeFlags = 6,
    Properties = 7,
    TrailingBytes = 8,
}

/// <summary>A CONNACK as offsets into its bytes.</summary>
public struct ConnackPacket
{
    /// <summary>Bytes of the packet, or of the AUTH; 0 while unknown.</summary>
    public int TotalLength;

    public bool SessionPresent;

    /// <summary>Return code of MQTT 3.x or reason code of MQTT 5; 0 means accepted.</summary>
    public byte Code;

    /// <summary>MQTT 5: the broker overrules the client's Keep Alive with <see cref="ServerKeepAlive"/>.</summary>
    public bool HasServerKeepAlive;

    /// <summary>Seconds; 0 is off.</summary>
    public ushort ServerKeepAlive;

    public FieldRange AssignedClientId;
    public FieldRange ServerReference;
    public FieldRange ReasonString;

    public readonly bool IsAccepted => Code == 0;
}

/// <summary>Reads the broker's first packet; allocates nothing.</summary>
public static class ConnackReader
{
    private static readonly PropertySet Allowed = PropertySet.Of(
        PropertyId.SessionExpiry, PropertyId.ReceiveMaximum, PropertyId.MaximumQos, PropertyId.RetainAvailable,
        PropertyId.MaximumPacketSize, PropertyId.AssignedClientId, PropertyId.TopicAliasMaximum, PropertyId.ReasonString,
        PropertyId.UserProperty, PropertyId.WildcardSubscriptionAvailable, PropertyId.SubscriptionIdentifierAvailable,
        PropertyId.SharedSubscriptionAvailable, PropertyId.ServerKeepAlive, PropertyId.ResponseInformation,
        PropertyId.ServerReference, PropertyId.AuthenticationMethod, PropertyId.AuthenticationData);

    /// <param name="received">Everything received so far; bytes after the packet are ignored.</param>
    /// <param name="version">Of the CONNECT that this answers.</param>
    /// <param name="maxPacketSize">Largest packet in bytes, including the fixed header.</param>
    public static ConnackStatus Read(
        ReadOnlySpan<byte> received, MqttVersion version, int maxPacketSize, out ConnackPacket connack, out ConnackError error)
    {
        connack = default;
        error = ConnackError.None;
        if (received.IsEmpty) return ConnackStatus.NeedMore;
        bool auth = version == MqttVersion.V5 && received[0] >> 4 == (int)PacketType.Auth;
        if (!auth && received[0] >> 4 != (int)PacketType.Connack) return Refuse(ConnackError.NotConnack, out error);
        if ((received[0] & 0x0F) != 0) return Refuse(ConnackError.HeaderFlags, out error);

        var status = VariableByteInteger.Read(received[1..], out int remaining, out int lengthBytes);
        if (status == ReadStatus.NeedMore) return ConnackStatus.NeedMore;
        if (status == ReadStatus.Invalid) return Refuse(ConnackError.RemainingLength, out error);
        connack.TotalLength = 1 + lengthBytes + remaining;
        if (connack.TotalLength > maxPacketSize) return Refuse(ConnackError.PacketTooLarge, out error);
        if (!auth && remaining < 2) return Refuse(ConnackError.PacketTooShort, out error);
        if (received.Length < connack.TotalLength) return ConnackStatus.NeedMore;
        if (auth) return ConnackStatus.Auth;

        error = ReadBody(received[..connack.TotalLength], 1 + lengthBytes, version, ref connack);
        return error == ConnackError.None ? ConnackStatus.Done : ConnackStatus.Invalid;
    }

    private static ConnackStatus Refuse(ConnackError reason, out ConnackError error)
    {
        error = reason;
        return ConnackStatus.Invalid;
    }

    private static ConnackError ReadBody(ReadOnlySpan<byte> packet, int position, MqttVersion version, ref ConnackPacket connack)
    {
        byte flags = packet[position];
        connack.Code = packet[position + 1];
        position += 2;
        // MQTT 3.1 leaves the whole byte unused; later versions require all but the lowest bit to be zero (3.1.1 and 5: 3.2.2.1).
        if (version != MqttVersion.V31)
        {
            if (flags > 1) return ConnackError.AcknowledgeFlags;
            connack.SessionPresent = flags == 1;
        }
        // A broker without MQTT 5 refuses such a CONNECT in the format it knows: no properties (3.1.1, 3.1.2.2).
        bool oldForm = position == packet.Length && connack.Code is >= 1 and <= 5;
        if (version == MqttVersion.V5 && !oldForm) return ReadProperties(packet, position, ref connack);
        return position == packet.Length ? ConnackError.None : ConnackError.TrailingBytes;
    }

    private static ConnackError ReadProperties(ReadOnlySpan<byte> packet, int position, ref ConnackPacket connack)
    {
        var status = VariableByteInteger.Read(packet[position..], out int length, out int lengthBytes);
        if (status == ReadStatus.NeedMore) return ConnackError.PacketTooShort;
        if (status == ReadStatus.Invalid) return ConnackError.Properties;
        position += lengthBytes;
        if (packet.Length - position != length)
            return packet.Length - position < length ? ConnackError.PacketTooShort : ConnackError.TrailingBytes;

        var property = new PropertyCursor(packet, new FieldRange(position, length), Allowed);
        while (property.MoveNext())
        {
            switch (property.Id)
            {
                case PropertyId.ServerKeepAlive:
                    connack.HasServerKeepAlive = true;
                    connack.ServerKeepAlive = (ushort)property.Number;
                    break;
                case PropertyId.AssignedClientId: connack.AssignedClientId = property.Value; break;
                case PropertyId.ServerReference: connack.ServerReference = property.Value; break;
                case PropertyId.ReasonString: connack.ReasonString = property.Value; break;
            }
        }
        return property.Error == ConnectError.None ? ConnackError.None : ConnackError.Properties;
    }
}
