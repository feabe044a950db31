using ActorLb.Protocol.Mqtt;

namespace ActorLb.Protocol.Tests.Mqtt;

public sealed class ConnectReaderTests
{
    private const int MaxPacketSize = 1 << 20;

    public static TheoryData<byte[]> Valid => [.. SampleConnects.All()];

    public static TheoryData<MalformedConnect> Malformed => [.. MalformedConnects.All];

    [Fact]
    public void V311_Golden_EveryFieldRead()
    {
        byte[] bytes =
        [
            0x10, 41, 0, 4, .. "MQTT"u8, 4, 0xEE, 1, 0x2C, 0, 5, .. "devA1"u8, 0, 5, .. "w/top"u8, 0, 2, 9, 8,
            0, 4, .. "user"u8, 0, 5, .. "passw"u8,
        ];
        var connect = SampleConnects.Read([.. bytes, 0xC0, 0]);
        Assert.Equal(bytes.Length, connect.TotalLength);
        Assert.Equal(MqttVersion.V311, connect.Version);
        Assert.False(connect.IsBridge);
        Assert.True(connect.CleanStart);
        Assert.Equal(300, connect.KeepAlive);
        Expect.Bytes("devA1"u8, connect.ClientId.In(bytes));
        Assert.True(connect.HasWill);
        Assert.Equal(1, connect.WillQos);
        Assert.True(connect.WillRetain);
        Expect.Bytes("w/top"u8, connect.WillTopic.In(bytes));
        Expect.Bytes([9, 8], connect.WillPayload.In(bytes));
        Expect.Bytes("user"u8, connect.UserName.In(bytes));
        Expect.Bytes("passw"u8, connect.Password.In(bytes));
    }

    [Fact]
    public void V5_Full_PropertiesRead()
    {
        byte[] bytes = SampleConnects.Full(MqttVersion.V5);
        var connect = SampleConnects.Read(bytes);
        Assert.Equal(MqttVersion.V5, connect.Version);
        Assert.Equal(3600u, connect.SessionExpiry);
        Assert.Equal(65536u, connect.MaximumPacketSize);
        Expect.Bytes("SCRAM"u8, connect.AuthenticationMethod.In(bytes));
        Expect.Bytes(SampleConnects.Properties, connect.Properties.In(bytes));
        Expect.Bytes(SampleConnects.WillProperties, connect.WillProperties.In(bytes));
        Expect.Bytes("will/topic"u8, connect.WillTopic.In(bytes));
        Expect.Bytes([0, 0xFF, (byte)'p'], connect.Password.In(bytes));
    }

    [Fact]
    public void V31_Golden_Read()
    {
        byte[] bytes = [0x10, 20, 0, 6, .. "MQIsdp"u8, 3, 2, 0, 10, 0, 6, .. "old-01"u8];
        var connect = SampleConnects.Read(bytes);
        Assert.Equal(MqttVersion.V31, connect.Version);
        Expect.Bytes("old-01"u8, connect.ClientId.In(bytes));
        Assert.False(connect.UserName.IsPresent);
    }

    [Fact]
    public void Bridges_HighBitOfLevel_Read()
    {
        var connect = SampleConnects.Read(SampleConnects.BridgeConnect);
        Assert.Equal((MqttVersion.V311, true), (connect.Version, connect.IsBridge));
        connect = SampleConnects.Read(SampleConnects.OldBridgeConnect);
        Assert.Equal((MqttVersion.V31, true), (connect.Version, connect.IsBridge));
    }

    [Fact]
    public void V31_UserNameFlagWithoutField_Accepted()
    {
        var connect = SampleConnects.Read([0x10, 15, 0, 6, .. "MQIsdp"u8, 3, 0xC2, 0, 10, 0, 1, (byte)'i']);
        Assert.False(connect.UserName.IsPresent);
        Assert.False(connect.Password.IsPresent);
    }

    [Fact]
    public void V31_WillBitsWithoutWill_Disregarded() =>
        SampleConnects.Read([0x10, 15, 0, 6, .. "MQIsdp"u8, 3, 0x3A, 0, 10, 0, 1, (byte)'i']);

    [Theory]
    [InlineData(MqttVersion.V311)]
    [InlineData(MqttVersion.V5)]
    public void EmptyClientId_CleanStart_Accepted(MqttVersion version)
    {
        var connect = SampleConnects.Read(SampleConnects.Minimal(version, ""));
        Assert.True(connect.ClientId.IsPresent);
        Assert.Equal(0, connect.ClientId.Length);
    }

    [Fact]
    public void V5_EmptyClientIdWithoutCleanStart_Accepted() =>
        SampleConnects.Read(SampleConnects.Write(new ConnectRequest { Version = MqttVersion.V5 }));

    [Fact]
    public void V5_PasswordWithoutUserName_Accepted()
    {
        byte[] bytes = SampleConnects.Write(new ConnectRequest { Version = MqttVersion.V5, HasPassword = true, Password = "pw"u8 });
        var connect = SampleConnects.Read(bytes);
        Assert.False(connect.UserName.IsPresent);
        Expect.Bytes("pw"u8, connect.Password.In(bytes));
    }

    [Fact]
    public void V311_RemainingLengthNotMinimal_Accepted()
    {
        byte[] bytes = SampleConnects.Minimal(MqttVersion.V311, "abc");
        byte[] longer = [bytes[0], (byte)(bytes[1] | 0x80), 0x80, 0, .. bytes.AsSpan(2)];
        var connect = SampleConnects.Read(longer);
        Expect.Bytes("abc"u8, connect.ClientId.In(longer));
    }

