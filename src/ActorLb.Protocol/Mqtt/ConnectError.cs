namespace ActorLb.Protocol.Mqtt;

/// <summary>Why a CONNECT is refused. The numbers are stable: they appear in logs and metrics.</summary>
public enum ConnectError : byte
{
    None = 0,
    NotConnect = 1,
    HeaderFlags = 2,
    RemainingLength = 3,
    RemainingLengthNotMinimal = 4,
    PacketTooLarge = 5,
    PacketTooShort = 6,
    ProtocolName = 7,
    ProtocolLevel = 8,
    ReservedFlag = 9,
    WillQos = 10,
    WillFlagsWithoutWill = 11,
    PasswordWithoutUserName = 12,
    PropertyLength = 13,
    UnknownProperty = 14,
    DuplicateProperty = 15,
    PropertyValue = 16,
    PropertyEncoding = 17,
    AuthenticationDataWithoutMethod = 18,
    ClientIdEncoding = 19,
    ClientIdEmpty = 20,
    WillTopicEncoding = 21,
    WillTopicName = 22,
    UserNameEncoding = 23,
    TrailingBytes = 24,
}

public static class ConnectErrors
{
    /// <summary>One clause for logs, without the client's bytes.</summary>
    public static string Text(this ConnectError error) => error switch
    {
        ConnectError.None => "no error",
        ConnectError.NotConnect => "the first packet is not a CONNECT",
        ConnectError.HeaderFlags => "the fixed header's flags are not zero",
        ConnectError.RemainingLength => "the remaining length has more than four bytes",
        ConnectError.RemainingLengthNotMinimal => "the remaining length is not in its shortest form",
        ConnectError.PacketTooLarge => "the CONNECT is larger than max-packet-size",
        ConnectError.PacketTooShort => "a field extends past the end of the packet",
        ConnectError.ProtocolName => "the protocol name is neither MQTT nor MQIsdp",
        ConnectError.ProtocolLevel => "the protocol level is not supported",
        ConnectError.ReservedFlag => "the reserved connect flag is set",
        ConnectError.WillQos => "the Will QoS is 3",
        ConnectError.WillFlagsWithoutWill => "Will QoS or Will Retain is set without a Will",
        ConnectError.PasswordWithoutUserName => "a password is present without a user name",
        ConnectError.PropertyLength => "a property length is malformed or disagrees with the properties",
        ConnectError.UnknownProperty => "a property is not allowed in a CONNECT",
        ConnectError.DuplicateProperty => "a property is present twice",
        ConnectError.PropertyValue => "a property's value is out of range",
        ConnectError.PropertyEncoding => "a property's text is not valid UTF-8 or holds U+0000",
        ConnectError.AuthenticationDataWithoutMethod => "Authentication Data is present without an Authentication Method",
        ConnectError.ClientIdEncoding => "the client id is not valid UTF-8 or holds U+0000",
        ConnectError.ClientIdEmpty => "the client id is empty where the protocol requires one",
        ConnectError.WillTopicEncoding => "the Will Topic is not valid UTF-8 or holds U+0000",
        ConnectError.WillTopicName => "the Will Topic is empty or holds a wildcard",
        ConnectError.UserNameEncoding => "the user name is not valid UTF-8 or holds U+0000",
        ConnectError.TrailingBytes => "bytes follow the last field",
        _ => "unknown error",
    };

    /// <summary>
    /// The CONNACK that answers the error before the connection is closed; empty where the specification requires closing without an
    /// answer.
    /// MQTT 3.1.1 answers only an unacceptable level (3.1.2.2) and a rejected id (3.1.3.1) and just closes otherwise (4.8);
    /// MQTT 5 has a reason code for each (4.13). Bytes that are not MQTT at all never get an answer.
    /// </summary>
    /// <param name="version">As read so far; <see cref="MqttVersion.Unknown"/> before the level was read.</param>
    public static ReadOnlySpan<byte> ConnackFor(ConnectError error, MqttVersion version) => version switch
    {
        MqttVersion.V5 => error switch
        {
            ConnectError.None => [],
            ConnectError.ProtocolLevel => [0x20, 3, 0, 0x84, 0],
            ConnectError.ClientIdEmpty => [0x20, 3, 0, 0x85, 0],
            ConnectError.WillTopicName => [0x20, 3, 0, 0x90, 0],
            ConnectError.PacketTooLarge => [0x20, 3, 0, 0x95, 0],
            ConnectError.DuplicateProperty or ConnectError.PropertyValue or ConnectError.AuthenticationDataWithoutMethod
                => [0x20, 3, 0, 0x82, 0],
            _ => [0x20, 3, 0, 0x81, 0],
        },
        MqttVersion.V31 or MqttVersion.V311 => error switch
        {
            ConnectError.ProtocolLevel => [0x20, 2, 0, 1],
            ConnectError.ClientIdEmpty => [0x20, 2, 0, 2],
            _ => [],
        },
        _ => [],
    };
}
