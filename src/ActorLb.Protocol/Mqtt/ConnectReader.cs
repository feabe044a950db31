using System.Buffers.Binary;

namespace ActorLb.Protocol.Mqtt;

/// <summary>Reads and validates the CONNECT at the start of a connection, MQTT 3.1, 3.1.1 and 5; allocates nothing.</summary>
public static class ConnectReader
{
    /// <summary>After this many bytes name, level and size have been checked, so a refusal never needs a larger buffer.</summary>
    public const int MaxPreambleLength = 1 + VariableByteInteger.MaxLength + 2 + 6 + 1;

    private static ReadOnlySpan<byte> Name => [0, 4, (byte)'M', (byte)'Q', (byte)'T', (byte)'T'];

    private static ReadOnlySpan<byte> OldName => [0, 6, (byte)'M', (byte)'Q', (byte)'I', (byte)'s', (byte)'d', (byte)'p'];

    private static readonly PropertySet ConnectProperties = PropertySet.Of(
        PropertyId.SessionExpiry, PropertyId.ReceiveMaximum, PropertyId.MaximumPacketSize, PropertyId.TopicAliasMaximum,
        PropertyId.RequestResponseInformation, PropertyId.RequestProblemInformation, PropertyId.UserProperty,
        PropertyId.AuthenticationMethod, PropertyId.AuthenticationData);

    private static readonly PropertySet AllowedWillProperties = PropertySet.Of(
        PropertyId.WillDelay, PropertyId.PayloadFormat, PropertyId.MessageExpiry, PropertyId.ContentType,
        PropertyId.ResponseTopic, PropertyId.CorrelationData, PropertyId.UserProperty);

    /// <param name="received">Everything received so far; bytes after the CONNECT are ignored.</param>
    /// <param name="maxPacketSize">Largest packet in bytes, including the fixed header.</param>
    /// <param name="connect">See <see cref="ConnectPacket"/> for what is set when.</param>
    /// <param name="error">The reason, when <see cref="ReadStatus.Invalid"/>.</param>
    public static ReadStatus Read(ReadOnlySpan<byte> received, int maxPacketSize, out ConnectPacket connect, out ConnectError error)
    {
        connect = default;
        error = ConnectError.None;
        var status = ReadPreamble(received, maxPacketSize, ref connect, ref error);
        if (status != ReadStatus.Done) return status;
        if (received.Length < connect.TotalLength) return ReadStatus.NeedMore;
        error = ReadBody(received[..connect.TotalLength], ref connect);
        return error == ConnectError.None ? ReadStatus.Done : ReadStatus.Invalid;
    }

    /// <summary>Fixed header, protocol name and level, checked as the bytes arrive so that anything but MQTT is refused at once.</summary>
    private static ReadStatus ReadPreamble(
        ReadOnlySpan<byte> received, int maxPacketSize, ref ConnectPacket connect, ref ConnectError error)
    {
        if (received.IsEmpty) return ReadStatus.NeedMore;
        if (received[0] >> 4 != (int)PacketType.Connect) return Refuse(ConnectError.NotConnect, ref error);
        if ((received[0] & 0x0F) != 0) return Refuse(ConnectError.HeaderFlags, ref error);

        var status = VariableByteInteger.Read(received[1..], out int remaining, out int lengthBytes);
        if (status == ReadStatus.Invalid) return Refuse(ConnectError.RemainingLength, ref error);
        if (status == ReadStatus.NeedMore) return status;
        connect.HeaderLength = 1 + lengthBytes;
        connect.TotalLength = connect.HeaderLength + remaining;

        var body = received[connect.HeaderLength..];
        // The length's second byte distinguishes the two names; until it arrives both are possible.
        var name = body.Length > 1 && body[1] == 6 ? OldName : Name;
        int known = Math.Min(body.Length, name.Length);
        if (!body[..Math.Min(known, remaining)].SequenceEqual(name[..Math.Min(known, remaining)]))
            return Refuse(ConnectError.ProtocolName, ref error);
        if (remaining <= name.Length)
        {
            // Too short to hold a level: wait for the bytes that decide between a wrong name and a short packet.
            return known < remaining ? ReadStatus.NeedMore : Refuse(ConnectError.PacketTooShort, ref error);
        }
        if (body.Length <= name.Length) return ReadStatus.NeedMore;

        bool current = name.Length == Name.Length;
        var level = ReadLevel(body[name.Length], current, ref connect);
        if (level != ConnectError.None) return Refuse(level, ref error);
        // Only MQTT 5 requires the shortest form (MQTT-1.5.5-1).
        if (connect.Version == MqttVersion.V5 && lengthBytes != VariableByteInteger.LengthOf(remaining))
            return Refuse(ConnectError.RemainingLengthNotMinimal, ref error);
        if (connect.TotalLength > maxPacketSize) return Refuse(ConnectError.PacketTooLarge, ref error);
        connect.FlagsOffset = connect.HeaderLength + name.Length + 1;
        return ReadStatus.Done;
    }

