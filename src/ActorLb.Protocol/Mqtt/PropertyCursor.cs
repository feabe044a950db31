using System.Buffers.Binary;

namespace ActorLb.Protocol.Mqtt;

/// <summary>Identifiers of MQTT 5 properties (2.2.2.2, table 2-4).</summary>
public enum PropertyId : byte
{
    None = 0x00,
    PayloadFormat = 0x01,
    MessageExpiry = 0x02,
    ContentType = 0x03,
    ResponseTopic = 0x08,
    CorrelationData = 0x09,
    SubscriptionIdentifier = 0x0B,
    SessionExpiry = 0x11,
    AssignedClientId = 0x12,
    ServerKeepAlive = 0x13,
    AuthenticationMethod = 0x15,
    AuthenticationData = 0x16,
    RequestProblemInformation = 0x17,
    WillDelay = 0x18,
    RequestResponseInformation = 0x19,
    ResponseInformation = 0x1A,
    ServerReference = 0x1C,
    ReasonString = 0x1F,
    ReceiveMaximum = 0x21,
    TopicAliasMaximum = 0x22,
    TopicAlias = 0x23,
    MaximumQos = 0x24,
    RetainAvailable = 0x25,
    UserProperty = 0x26,
    MaximumPacketSize = 0x27,
    WildcardSubscriptionAvailable = 0x28,
    SubscriptionIdentifierAvailable = 0x29,
    SharedSubscriptionAvailable = 0x2A,
}

/// <summary>Identifiers are all below 64, so a set of them is one word.</summary>
internal readonly record struct PropertySet(ulong Bits)
{
    public static PropertySet Of(params ReadOnlySpan<PropertyId> ids)
    {
        ulong bits = 0;
        foreach (var id in ids) bits |= 1UL << (int)id;
        return new PropertySet(bits);
    }

    public bool Contains(PropertyId id) => (Bits >> (int)id & 1) != 0;

    public PropertySet With(PropertyId id) => new(Bits | 1UL << (int)id);
}

/// <summary>Walks a property list and checks what is required in any packet: types, text, ranges, membership and duplicates.</summary>
internal ref struct PropertyCursor(ReadOnlySpan<byte> packet, FieldRange properties, PropertySet allowed)
{
    private readonly ReadOnlySpan<byte> _packet = packet;
    private readonly int _end = properties.End;
    private int _position = properties.Offset;
    private PropertySet _seen;

    /// <summary>Identifier of the current property.</summary>
    public PropertyId Id { get; private set; }

    /// <summary>Value of a numeric property.</summary>
    public uint Number { get; private set; }

    /// <summary>Where a text or binary value lies; for a pair, its value.</summary>
    public FieldRange Value { get; private set; }

    /// <summary>None at the end of a well-formed list.</summary>
    public ConnectError Error { get; private set; }

    public readonly bool HasSeen(PropertyId id) => _seen.Contains(id);

    /// <summary>False at the end and on an <see cref="Error"/>.</summary>
    public bool MoveNext()
    {
        if (_position >= _end) return false;
        byte id = _packet[_position++];
        // An identifier that has two bytes (0x80 and up), is unknown, or belongs to another packet: malformed (2.2.2.2).
        if (id >= 64 || !allowed.Contains((PropertyId)id)) return Fail(ConnectError.UnknownProperty);
        Id = (PropertyId)id;
        if (Id != PropertyId.UserProperty)
        {
            if (_seen.Contains(Id)) return Fail(ConnectError.DuplicateProperty);
            _seen = _seen.With(Id);
        }
        return ReadValue();
    }

    private bool ReadValue()
    {
        switch (Id)
        {
            case PropertyId.PayloadFormat or PropertyId.RequestProblemInformation or PropertyId.RequestResponseInformation
                or PropertyId.MaximumQos or PropertyId.RetainAvailable or PropertyId.WildcardSubscriptionAvailable
                or PropertyId.SubscriptionIdentifierAvailable or PropertyId.SharedSubscriptionAvailable:
                return ReadNumber(1) && InRange(Number <= 1);
            case PropertyId.ReceiveMaximum or PropertyId.TopicAlias:
                return ReadNumber(2) && InRange(Number > 0);
            case PropertyId.TopicAliasMaximum or PropertyId.ServerKeepAlive:
                return ReadNumber(2);
            case PropertyId.MaximumPacketSize:
                return ReadNumber(4) && InRange(Number > 0);
            case PropertyId.SessionExpiry or PropertyId.WillDelay or PropertyId.MessageExpiry:
                return ReadNumber(4);
            case PropertyId.SubscriptionIdentifier:
                return ReadSubscriptionIdentifier();
            case PropertyId.AuthenticationData or PropertyId.CorrelationData:
                return ReadField(text: false);
            case PropertyId.UserProperty:
                return ReadField(text: true) && ReadField(text: true);
            case PropertyId.ResponseTopic:
                return ReadField(text: true) && InRange(MqttText.IsTopicName(Value.In(_packet)));
            default:
                return ReadField(text: true);
        }
    }

    private bool ReadNumber(int size)
    {
        if (_end - _position < size) return Fail(ConnectError.PropertyLength);
        Number = size switch
        {
            1 => _packet[_position],
            2 => BinaryPrimitives.ReadUInt16BigEndian(_packet[_position..]),
            _ => BinaryPrimitives.ReadUInt32BigEndian(_packet[_position..]),
        };
        _position += size;
        return true;
    }

    private bool ReadSubscriptionIdentifier()
    {
        if (VariableByteInteger.Read(_packet[_position.._end], out int value, out int length) != ReadStatus.Done)
            return Fail(ConnectError.PropertyLength);
        _position += length;
        Number = (uint)value;
        return InRange(value > 0);
    }

    private bool ReadField(bool text)
    {
        if (_end - _position < 2) return Fail(ConnectError.PropertyLength);
        int length = BinaryPrimitives.ReadUInt16BigEndian(_packet[_position..]);
        if (_end - _position - 2 < length) return Fail(ConnectError.PropertyLength);
        Value = new FieldRange(_position + 2, length);
        _position += 2 + length;
        return !text || MqttText.IsValid(Value.In(_packet)) || Fail(ConnectError.PropertyEncoding);
    }

    private bool InRange(bool fits) => fits || Fail(ConnectError.PropertyValue);

    private bool Fail(ConnectError error)
    {
        Error = error;
        _position = _end;
        return false;
    }
}
