using ActorLb.Protocol.Mqtt;

namespace ActorLb.Protocol.Tests.Mqtt;

/// <summary>Valid CONNECTs of every version and shape.</summary>
internal static class SampleConnects
{
    public static readonly byte[] Properties =
    [
        0x11, 0, 0, 0x0E, 0x10, 0x21, 0, 20, 0x27, 0, 1, 0, 0, 0x22, 0, 10, 0x19, 1, 0x17, 0,
        0x26, 0, 1, (byte)'a', 0, 1, (byte)'b', 0x26, 0, 1, (byte)'a', 0, 0,
        0x15, 0, 5, .. "SCRAM"u8, 0x16, 0, 2, 0, 0xFF,
    ];

    public static readonly byte[] WillProperties =
    [
        0x18, 0, 0, 0, 5, 0x01, 1, 0x02, 0, 0, 0, 9, 0x03, 0, 4, .. "text"u8, 0x08, 0, 3, .. "a/b"u8, 0x09, 0, 2, 0, 1,
        0x26, 0, 1, (byte)'k', 0, 1, (byte)'v',
    ];

    public static readonly byte[] BridgeConnect =
    [
        0x10, 15, 0, 4, .. "MQTT"u8, 0x84, 0, 0, 30, 0, 3, .. "br1"u8,
    ];

    public static readonly byte[] OldBridgeConnect =
    [
        0x10, 17, 0, 6, .. "MQIsdp"u8, 0x83, 0, 0, 30, 0, 3, .. "br1"u8,
    ];

    public static IEnumerable<byte[]> All()
    {
        foreach (var version in (MqttVersion[])[MqttVersion.V31, MqttVersion.V311, MqttVersion.V5])
        {
            yield return Minimal(version, "c");
            yield return Minimal(version, "größe-日本語-😀");
            yield return Minimal(version, new string('x', 200));
            yield return Full(version);
        }
        yield return BridgeConnect;
        yield return OldBridgeConnect;
    }

    public static byte[] Minimal(MqttVersion version, string clientId) => Write(new ConnectRequest
    {
        Version = version,
        CleanStart = true,
        KeepAlive = 60,
        ClientId = System.Text.Encoding.UTF8.GetBytes(clientId),
    });

    public static byte[] Full(MqttVersion version) => Write(new ConnectRequest
    {
        Version = version,
        KeepAlive = 65535,
        ClientId = "client-1"u8,
        HasUserName = true,
        UserName = "user"u8,
        HasPassword = true,
        Password = [0, 0xFF, (byte)'p'],
        HasWill = true,
        WillTopic = "will/topic"u8,
        WillPayload = [1, 0, 2],
        WillQos = 2,
        WillRetain = true,
        Properties = Properties,
        WillProperties = WillProperties,
    });

    public static byte[] Write(in ConnectRequest request)
    {
        byte[] bytes = new byte[ConnectWriter.LengthOf(request)];
        Assert.Equal(bytes.Length, ConnectWriter.Write(bytes, request));
        return bytes;
    }

    public static ConnectPacket Read(ReadOnlySpan<byte> bytes)
    {
        var status = ConnectReader.Read(bytes, 1 << 20, out var connect, out var error);
        Assert.Equal((ReadStatus.Done, ConnectError.None), (status, error));
        return connect;
    }
}