    private static ReadStatus Refuse(ConnectError reason, ref ConnectError error)
    {
        error = reason;
        return ReadStatus.Invalid;
    }

    private static ConnectError ReadLevel(byte level, bool current, ref ConnectPacket connect)
    {
        (connect.Version, connect.IsBridge) = (current, level) switch
        {
            (true, 4) => (MqttVersion.V311, false),
            (true, 5) => (MqttVersion.V5, false),
            (true, 0x84) => (MqttVersion.V311, true),
            (false, 3) => (MqttVersion.V31, false),
            (false, 0x83) => (MqttVersion.V31, true),
            _ => (MqttVersion.Unknown, false),
        };
        if (connect.Version != MqttVersion.Unknown) return ConnectError.None;
        connect.Version = current && level > 5 ? MqttVersion.V5 : MqttVersion.V311;
        return ConnectError.ProtocolLevel;
    }

    private static ConnectError ReadBody(ReadOnlySpan<byte> packet, ref ConnectPacket connect)
    {
        int position = connect.FlagsOffset;
        if (packet.Length - position < 3) return ConnectError.PacketTooShort;
        connect.Flags = packet[position];
        connect.KeepAlive = BinaryPrimitives.ReadUInt16BigEndian(packet[(position + 1)..]);
        position += 3;

        var error = CheckFlags(connect.Flags, connect.Version);
        if (error != ConnectError.None) return error;
        if (connect.Version == MqttVersion.V5)
        {
            error = ReadPropertyLength(packet, ref position, out connect.Properties);
            if (error == ConnectError.None) error = ReadConnectProperties(packet, ref connect);
            if (error != ConnectError.None) return error;
        }
        error = ReadPayload(packet, ref position, ref connect);
        if (error != ConnectError.None) return error;
        return position == packet.Length ? ConnectError.None : ConnectError.TrailingBytes;
    }

    private static ConnectError CheckFlags(byte flags, MqttVersion version)
    {
        if ((flags & ConnectFlags.Reserved) != 0) return ConnectError.ReservedFlag; // MQTT-3.1.2-3
        if ((flags & ConnectFlags.Will) != 0)
        {
            if ((flags & ConnectFlags.WillQosMask) == ConnectFlags.WillQosMask) return ConnectError.WillQos; // MQTT-3.1.2-12
        }
        else if (version != MqttVersion.V31 && (flags & (ConnectFlags.WillQosMask | ConnectFlags.WillRetain)) != 0)
        {
            // MQTT-3.1.2-11 and -13; MQTT 3.1 says to ignore them (3.1, Will QoS and Will Retain).
            return ConnectError.WillFlagsWithoutWill;
        }
        bool passwordAlone = (flags & (ConnectFlags.UserName | ConnectFlags.Password)) == ConnectFlags.Password;
        // 3.1.1: MQTT-3.1.2-22. MQTT 5 allows it (3.1.2.9).
        return passwordAlone && version != MqttVersion.V5 ? ConnectError.PasswordWithoutUserName : ConnectError.None;
    }

    private static ConnectError ReadPropertyLength(ReadOnlySpan<byte> packet, ref int position, out FieldRange properties)
    {
        properties = default;
        var status = VariableByteInteger.Read(packet[position..], out int length, out int lengthBytes);
        if (status == ReadStatus.NeedMore) return ConnectError.PacketTooShort;
        if (status == ReadStatus.Invalid || lengthBytes != VariableByteInteger.LengthOf(length)) return ConnectError.PropertyLength;
        position += lengthBytes;
        if (packet.Length - position < length) return ConnectError.PacketTooShort;
        properties = new FieldRange(position, length);
        position += length;
        return ConnectError.None;
    }

