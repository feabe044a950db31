using System.Buffers.Binary;

namespace ActorLb.Protocol.Mqtt.Client;

/// <summary>Fixed header of a packet (MQTT 5, 2.1).</summary>
public struct PacketHeader
{
    public PacketType Type;

    /// <summary>Low nibble of the first byte.</summary>
    public byte Flags;

    /// <summary>Bytes of the fixed header.</summary>
    public int HeaderLength;

    /// <summary>Bytes of the packet; 0 while unknown.</summary>
    public int TotalLength;
}

/// <summary>A PUBLISH as offsets into its bytes.</summary>
public struct PublishPacket
{
    public int Qos;
    public bool Retain;
    public bool Duplicate;

    /// <summary>0 with QoS 0.</summary>
    public ushort PacketId;

    public FieldRange Topic;
    public FieldRange Payload;
}

/// <summary>PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK or UNSUBACK.</summary>
public struct AckPacket
{
    public PacketType Type;
    public ushort PacketId;

    /// <summary>MQTT 5 reason code, or the first of a SUBACK's; 0 is success, 0x80 and up a failure.</summary>
    public byte Reason;
}

/// <summary>Reads what a broker sends to a client that publishes and subscribes.</summary>
public static class PacketReader
{
    /// <summary>Done when the whole packet is there.</summary>
    public static ReadStatus ReadHeader(ReadOnlySpan<byte> received, int maxPacketSize, out PacketHeader header)
    {
        header = default;
        if (received.IsEmpty) return ReadStatus.NeedMore;
        header.Type = (PacketType)(received[0] >> 4);
        header.Flags = (byte)(received[0] & 0x0F);
        if (header.Type == PacketType.Reserved) return ReadStatus.Invalid;
        ReadStatus status = VariableByteInteger.Read(received[1..], out int remaining, out int lengthBytes);
        if (status != ReadStatus.Done) return status;
        header.HeaderLength = 1 + lengthBytes;
        header.TotalLength = header.HeaderLength + remaining;
        if (header.TotalLength > maxPacketSize) return ReadStatus.Invalid;
        return received.Length < header.TotalLength ? ReadStatus.NeedMore : ReadStatus.Done;
    }

    /// <param name="packet">Exactly one PUBLISH.</param>
    /// <returns>False when it is malformed.</returns>
    public static bool TryReadPublish(ReadOnlySpan<byte> packet, MqttVersion version, in PacketHeader header, out PublishPacket publish)
    {
        publish = default;
        publish.Qos = (header.Flags >> 1) & 3;
        publish.Retain = (header.Flags & 1) != 0;
        publish.Duplicate = (header.Flags & 8) != 0;
        int position = header.HeaderLength;
        if (header.Type != PacketType.Publish || publish.Qos == 3 || !TryReadNumber(packet, ref position, out ushort topicLength)) return false;
        if (packet.Length - position < topicLength) return false;
        publish.Topic = new FieldRange(position, topicLength);
        position += topicLength;
        if (publish.Qos > 0 && !(TryReadNumber(packet, ref position, out publish.PacketId) && publish.PacketId != 0)) return false;
        if (version == MqttVersion.V5 && !TrySkipProperties(packet, ref position)) return false;
        publish.Payload = new FieldRange(position, packet.Length - position);
        return true;
    }

    /// <param name="packet">Exactly one acknowledgement.</param>
    /// <returns>False when it is malformed.</returns>
    public static bool TryReadAck(ReadOnlySpan<byte> packet, MqttVersion version, in PacketHeader header, out AckPacket ack)
    {
        ack = new AckPacket { Type = header.Type };
        int position = header.HeaderLength;
        if (!TryReadNumber(packet, ref position, out ack.PacketId)) return false;
        switch (header.Type)
        {
            case PacketType.Puback or PacketType.Pubrec or PacketType.Pubrel or PacketType.Pubcomp:
                // MQTT 5 leaves reason and properties out on success (3.4.2.1).
                if (position == packet.Length) return true;
                if (version != MqttVersion.V5) return false;
                ack.Reason = packet[position++];
                return position == packet.Length || (TrySkipProperties(packet, ref position) && position == packet.Length);
            case PacketType.Suback or PacketType.Unsuback:
                if (version == MqttVersion.V5 && !TrySkipProperties(packet, ref position)) return false;
                if (position < packet.Length) ack.Reason = packet[position];
                else if (header.Type == PacketType.Suback || version == MqttVersion.V5) return false;
                return true;
            default:
                return false;
        }
    }

    private static bool TryReadNumber(ReadOnlySpan<byte> packet, ref int position, out ushort number)
    {
        number = 0;
        if (packet.Length - position < 2) return false;
        number = BinaryPrimitives.ReadUInt16BigEndian(packet[position..]);
        position += 2;
        return true;
    }

    private static bool TrySkipProperties(ReadOnlySpan<byte> packet, ref int position)
    {
        if (VariableByteInteger.Read(packet[position..], out int length, out int lengthBytes) != ReadStatus.Done) return false;
        position += lengthBytes;
        if (packet.Length - position < length) return false;
        position += length;
        return true;
    }
}