    [Fact]
    public void FullLengthClientId_Read()
    {
        byte[] bytes = SampleConnects.Minimal(MqttVersion.V311, new string('i', 65535));
        Assert.Equal(65535, SampleConnects.Read(bytes).ClientId.Length);
    }

    [Theory]
    [MemberData(nameof(Valid))]
    public void EverySplitPoint_Valid_NeedMoreUntilWhole(byte[] bytes)
    {
        for (int length = 0; length < bytes.Length; length++)
        {
            var status = ConnectReader.Read(bytes.AsSpan(0, length), MaxPacketSize, out var part, out var error);
            Assert.Equal((ReadStatus.NeedMore, ConnectError.None), (status, error));
            Assert.True(part.TotalLength == bytes.Length || (part.TotalLength == 0 && length < 3), $"at {length}: {part.TotalLength}");
        }
        var whole = SampleConnects.Read(bytes);
        Assert.Equal(bytes.Length, whole.TotalLength);
        // What follows changes nothing.
        Assert.Equal(whole, SampleConnects.Read([.. bytes, 0x30, 0xFF, 0xFF]));
    }

    [Theory]
    [MemberData(nameof(Malformed))]
    public void EverySplitPoint_Malformed_NeverDoneAndOneReason(MalformedConnect sample)
    {
        bool refused = false;
        for (int length = 0; length <= sample.Bytes.Length; length++)
        {
            var status = ConnectReader.Read(sample.Bytes.AsSpan(0, length), MaxPacketSize, out _, out var error);
            Assert.NotEqual(ReadStatus.Done, status);
            Assert.False(refused && status == ReadStatus.NeedMore, "a refusal was taken back");
            refused = status == ReadStatus.Invalid;
            Assert.Equal(refused ? sample.Expected : ConnectError.None, error);
        }
        Assert.True(refused, "the whole packet was not refused");
    }

    [Fact]
    public void MalformedCorpus_CoversEveryReason()
    {
        Assert.True(MalformedConnects.All.Count >= 60);
        Assert.Equal(MalformedConnects.All.Count, MalformedConnects.All.Select(m => m.Name).Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(
            Enum.GetValues<ConnectError>().Where(e => e != ConnectError.None).Order(),
            MalformedConnects.All.Select(m => m.Expected).Distinct().Order());
    }

    [Theory]
    [InlineData(MqttVersion.V311)]
    [InlineData(MqttVersion.V5)]
    public void MaxPacketSize_OneBelow_RefusedFromThePreamble(MqttVersion version)
    {
        byte[] bytes = SampleConnects.Minimal(version, new string('x', 500));
        Assert.Equal(ReadStatus.Done, ConnectReader.Read(bytes, bytes.Length, out _, out _));
        ReadOnlySpan<byte> preamble = bytes.AsSpan(0, ConnectReader.MaxPreambleLength);
        Assert.Equal(ReadStatus.Invalid, ConnectReader.Read(preamble, bytes.Length - 1, out var connect, out var error));
        Assert.Equal(ConnectError.PacketTooLarge, error);
        Assert.Equal(version, connect.Version);
    }

    [Fact]
    public void Errors_Numbers_Stable()
    {
        // Numbers stand in logs and metrics: append, never renumber.
        Assert.Equal(
            "None=0 NotConnect=1 HeaderFlags=2 RemainingLength=3 RemainingLengthNotMinimal=4 PacketTooLarge=5 PacketTooShort=6 "
            + "ProtocolName=7 ProtocolLevel=8 ReservedFlag=9 WillQos=10 WillFlagsWithoutWill=11 PasswordWithoutUserName=12 "
            + "PropertyLength=13 UnknownProperty=14 DuplicateProperty=15 PropertyValue=16 PropertyEncoding=17 "
            + "AuthenticationDataWithoutMethod=18 ClientIdEncoding=19 ClientIdEmpty=20 WillTopicEncoding=21 WillTopicName=22 "
            + "UserNameEncoding=23 TrailingBytes=24",
            string.Join(' ', Enum.GetValues<ConnectError>().Select(e => $"{e}={(int)e}")));
        Assert.All(Enum.GetValues<ConnectError>(), e => Assert.NotEqual("unknown error", e.Text()));
    }

    [Theory]
    [InlineData("level 3 with the new name", "20020001")]
    [InlineData("level 4 with the old name", "20020001")]
    [InlineData("level 6", "2003008400")]
    [InlineData("3.1 empty id", "20020002")]
    [InlineData("3.1.1 empty id without clean session", "20020002")]
    [InlineData("3.1.1 reserved flag", "")]
    [InlineData("5 reserved flag", "2003008100")]
    [InlineData("5 receive maximum twice", "2003008200")]
    [InlineData("5 authentication data alone", "2003008200")]
    [InlineData("5 will topic with #", "2003009000")]
    [InlineData("5 256 MB announced", "2003009500")]
    [InlineData("256 MB announced", "")]
    [InlineData("5 remaining length not minimal", "2003008100")]
    [InlineData("name in lower case", "")]
    [InlineData("http", "")]
    public void Answer_PerSpecification(string name, string expected)
    {
        var sample = MalformedConnects.All.Single(m => m.Name == name);
        ConnectReader.Read(sample.Bytes, MaxPacketSize, out var connect, out var error);
        Assert.Equal(expected, Convert.ToHexString(ConnectErrors.ConnackFor(error, connect.Version)));
    }
}
