using System.Buffers.Binary;

namespace ActorLb.Protocol.Mqtt.Client;

/// <summary>Writes what a client that publishes and subscribes sends after its CONNECT.</summary>
public static class PacketWriter
{
    /// <summary>Bytes of an acknowledgement in its short form.</summary>
    public const int AckLength = 4;

    /// <summary>Bytes of a PUBLISH without properties.</summary>
    public static int PublishLength(MqttVersion version, int topicLength, int payloadLength, int qos)
    {
        int remaining = PublishRemaining(version, topicLength, payloadLength, qos);
        return 1 + VariableByteInteger.LengthOf(remaining) + remaining;
    }

    /// <param name="packetId">Not 0 with QoS 1 and 2; unused with 0.</param>
    /// <returns>Bytes written.</returns>
    public static int WritePublish(
        Span<byte> destination, MqttVersion version, ReadOnlySpan<byte> topic, ReadOnlySpan<byte> payload, int qos = 0,
        ushort packetId = 0, bool retain = false, bool duplicate = false)
    {
        destination[0] = (byte)(((int)PacketType.Publish << 4) | (duplicate ? 8 : 0) | (qos << 1) | (retain ? 1 : 0));
        int at = 1 + VariableByteInteger.Write(destination[1..], PublishRemaining(version, topic.Length, payload.Length, qos));
        ConnectWriter.WriteField(destination, ref at, topic);
        if (qos > 0)
        {
            BinaryPrimitives.WriteUInt16BigEndian(destination[at..], packetId);
            at += 2;
        }
        if (version == MqttVersion.V5) destination[at++] = 0;
        payload.CopyTo(destination[at..]);
        return at + payload.Length;
    }

    /// <summary>Bytes of a SUBSCRIBE to one filter, or of the longest UNSUBSCRIBE from it.</summary>
    public static int SubscribeLength(MqttVersion version, int filterLength)
    {
        int remaining = 2 + (version == MqttVersion.V5 ? 1 : 0) + 2 + filterLength + 1;
        return 1 + VariableByteInteger.LengthOf(remaining) + remaining;
    }

    /// <summary>Subscribes to one filter.</summary>
    /// <returns>Bytes written.</returns>
    public static int WriteSubscribe(Span<byte> destination, MqttVersion version, ushort packetId, ReadOnlySpan<byte> filter, int qos)
    {
        int at = WriteFilter(destination, PacketType.Subscribe, version, packetId, filter, 1);
        destination[at++] = (byte)qos;
        return at;
    }

    /// <summary>Unsubscribes from one filter.</summary>
    /// <returns>Bytes written.</returns>
    public static int WriteUnsubscribe(Span<byte> destination, MqttVersion version, ushort packetId, ReadOnlySpan<byte> filter) =>
        WriteFilter(destination, PacketType.Unsubscribe, version, packetId, filter, 0);

    /// <param name="type">PUBACK, PUBREC, PUBREL or PUBCOMP; success, in the short form that all versions share.</param>
    /// <returns>Bytes written: <see cref="AckLength"/>.</returns>
    public static int WriteAck(Span<byte> destination, PacketType type, ushort packetId)
    {
        // PUBREL's flags are 0010 (3.6.1).
        destination[0] = (byte)(((int)type << 4) | (type == PacketType.Pubrel ? 2 : 0));
        destination[1] = 2;
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], packetId);
        return AckLength;
    }

    private static int WriteFilter(
        Span<byte> destination, PacketType type, MqttVersion version, ushort packetId, ReadOnlySpan<byte> filter, int tail)
    {
        int remaining = 2 + (version == MqttVersion.V5 ? 1 : 0) + 2 + filter.Length + tail;
        // Flags 0010 (3.8.1, 3.10.1).
        destination[0] = (byte)(((int)type << 4) | 2);
        int at = 1 + VariableByteInteger.Write(destination[1..], remaining);
        BinaryPrimitives.WriteUInt16BigEndian(destination[at..], packetId);
        at += 2;
        if (version == MqttVersion.V5) destination[at++] = 0;
        ConnectWriter.WriteField(destination, ref at, filter);
        return at;
    }

    private static int PublishRemaining(MqttVersion version, int topicLength, int payloadLength, int qos) =>
        2 + topicLength + (qos > 0 ? 2 : 0) + (version == MqttVersion.V5 ? 1 : 0) + payloadLength;
}
