namespace ActorLb.Protocol.Mqtt;

/// <summary>Protocol level as on the wire (MQTT 5, 3.1.2.2), without a bridge's high bit.</summary>
public enum MqttVersion : byte
{
    /// <summary>Not known, or not MQTT.</summary>
    Unknown = 0,
    V31 = 3,
    V311 = 4,
    V5 = 5,
}

/// <summary>High nibble of a packet's first byte (MQTT 5, 2.1.2).</summary>
public enum PacketType : byte
{
    Reserved = 0,
    Connect = 1,
    Connack = 2,
    Publish = 3,
    Puback = 4,
    Pubrec = 5,
    Pubrel = 6,
    Pubcomp = 7,
    Subscribe = 8,
    Suback = 9,
    Unsubscribe = 10,
    Unsuback = 11,
    Pingreq = 12,
    Pingresp = 13,
    Disconnect = 14,
    Auth = 15,
}
