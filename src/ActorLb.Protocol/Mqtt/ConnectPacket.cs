namespace ActorLb.Protocol.Mqtt;

/// <summary>
/// A CONNECT as offsets into its bytes. While more bytes are needed, or after an error, only what has been read so far is set:
/// <see cref="TotalLength"/> once the fixed header is complete, <see cref="Version"/> once the level is known.
/// </summary>
public struct ConnectPacket
{
    /// <summary>Bytes of the packet including the fixed header; 0 while unknown.</summary>
    public int TotalLength;

    /// <summary>Bytes of the fixed header.</summary>
    public int HeaderLength;

    /// <summary>
    /// Protocol version. With <see cref="ConnectError.ProtocolLevel"/> it is the version to answer in: 3.1.1 for a lower
    /// level, 5 for a higher one.
    /// </summary>
    public MqttVersion Version;

    /// <summary>Level 0x83 or 0x84: a bridge, as mosquitto and others mark it.</summary>
    public bool IsBridge;

    /// <summary>Offset of the connect flags; the Keep Alive follows.</summary>
    public int FlagsOffset;

    /// <summary>Connect flags as on the wire (MQTT 5, 3.1.2.3).</summary>
    public byte Flags;

    /// <summary>Seconds; 0 is off.</summary>
    public ushort KeepAlive;

    /// <summary>MQTT 5: seconds the session outlives the connection; 0xFFFFFFFF is for ever. 0 when absent.</summary>
    public uint SessionExpiry;

    /// <summary>MQTT 5: largest packet that the client accepts; 0 when absent.</summary>
    public uint MaximumPacketSize;

    /// <summary>MQTT 5: Authentication Method; the broker may then answer with AUTH.</summary>
    public FieldRange AuthenticationMethod;

    /// <summary>MQTT 5: the properties without their length.</summary>
    public FieldRange Properties;

    /// <summary>Always present in a valid CONNECT, possibly empty.</summary>
    public FieldRange ClientId;

    /// <summary>MQTT 5: the Will's properties without their length.</summary>
    public FieldRange WillProperties;

    public FieldRange WillTopic;
    public FieldRange WillPayload;

    /// <summary>Also absent when an MQTT 3.1 client sets the flag but sends no field, which its specification allows (3.1).</summary>
    public FieldRange UserName;

    public FieldRange Password;

    /// <summary>Clean Session of 3.x, Clean Start of 5.</summary>
    public readonly bool CleanStart => (Flags & ConnectFlags.CleanStart) != 0;

    public readonly bool HasWill => (Flags & ConnectFlags.Will) != 0;

    public readonly int WillQos => (Flags >> 3) & 3;

    public readonly bool WillRetain => (Flags & ConnectFlags.WillRetain) != 0;
}

/// <summary>Bits of the connect flags (MQTT 5, 3.1.2.3).</summary>
public static class ConnectFlags
{
    public const byte Reserved = 0x01;
    public const byte CleanStart = 0x02;
    public const byte Will = 0x04;
    public const byte WillQosMask = 0x18;
    public const byte WillRetain = 0x20;
    public const byte Password = 0x40;
    public const byte UserName = 0x80;
}
