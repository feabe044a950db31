using System.Text;
using ActorLb.Protocol.Mqtt;

namespace ActorLb.Protocol.Tests.Mqtt;

/// <summary>A first packet that must be refused as soon as it is whole, and why.</summary>
public sealed record MalformedConnect(string Name, byte[] Bytes, ConnectError Expected)
{
    public override string ToString() => Name;
}

/// <summary>First packets that no broker may see. Other test projects link this file; it needs only the protocol library.</summary>
public static class MalformedConnects
{
    private const byte User = 0x80, Password = 0x40, WillRetain = 0x20, WillQos3 = 0x18, WillQos1 = 0x08, Will = 0x04, Clean = 0x02;
    private static readonly byte[] None = [];
    private static readonly byte[] NoProperties = [0];
    private static readonly byte[] Id = Text("id");

    public static readonly IReadOnlyList<MalformedConnect> All =
    [
        // Fixed header.
        .. FixedHeader(),
        // Protocol name and level.
        .. NameAndLevel(),
        // Flags.
        .. Flags("3.1.1", V311),
        .. Flags("5", (flags, rest) => V5(flags, NoProperties, rest)),
        new("3.1 reserved flag", V31(0x03, Id), ConnectError.ReservedFlag),
        new("3.1 will QoS 3", V31(Clean | Will | WillQos3, Id, Text("t"), Text("p")), ConnectError.WillQos),
        new("3.1 password without user name", V31(Clean | Password, Id, Text("p")), ConnectError.PasswordWithoutUserName),
        new("3.1.1 password without user name", V311(Clean | Password, Id, Text("p")), ConnectError.PasswordWithoutUserName),
        // Payload.
        .. Payload("3.1", V31),
        .. Payload("3.1.1", V311),
        .. Payload("5", (flags, rest) => V5(flags, NoProperties, flags.HasWill() ? WithWillProperties(rest) : rest)),
        new("3.1 empty id", V31(Clean, Text("")), ConnectError.ClientIdEmpty),
        new("3.1.1 empty id without clean session", V311(0, Text("")), ConnectError.ClientIdEmpty),
        new("3.1.1 user name missing", V311(Clean | User, Id), ConnectError.PacketTooShort),
        new("3.1.1 password missing", V311(Clean | User | Password, Id, Text("u")), ConnectError.PacketTooShort),
        new("5 password missing", V5(Clean | Password, NoProperties, Id), ConnectError.PacketTooShort),
        // Properties.
        .. Properties(),
        .. WillProperties(),
    ];