    private static ConnectError ReadConnectProperties(ReadOnlySpan<byte> packet, ref ConnectPacket connect)
    {
        var property = new PropertyCursor(packet, connect.Properties, ConnectProperties);
        while (property.MoveNext())
        {
            switch (property.Id)
            {
                case PropertyId.SessionExpiry: connect.SessionExpiry = property.Number; break;
                case PropertyId.MaximumPacketSize: connect.MaximumPacketSize = property.Number; break;
                case PropertyId.AuthenticationMethod: connect.AuthenticationMethod = property.Value; break;
            }
        }
        if (property.Error != ConnectError.None) return property.Error;
        // 3.1.2.11.10: Authentication Data without a method is a Protocol Error.
        return property.HasSeen(PropertyId.AuthenticationData) && !property.HasSeen(PropertyId.AuthenticationMethod)
            ? ConnectError.AuthenticationDataWithoutMethod
            : ConnectError.None;
    }

    private static ConnectError ReadPayload(ReadOnlySpan<byte> packet, ref int position, ref ConnectPacket connect)
    {
        if (!ReadField(packet, ref position, out connect.ClientId)) return ConnectError.PacketTooShort;
        if (!MqttText.IsValid(connect.ClientId.In(packet))) return ConnectError.ClientIdEncoding;
        // 3.1: at least one character; 3.1.1: an empty id needs Clean Session (MQTT-3.1.3-7); 5: the server assigns one.
        // The upper bound of 23 characters in 3.1 is not enforced: brokers accept longer ids and clients rely on it.
        bool mayBeEmpty = connect.Version == MqttVersion.V5 || (connect.Version == MqttVersion.V311 && connect.CleanStart);
        if (connect.ClientId.Length == 0 && !mayBeEmpty) return ConnectError.ClientIdEmpty;

        if (connect.HasWill)
        {
            var will = ReadWill(packet, ref position, ref connect);
            if (will != ConnectError.None) return will;
        }
        // An MQTT 3.1 client may set the flags and send no field: the remaining length decides (3.1, user name flag).
        bool endMayComeEarly = connect.Version == MqttVersion.V31;
        if ((connect.Flags & ConnectFlags.UserName) != 0 && !(endMayComeEarly && position == packet.Length))
        {
            if (!ReadField(packet, ref position, out connect.UserName)) return ConnectError.PacketTooShort;
            if (!MqttText.IsValid(connect.UserName.In(packet))) return ConnectError.UserNameEncoding;
        }
        if ((connect.Flags & ConnectFlags.Password) != 0 && !(endMayComeEarly && position == packet.Length)
            && !ReadField(packet, ref position, out connect.Password))
        {
            return ConnectError.PacketTooShort;
        }
        return ConnectError.None;
    }

    private static ConnectError ReadWill(ReadOnlySpan<byte> packet, ref int position, ref ConnectPacket connect)
    {
        if (connect.Version == MqttVersion.V5)
        {
            var error = ReadPropertyLength(packet, ref position, out connect.WillProperties);
            if (error != ConnectError.None) return error;
            var property = new PropertyCursor(packet, connect.WillProperties, AllowedWillProperties);
            while (property.MoveNext())
            {
                // The cursor checks everything that matters to a balancer.
            }
            if (property.Error != ConnectError.None) return property.Error;
        }
        if (!ReadField(packet, ref position, out connect.WillTopic)) return ConnectError.PacketTooShort;
        var topic = connect.WillTopic.In(packet);
        if (!MqttText.IsValid(topic)) return ConnectError.WillTopicEncoding;
        if (!MqttText.IsTopicName(topic)) return ConnectError.WillTopicName;
        return ReadField(packet, ref position, out connect.WillPayload) ? ConnectError.None : ConnectError.PacketTooShort;
    }

    private static bool ReadField(ReadOnlySpan<byte> packet, ref int position, out FieldRange field)
    {
        field = default;
        if (packet.Length - position < 2) return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(packet[position..]);
        if (packet.Length - position - 2 < length) return false;
        field = new FieldRange(position + 2, length);
        position = field.End;
        return true;
    }
}
