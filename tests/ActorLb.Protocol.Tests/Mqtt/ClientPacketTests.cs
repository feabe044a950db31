using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.Mqtt.Client;

namespace ActorLb.Protocol.Tests.Mqtt;

public sealed class ClientPacketTests
{
    private readonly byte[] _buffer = new byte[1024];

    [Theory]
    [InlineData(MqttVersion.V31, "100F00064D51497364700302003C000163")]
    [InlineData(MqttVersion.V311, "100D00044D5154540402003C000163")]
    [InlineData(MqttVersion.V5, "100E00044D5154540502003C00000163")]
    public void Connect_Golden(MqttVersion version, string expected) =>
        Assert.Equal(expected, Convert.ToHexString(SampleConnects.Minimal(version, "c")));

    [Fact]
    public void Publish_Golden()
    {
        int length = PacketWriter.WritePublish(_buffer, MqttVersion.V311, "a/b"u8, "hi"u8, qos: 1, packetId: 7, retain: true);
        Assert.Equal("33090003612F6200076869", Convert.ToHexString(_buffer.AsSpan(0, length)));
        length = PacketWriter.WritePublish(_buffer, MqttVersion.V5, "a"u8, "hi"u8);
        Assert.Equal("300600016100" + "6869", Convert.ToHexString(_buffer.AsSpan(0, length)));
    }

    [Fact]
    public void Subscribe_Golden()
    {
        int length = PacketWriter.WriteSubscribe(_buffer, MqttVersion.V311, 2, "t/#"u8, 1);
        Assert.Equal("820800020003742F2301", Convert.ToHexString(_buffer.AsSpan(0, length)));
        Assert.Equal(PacketWriter.SubscribeLength(MqttVersion.V311, 3), length);
        length = PacketWriter.WriteSubscribe(_buffer, MqttVersion.V5, 2, "t"u8, 2);
        Assert.Equal("8207000200000174" + "02", Convert.ToHexString(_buffer.AsSpan(0, length)));
        length = PacketWriter.WriteUnsubscribe(_buffer, MqttVersion.V311, 3, "t"u8);
        Assert.Equal("A2050003000174", Convert.ToHexString(_buffer.AsSpan(0, length)));
    }

    [Theory]
    [InlineData(PacketType.Puback, "4002012C")]
    [InlineData(PacketType.Pubrec, "5002012C")]
    [InlineData(PacketType.Pubrel, "6202012C")]
    [InlineData(PacketType.Pubcomp, "7002012C")]
    public void Ack_Golden_ReadBack(PacketType type, string expected)
    {
        Assert.Equal(PacketWriter.AckLength, PacketWriter.WriteAck(_buffer, type, 300));
        Assert.Equal(expected, Convert.ToHexString(_buffer.AsSpan(0, PacketWriter.AckLength)));
        AckPacket ack = ReadAck(expected, MqttVersion.V5);
        Assert.Equal((type, (ushort)300, (byte)0), (ack.Type, ack.PacketId, ack.Reason));
    }

    [Theory]
    [InlineData("4003000110", MqttVersion.V5, 0x10)]
    [InlineData("400400019700", MqttVersion.V5, 0x97)]
    [InlineData("9003000180", MqttVersion.V311, 0x80)]
    [InlineData("900400010001", MqttVersion.V5, 1)]
    [InlineData("B0020001", MqttVersion.V311, 0)]
    [InlineData("B00400010011", MqttVersion.V5, 0x11)]
    public void Ack_Reasons_Read(string hex, MqttVersion version, byte reason) => Assert.Equal(reason, ReadAck(hex, version).Reason);

    [Theory]
    [InlineData("400100", MqttVersion.V311)]
    [InlineData("4003000100", MqttVersion.V311)]
    [InlineData("400400010005", MqttVersion.V5)]
    [InlineData("90020001", MqttVersion.V311)]
    [InlineData("9003000100", MqttVersion.V5)]
    [InlineData("B003000100", MqttVersion.V5)]
    [InlineData("C000", MqttVersion.V5)]
    public void Ack_Malformed_Refused(string hex, MqttVersion version)
    {
        byte[] packet = Convert.FromHexString(hex);
        Assert.Equal(ReadStatus.Done, PacketReader.ReadHeader(packet, 1024, out PacketHeader header));
        Assert.False(PacketReader.TryReadAck(packet, version, header, out _));
    }

    [Theory]
    [InlineData("3600", MqttVersion.V311)]
    [InlineData("30020003", MqttVersion.V311)]
    [InlineData("3203000161", MqttVersion.V311)]
    [InlineData("32050001610000", MqttVersion.V311)]
    [InlineData("3003000161", MqttVersion.V5)]
    [InlineData("300400016109", MqttVersion.V5)]
    public void Publish_Malformed_Refused(string hex, MqttVersion version)
    {
        byte[] packet = Convert.FromHexString(hex);
        Assert.Equal(ReadStatus.Done, PacketReader.ReadHeader(packet, 1024, out PacketHeader header));
        Assert.False(PacketReader.TryReadPublish(packet, version, header, out _));
    }

    [Fact]
    public void Header_EverySplitPoint_NeedMoreUntilWhole()
    {
        int length = PacketWriter.WritePublish(_buffer, MqttVersion.V311, "t"u8, new byte[300], qos: 2, packetId: 9);
        Assert.Equal(PacketWriter.PublishLength(MqttVersion.V311, 1, 300, 2), length);
        for (int i = 0; i < length; i++)
            Assert.Equal(ReadStatus.NeedMore, PacketReader.ReadHeader(_buffer.AsSpan(0, i), 1024, out _));
        Assert.Equal(ReadStatus.Done, PacketReader.ReadHeader(_buffer, 1024, out PacketHeader header));
        Assert.Equal((PacketType.Publish, length), (header.Type, header.TotalLength));
        Assert.Equal(ReadStatus.Invalid, PacketReader.ReadHeader(_buffer, length - 1, out _));
        Assert.Equal(ReadStatus.Invalid, PacketReader.ReadHeader([0, 0], 1024, out _));
        Assert.Equal(ReadStatus.Invalid, PacketReader.ReadHeader([0x30, 0xFF, 0xFF, 0xFF, 0xFF], 1024, out _));
    }

    private static AckPacket ReadAck(string hex, MqttVersion version)
    {
        byte[] packet = Convert.FromHexString(hex);
        Assert.Equal(ReadStatus.Done, PacketReader.ReadHeader(packet, 1024, out PacketHeader header));
        Assert.True(PacketReader.TryReadAck(packet, version, header, out AckPacket ack));
        return ack;
    }
}