    private static IEnumerable<MalformedConnect> FixedHeader() =>
    [
        new("publish first", [0x30, 3, 0, 1, (byte)'t'], ConnectError.NotConnect),
        new("pingreq first", [0xC0, 0], ConnectError.NotConnect),
        new("connack first", [0x20, 2, 0, 0], ConnectError.NotConnect),
        new("type 0", [0x00, 0], ConnectError.NotConnect),
        new("auth first", [0xF0, 2, 0, 0], ConnectError.NotConnect),
        new("http", Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\n\r\n"), ConnectError.NotConnect),
        // A handshake record's type, 22, looks like a CONNECT with flags.
        new("tls hello", [0x16, 3, 1, 2, 0], ConnectError.HeaderFlags),
        new("header flags 1", [0x11, .. V311(Clean, Id).AsSpan(1)], ConnectError.HeaderFlags),
        new("header flags 15", [0x1F, .. V311(Clean, Id).AsSpan(1)], ConnectError.HeaderFlags),
        new("remaining length of five bytes", [0x10, 0x80, 0x80, 0x80, 0x80, 0x01], ConnectError.RemainingLength),
        new("remaining length of all ones", [0x10, 0xFF, 0xFF, 0xFF, 0xFF], ConnectError.RemainingLength),
        new("5 remaining length not minimal", Lengthened(V5(Clean, NoProperties, Id)), ConnectError.RemainingLengthNotMinimal),
        new("256 MB announced", [0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0, 4, .. "MQTT"u8, 4], ConnectError.PacketTooLarge),
        new("5 256 MB announced", [0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0, 4, .. "MQTT"u8, 5], ConnectError.PacketTooLarge),
        new("empty", [0x10, 0], ConnectError.PacketTooShort),
        new("ends in the name's length", [0x10, 1, 0], ConnectError.PacketTooShort),
        new("ends in the name", [0x10, 4, 0, 4, (byte)'M', (byte)'Q'], ConnectError.PacketTooShort),
        new("ends behind the name", [0x10, 6, 0, 4, .. "MQTT"u8], ConnectError.PacketTooShort),
        new("ends behind the old name", [0x10, 8, 0, 6, .. "MQIsdp"u8], ConnectError.PacketTooShort),
        new("ends behind the level", [0x10, 7, 0, 4, .. "MQTT"u8, 4], ConnectError.PacketTooShort),
        new("ends behind the flags", [0x10, 8, 0, 4, .. "MQTT"u8, 4, 2], ConnectError.PacketTooShort),
        new("ends in the keep alive", [0x10, 9, 0, 4, .. "MQTT"u8, 4, 2, 0], ConnectError.PacketTooShort),
        new("ends behind the keep alive", [0x10, 10, 0, 4, .. "MQTT"u8, 4, 2, 0, 60], ConnectError.PacketTooShort),
    ];

    private static IEnumerable<MalformedConnect> NameAndLevel() =>
    [
        new("name in lower case", Connect(Text("mqtt"), 4, Clean, Id), ConnectError.ProtocolName),
        new("name MQTX", Connect(Text("MQTX"), 4, Clean, Id), ConnectError.ProtocolName),
        new("name longer", Connect(Text("MQTTT"), 4, Clean, Id), ConnectError.ProtocolName),
        new("name shorter", Connect(Text("MQT"), 4, Clean, Id), ConnectError.ProtocolName),
        new("name empty", Connect(Text(""), 4, Clean, Id), ConnectError.ProtocolName),
        new("name MQIsdq", Connect(Text("MQIsdq"), 3, Clean, Id), ConnectError.ProtocolName),
        new("name length 1028", Connect([4, 4, .. "MQTT"u8], 4, Clean, Id), ConnectError.ProtocolName),
        new("level 0", Connect(Text("MQTT"), 0, Clean, Id), ConnectError.ProtocolLevel),
        new("level 3 with the new name", Connect(Text("MQTT"), 3, Clean, Id), ConnectError.ProtocolLevel),
        new("level 6", Connect(Text("MQTT"), 6, Clean, NoProperties, Id), ConnectError.ProtocolLevel),
        new("level 255", Connect(Text("MQTT"), 255, Clean, Id), ConnectError.ProtocolLevel),
        new("bridge level 0x85", Connect(Text("MQTT"), 0x85, Clean, NoProperties, Id), ConnectError.ProtocolLevel),
        new("level 4 with the old name", Connect(Text("MQIsdp"), 4, Clean, Id), ConnectError.ProtocolLevel),
        new("level 5 with the old name", Connect(Text("MQIsdp"), 5, Clean, Id), ConnectError.ProtocolLevel),
        new("bridge level 0x84 with the old name", Connect(Text("MQIsdp"), 0x84, Clean, Id), ConnectError.ProtocolLevel),
    ];

    private static IEnumerable<MalformedConnect> Flags(string version, Func<byte, byte[][], byte[]> connect) =>
    [
        new(version + " reserved flag", connect(Clean | 1, [Id]), ConnectError.ReservedFlag),
        new(version + " will QoS 3", connect(Clean | Will | WillQos3, [Id, Text("t"), Text("p")]), ConnectError.WillQos),
        new(version + " will QoS without will", connect(Clean | WillQos1, [Id]), ConnectError.WillFlagsWithoutWill),
        new(version + " will retain without will", connect(Clean | WillRetain, [Id]), ConnectError.WillFlagsWithoutWill),
    ];

    private static IEnumerable<MalformedConnect> Payload(string version, Func<byte, byte[][], byte[]> connect)
    {
        foreach ((string name, byte[] text) in BadTexts())
        {
            yield return new($"{version} id {name}", connect(Clean, [text]), ConnectError.ClientIdEncoding);
            yield return new($"{version} user name {name}", connect(Clean | User, [Id, text]), ConnectError.UserNameEncoding);
            yield return new($"{version} will topic {name}", connect(Clean | Will, [Id, text, Text("p")]), ConnectError.WillTopicEncoding);
        }
        yield return new(version + " no payload", connect(Clean, [None]), ConnectError.PacketTooShort);
        yield return new(version + " id cut in its length", connect(Clean, [[0]]), ConnectError.PacketTooShort);
        yield return new(version + " id longer than the packet", connect(Clean, [[0xFF, 0xFF, (byte)'i']]), ConnectError.PacketTooShort);
        yield return new(version + " will missing", connect(Clean | Will, [Id]), ConnectError.PacketTooShort);
        yield return new(version + " will message missing", connect(Clean | Will, [Id, Text("t")]), ConnectError.PacketTooShort);
        yield return new(version + " will message cut", connect(Clean | Will, [Id, Text("t"), [0, 5, 1]]), ConnectError.PacketTooShort);
        yield return new(version + " user name cut", connect(Clean | User, [Id, [0, 5, (byte)'u']]), ConnectError.PacketTooShort);
        yield return new(version + " password cut", connect(Clean | User | Password, [Id, Text("u"), [0, 5, 1]]), ConnectError.PacketTooShort);
        yield return new(version + " will topic empty", connect(Clean | Will, [Id, Text(""), Text("p")]), ConnectError.WillTopicName);
        yield return new(version + " will topic with #", connect(Clean | Will, [Id, Text("a/#"), Text("p")]), ConnectError.WillTopicName);
        yield return new(version + " will topic with +", connect(Clean | Will, [Id, Text("a/+/b"), Text("p")]), ConnectError.WillTopicName);
        yield return new(version + " bytes behind the id", connect(Clean, [Id, [0]]), ConnectError.TrailingBytes);
        yield return new(version + " user name without its flag", connect(Clean, [Id, Text("u")]), ConnectError.TrailingBytes);
        yield return new(version + " bytes behind the password", connect(Clean | User | Password, [Id, Text("u"), Text("p"), [1]]), ConnectError.TrailingBytes);
    }

    private static IEnumerable<(string Name, byte[] Text)> BadTexts() =>
    [
        ("with U+0000", Field([(byte)'a', 0, (byte)'b'])),
        ("with a surrogate", Field([0xED, 0xA0, 0x80])),
        ("overlong", Field([0xC0, 0x80])),
        ("cut in a character", Field([(byte)'a', 0xE2, 0x82])),
        ("above U+10FFFF", Field([0xF4, 0x90, 0x80, 0x80])),
        ("in Latin-1", Field([(byte)'J', 0xF6, (byte)'r'])),
    ];

    private static IEnumerable<MalformedConnect> Properties()
    {
        static MalformedConnect Case(string name, byte[] properties, ConnectError expected) =>
            new("5 " + name, V5(Clean, Sized(properties), Id), expected);
        yield return Case("unknown property", [0x7F, 0], ConnectError.UnknownProperty);
        yield return Case("property 0", [0], ConnectError.UnknownProperty);
        yield return Case("property of two bytes", [0x91, 0x00], ConnectError.UnknownProperty);
        yield return Case("property of a PUBLISH", [0x23, 0, 1], ConnectError.UnknownProperty);
        yield return Case("property of a CONNACK", [0x13, 0, 1], ConnectError.UnknownProperty);
        yield return Case("property of a Will", [0x18, 0, 0, 0, 1], ConnectError.UnknownProperty);
        yield return Case("session expiry twice", [0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1], ConnectError.DuplicateProperty);
        yield return Case("receive maximum twice", [0x21, 0, 1, 0x21, 0, 2], ConnectError.DuplicateProperty);
        yield return Case("authentication method twice", [0x15, 0, 1, (byte)'m', 0x15, 0, 1, (byte)'m'], ConnectError.DuplicateProperty);
        yield return Case("receive maximum 0", [0x21, 0, 0], ConnectError.PropertyValue);
        yield return Case("maximum packet size 0", [0x27, 0, 0, 0, 0], ConnectError.PropertyValue);
        yield return Case("request problem information 2", [0x17, 2], ConnectError.PropertyValue);
        yield return Case("request response information 2", [0x19, 2], ConnectError.PropertyValue);
        yield return Case("authentication data alone", [0x16, 0, 1, 7], ConnectError.AuthenticationDataWithoutMethod);
        yield return Case("session expiry cut", [0x11, 0, 0, 0], ConnectError.PropertyLength);
        yield return Case("receive maximum cut", [0x21, 0], ConnectError.PropertyLength);
        yield return Case("value missing", [0x17], ConnectError.PropertyLength);
        yield return Case("user property without value", [0x26, 0, 1, (byte)'n'], ConnectError.PropertyLength);
        yield return Case("user property cut", [0x26, 0, 1, (byte)'n', 0, 4, (byte)'v'], ConnectError.PropertyLength);
        yield return Case("user property with U+0000", [0x26, 0, 1, (byte)'n', 0, 1, 0], ConnectError.PropertyEncoding);
        yield return Case("user property's name not UTF-8", [0x26, 0, 1, 0xFF, 0, 1, (byte)'v'], ConnectError.PropertyEncoding);
        yield return Case("authentication method not UTF-8", [0x15, 0, 1, 0xFF], ConnectError.PropertyEncoding);
        yield return new("5 no property length", V5(Clean, None, None), ConnectError.PacketTooShort);
        yield return new("5 property length beyond the packet", V5(Clean, [0x7F], Id), ConnectError.PacketTooShort);
        yield return new("5 property length of five bytes", V5(Clean, [0x80, 0x80, 0x80, 0x80, 0x01], Id), ConnectError.PropertyLength);
        yield return new("5 property length not minimal", V5(Clean, [0x80, 0x00], Id), ConnectError.PropertyLength);
        yield return new("5 property length swallows the id", V5(Clean, [3, 0x21, 0], Id), ConnectError.PropertyValue);
    }

    private static IEnumerable<MalformedConnect> WillProperties()
    {
        static MalformedConnect Case(string name, byte[] properties, ConnectError expected) =>
            new("5 will " + name, V5(Clean | Will, NoProperties, Id, Sized(properties), Text("t"), Text("p")), expected);
        yield return Case("unknown property", [0x7F], ConnectError.UnknownProperty);
        yield return Case("property of the CONNECT", [0x11, 0, 0, 0, 1], ConnectError.UnknownProperty);
        yield return Case("topic alias", [0x23, 0, 1], ConnectError.UnknownProperty);
        yield return Case("delay twice", [0x18, 0, 0, 0, 1, 0x18, 0, 0, 0, 1], ConnectError.DuplicateProperty);
        yield return Case("payload format 2", [0x01, 2], ConnectError.PropertyValue);
        yield return Case("response topic with wildcard", [0x08, 0, 1, (byte)'#'], ConnectError.PropertyValue);
        yield return Case("response topic empty", [0x08, 0, 0], ConnectError.PropertyValue);
        yield return Case("content type with U+0000", [0x03, 0, 1, 0], ConnectError.PropertyEncoding);
        yield return Case("correlation data cut", [0x09, 0, 5, 1], ConnectError.PropertyLength);
        yield return Case("expiry cut", [0x02, 0, 0], ConnectError.PropertyLength);
        yield return new("5 will property length beyond the packet", V5(Clean | Will, NoProperties, Id, [0x70], Text("t"), Text("p")), ConnectError.PacketTooShort);
        yield return new("5 will property length not minimal", V5(Clean | Will, NoProperties, Id, [0x80, 0x00], Text("t"), Text("p")), ConnectError.PropertyLength);
    }

    private static bool HasWill(this byte flags) => (flags & Will) != 0;

    private static byte[][] WithWillProperties(byte[][] payload) => [payload[0], NoProperties, .. payload[1..]];

    private static byte[] V31(byte flags, params byte[][] rest) => Connect(Text("MQIsdp"), 3, flags, rest);

    private static byte[] V311(byte flags, params byte[][] rest) => Connect(Text("MQTT"), 4, flags, rest);

    private static byte[] V5(byte flags, byte[] properties, params byte[][] rest) => Connect(Text("MQTT"), 5, flags, [properties, .. rest]);

    private static byte[] Connect(byte[] name, byte level, byte flags, params byte[][] rest)
    {
        byte[] body = [.. name, level, flags, 0, 60, .. rest.SelectMany(part => part)];
        return [0x10, .. Length(body.Length), .. body];
    }

    /// <summary>The same packet with its one-byte remaining length spread over two.</summary>
    private static byte[] Lengthened(byte[] packet) => [packet[0], (byte)(packet[1] | 0x80), 0, .. packet.AsSpan(2)];

    private static byte[] Length(int value) => value < 128 ? [(byte)value] : [(byte)(value | 0x80), (byte)(value >> 7)];

    private static byte[] Sized(byte[] properties) => [(byte)properties.Length, .. properties];

    private static byte[] Text(string text) => Field(Encoding.UTF8.GetBytes(text));

    private static byte[] Field(byte[] bytes) => [(byte)(bytes.Length >> 8), (byte)bytes.Length, .. bytes];
}
