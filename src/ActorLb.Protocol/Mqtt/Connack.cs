using System.Buffers.Binary;

namespace ActorLb.Protocol.Mqtt;

/// <summary>
/// Why the balancer itself refuses a well-formed CONNECT; the value is the MQTT 5 reason code (3.2.2.2, table 3-1), stable
/// because it appears in logs and metrics.
/// </summary>
public enum RefusalReason : byte
{
    ClientIdNotValid = 0x85,
    BadUserNameOrPassword = 0x86,
    NotAuthorized = 0x87,
    ServerUnavailable = 0x88,
    ServerBusy = 0x89,
    Banned = 0x8A,
    QuotaExceeded = 0x97,
    UseAnotherServer = 0x9C,
    ConnectionRateExceeded = 0x9F,
}

/// <summary>Writes CONNACKs.</summary>
public static class Connack
{
    /// <summary>Longest refusal that <see cref="Write(Span{byte}, MqttVersion, RefusalReason)"/> writes.</summary>
    public const int MaxRefusalLength = 5;

    /// <summary>Return code of MQTT 3.x for the reason (3.1.1, 3.2.2.3, table 3.1).</summary>
    public static byte ReturnCode(RefusalReason reason) => reason switch
    {
        RefusalReason.ClientIdNotValid => 2,
        RefusalReason.BadUserNameOrPassword => 4,
        RefusalReason.NotAuthorized or RefusalReason.Banned => 5,
        _ => 3,
    };

    /// <returns>Bytes written: 4 for MQTT 3.x, 5 for MQTT 5.</returns>
    public static int Write(Span<byte> destination, MqttVersion version, RefusalReason reason) =>
        Write(destination, version, false, version == MqttVersion.V5 ? (byte)reason : ReturnCode(reason));

    /// <param name="code">Reason code of MQTT 5 or return code of 3.x, as it goes on the wire.</param>
    /// <param name="properties">MQTT 5: encoded properties without their length.</param>
    /// <returns>Bytes written.</returns>
    public static int Write(
        Span<byte> destination, MqttVersion version, bool sessionPresent, byte code, ReadOnlySpan<byte> properties = default)
    {
        int remaining = version == MqttVersion.V5 ? 2 + VariableByteInteger.LengthOf(properties.Length) + properties.Length : 2;
        destination[0] = (byte)PacketType.Connack << 4;
        int at = 1 + VariableByteInteger.Write(destination[1..], remaining);
        destination[at++] = sessionPresent ? (byte)1 : (byte)0;
        destination[at++] = code;
        if (version != MqttVersion.V5) return at;
        at += VariableByteInteger.Write(destination[at..], properties.Length);
        properties.CopyTo(destination[at..]);
        return at + properties.Length;
    }

    /// <summary>
    /// Whether the refusal is temporary for this broker only, so that another backend may accept the client. A refusal of credentials or
    /// of the client id is never retried: every broker would give the same answer.
    /// </summary>
    public static bool IsRetryable(MqttVersion version, byte code) => version == MqttVersion.V5 && code > 5
        ? (RefusalReason)code is RefusalReason.ServerUnavailable or RefusalReason.ServerBusy or RefusalReason.QuotaExceeded
            or RefusalReason.UseAnotherServer or RefusalReason.ConnectionRateExceeded
        : code == 3;

    /// <summary>Writes a text property such as a Server Reference.</summary>
    /// <returns>Bytes written: 3 and the text.</returns>
    internal static int WriteTextProperty(Span<byte> destination, PropertyId id, ReadOnlySpan<byte> text)
    {
        destination[0] = (byte)id;
        BinaryPrimitives.WriteUInt16BigEndian(destination[1..], checked((ushort)text.Length));
        text.CopyTo(destination[3..]);
        return 3 + text.Length;
    }
}
