using System.Buffers.Binary;
using ActorLb.Protocol.Mqtt;

namespace ActorLb.Protocol.Tests.Mqtt;

/// <summary>A CONNECT to write. The user name, password and Will go in when their <c>Has</c> flag is set.</summary>
internal ref struct ConnectRequest
{
    public MqttVersion Version;
    public bool CleanStart;

    /// <summary>Seconds; 0 is off.</summary>
    public ushort KeepAlive;

    public ReadOnlySpan<byte> ClientId;
    public bool HasUserName;
    public ReadOnlySpan<byte> UserName;
    public bool HasPassword;
    public ReadOnlySpan<byte> Password;
    public bool HasWill;
    public ReadOnlySpan<byte> WillTopic;
    public ReadOnlySpan<byte> WillPayload;
    public int WillQos;
    public bool WillRetain;

    /// <summary>MQTT 5: encoded properties without their length.</summary>
    public ReadOnlySpan<byte> Properties;

    /// <summary>MQTT 5: the Will's encoded properties without their length.</summary>
    public ReadOnlySpan<byte> WillProperties;
}

/// <summary>Writes CONNECTs of all versions; fields are taken as they are, validity is the caller's.</summary>
internal static class ConnectWriter
{
    /// <summary>Bytes of the packet.</summary>
    public static int LengthOf(in ConnectRequest request)
    {
        int remaining = RemainingLength(request);
        return 1 + VariableByteInteger.LengthOf(remaining) + remaining;
    }

    /// <returns>Bytes written.</returns>
    public static int Write(Span<byte> destination, in ConnectRequest request)
    {
        bool v5 = request.Version == MqttVersion.V5;
        destination[0] = (byte)PacketType.Connect << 4;
        int at = 1 + VariableByteInteger.Write(destination[1..], RemainingLength(request));
        WriteField(destination, ref at, NameOf(request.Version));
        destination[at++] = (byte)request.Version;
        destination[at++] = Flags(request);
        BinaryPrimitives.WriteUInt16BigEndian(destination[at..], request.KeepAlive);
        at += 2;
        if (v5) WriteProperties(destination, ref at, request.Properties);
        WriteField(destination, ref at, request.ClientId);
        if (request.HasWill)
        {
            if (v5) WriteProperties(destination, ref at, request.WillProperties);
            WriteField(destination, ref at, request.WillTopic);
            WriteField(destination, ref at, request.WillPayload);
        }
        if (request.HasUserName) WriteField(destination, ref at, request.UserName);
        if (request.HasPassword) WriteField(destination, ref at, request.Password);
        return at;
    }

    private static ReadOnlySpan<byte> NameOf(MqttVersion version) => version == MqttVersion.V31 ? "MQIsdp"u8 : "MQTT"u8;

    private static byte Flags(in ConnectRequest request)
    {
        int flags = 0;
        if (request.CleanStart) flags |= ConnectFlags.CleanStart;
        if (request.HasWill) flags |= ConnectFlags.Will | (request.WillQos << 3);
        if (request.HasWill && request.WillRetain) flags |= ConnectFlags.WillRetain;
        if (request.HasPassword) flags |= ConnectFlags.Password;
        if (request.HasUserName) flags |= ConnectFlags.UserName;
        return (byte)flags;
    }

    private static int RemainingLength(in ConnectRequest request)
    {
        bool v5 = request.Version == MqttVersion.V5;
        int length = 2 + NameOf(request.Version).Length + 1 + 1 + 2 + 2 + request.ClientId.Length;
        if (v5) length += PropertiesLength(request.Properties);
        if (request.HasWill) length += 2 + request.WillTopic.Length + 2 + request.WillPayload.Length;
        if (request.HasWill && v5) length += PropertiesLength(request.WillProperties);
        if (request.HasUserName) length += 2 + request.UserName.Length;
        if (request.HasPassword) length += 2 + request.Password.Length;
        return length;
    }

    private static int PropertiesLength(ReadOnlySpan<byte> properties) =>
        VariableByteInteger.LengthOf(properties.Length) + properties.Length;

    private static void WriteProperties(Span<byte> destination, ref int at, ReadOnlySpan<byte> properties)
    {
        at += VariableByteInteger.Write(destination[at..], properties.Length);
        properties.CopyTo(destination[at..]);
        at += properties.Length;
    }

    private static void WriteField(Span<byte> destination, ref int at, ReadOnlySpan<byte> value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination[at..], checked((ushort)value.Length));
        at += 2;
        value.CopyTo(destination[at..]);
        at += value.Length;
    }
}
