using ActorLb.Protocol.Mqtt;

namespace ActorLb.Protocol.Tests.Mqtt;

public sealed class ConnackTests
{
    private static readonly byte[] Full =
    [
        0x20, 50, 1, 0, 47, 0x11, 0, 0, 0, 9, 0x21, 0, 5, 0x24, 1, 0x25, 1, 0x27, 0, 0, 1, 0, 0x12, 0, 3, .. "new"u8, 0x22, 0, 1,
        0x1F, 0, 1, (byte)'r', 0x26, 0, 0, 0, 0, 0x28, 1, 0x13, 0, 30, 0x1C, 0, 4, .. "h:80"u8,
    ];

    public static TheoryData<MqttVersion, string> Invalid => new()
    {
        { MqttVersion.V311, "30020000" }, { MqttVersion.V311, "F0020000" }, { MqttVersion.V5, "E0020000" },
        { MqttVersion.V311, "2F020000" }, { MqttVersion.V311, "20FFFFFFFF" }, { MqttVersion.V311, "20FFFFFF7F" },
        { MqttVersion.V311, "200100" }, { MqttVersion.V311, "2000" }, { MqttVersion.V5, "20020000" }, { MqttVersion.V311, "20020200" },
        { MqttVersion.V311, "2003000000" }, { MqttVersion.V5, "2003800000" }, { MqttVersion.V5, "2004000001FF" },
        { MqttVersion.V5, "200400000021" }, { MqttVersion.V5, "2003000005" }, { MqttVersion.V5, "200700000313000000" },
        { MqttVersion.V5, "2006000003210000" }, { MqttVersion.V5, "2009000006130001130001" }, { MqttVersion.V5, "200700000480808080" },
        { MqttVersion.V5, "20070000041C0001FF" }, { MqttVersion.V311, "47455420" },
    };

    [Theory]
    [InlineData(RefusalReason.QuotaExceeded, "2003009700", "20020003")]
    [InlineData(RefusalReason.ConnectionRateExceeded, "2003009F00", "20020003")]
    [InlineData(RefusalReason.ServerUnavailable, "2003008800", "20020003")]
    [InlineData(RefusalReason.ServerBusy, "2003008900", "20020003")]
    [InlineData(RefusalReason.UseAnotherServer, "2003009C00", "20020003")]
    [InlineData(RefusalReason.Banned, "2003008A00", "20020005")]
    [InlineData(RefusalReason.NotAuthorized, "2003008700", "20020005")]
    [InlineData(RefusalReason.BadUserNameOrPassword, "2003008600", "20020004")]
    [InlineData(RefusalReason.ClientIdNotValid, "2003008500", "20020002")]
    public void Refusal_Golden_PerVersion(RefusalReason reason, string v5, string v3)
    {
        Span<byte> buffer = stackalloc byte[Connack.MaxRefusalLength];
        foreach ((var version, string expected) in new[] { (MqttVersion.V5, v5), (MqttVersion.V311, v3), (MqttVersion.V31, v3) })
        {
            int length = Connack.Write(buffer, version, reason);
            Assert.Equal(expected, Convert.ToHexString(buffer[..length]));
            Assert.Equal(ConnackStatus.Done, ConnackReader.Read(buffer[..length], version, 1024, out var read, out _));
            Assert.False(read.IsAccepted);
        }
    }

    [Fact]
    public void V5_Full_Read()
    {
        Assert.Equal(ConnackStatus.Done, ConnackReader.Read(Full, MqttVersion.V5, 1024, out var connack, out _));
        Assert.Equal((Full.Length, true, (byte)0), (connack.TotalLength, connack.SessionPresent, connack.Code));
        Assert.True(connack.HasServerKeepAlive);
        Assert.Equal(30, connack.ServerKeepAlive);
        Expect.Bytes("new"u8, connack.AssignedClientId.In(Full));
        Expect.Bytes("h:80"u8, connack.ServerReference.In(Full));
        Expect.Bytes("r"u8, connack.ReasonString.In(Full));
    }

    [Theory]
    [InlineData("20020100", MqttVersion.V311, true, 0)]
    [InlineData("20020005", MqttVersion.V31, false, 5)]
    [InlineData("2002FF00", MqttVersion.V31, false, 0)]
    [InlineData("2003000000", MqttVersion.V5, false, 0)]
    [InlineData("20020001", MqttVersion.V5, false, 1)]
    public void Short_Read(string hex, MqttVersion version, bool sessionPresent, byte code)
    {
        Assert.Equal(ConnackStatus.Done, ConnackReader.Read(Convert.FromHexString(hex), version, 1024, out var connack, out _));
        Assert.Equal((sessionPresent, code), (connack.SessionPresent, connack.Code));
    }

    [Fact]
    public void EverySplitPoint_NeedMoreUntilWhole()
    {
        for (int length = 0; length < Full.Length; length++)
            Assert.Equal(ConnackStatus.NeedMore, ConnackReader.Read(Full.AsSpan(0, length), MqttVersion.V5, 1024, out _, out _));
        Assert.Equal(ConnackStatus.Done, ConnackReader.Read([.. Full, 0x30], MqttVersion.V5, 1024, out var connack, out _));
        Assert.Equal(Full.Length, connack.TotalLength);
    }

    [Theory]
    [MemberData(nameof(Invalid))]
    public void Malformed_Refused(MqttVersion version, string hex)
    {
        byte[] bytes = Convert.FromHexString(hex);
        Assert.Equal(ConnackStatus.Invalid, ConnackReader.Read(bytes, version, 1 << 20, out _, out var error));
        Assert.NotEqual(ConnackError.None, error);
        for (int length = 0; length < bytes.Length; length++)
            Assert.NotEqual(ConnackStatus.Done, ConnackReader.Read(bytes.AsSpan(0, length), version, 1 << 20, out _, out _));
    }

    [Fact]
    public void V5_AuthFirst_WholePacketTold()
    {
        byte[] bytes = [0xF0, 10, 0x18, 8, 0x15, 0, 5, .. "SCRAM"u8];
        for (int length = 0; length < bytes.Length; length++)
            Assert.Equal(ConnackStatus.NeedMore, ConnackReader.Read(bytes.AsSpan(0, length), MqttVersion.V5, 1024, out _, out _));
        Assert.Equal(ConnackStatus.Auth, ConnackReader.Read([.. bytes, 0x20], MqttVersion.V5, 1024, out var packet, out _));
        Assert.Equal(bytes.Length, packet.TotalLength);
    }

    [Fact]
    public void IsRetryable_OnlyNotMeNotNow()
    {
        Assert.Equal((int[])[3, 0x88, 0x89, 0x97, 0x9C, 0x9F], Enumerable.Range(0, 256).Where(c => Connack.IsRetryable(MqttVersion.V5, (byte)c)));
        Assert.Equal((int[])[3], Enumerable.Range(0, 256).Where(c => Connack.IsRetryable(MqttVersion.V311, (byte)c)));
        Assert.Equal((int[])[3], Enumerable.Range(0, 256).Where(c => Connack.IsRetryable(MqttVersion.V31, (byte)c)));
    }

    [Fact]
    public void Disconnect_Golden()
    {
        byte[] buffer = new byte[64];
        Expect.Bytes([0xE0, 0], Disconnect.Clean);
        Expect.Bytes([0xE0, 1, 0x8B], buffer.AsSpan(0, Disconnect.Write(buffer, DisconnectReason.ServerShuttingDown)));
        int length = Disconnect.Write(buffer, DisconnectReason.UseAnotherServer, "b:1"u8);
        Expect.Bytes([0xE0, 8, 0x9C, 6, 0x1C, 0, 3, .. "b:1"u8], buffer.AsSpan(0, length));
        length = Disconnect.Write(buffer, DisconnectReason.KeepAliveTimeout, "b"u8, "idle"u8);
        Expect.Bytes([0xE0, 13, 0x8D, 11, 0x1F, 0, 4, .. "idle"u8, 0x1C, 0, 1, (byte)'b'], buffer.AsSpan(0, length));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 5)]
    [InlineData(121, 0)]
    [InlineData(122, 0)]
    [InlineData(123, 200)]
    [InlineData(65535, 65535)]
    public void Disconnect_LengthOf_IsWhatIsWritten(int reference, int reason)
    {
        byte[] buffer = new byte[200_000];
        int length = Disconnect.Write(buffer, DisconnectReason.ServerMoved, new byte[reference], new byte[reason]);
        Assert.Equal(Disconnect.LengthOf(reference, reason), length);
        var framer = new PacketFramer();
        Assert.Equal(1, framer.Advance(buffer.AsSpan(0, length)));
        Assert.True(framer.AtBoundary);
    }

    [Fact]
    public void Numbers_Stable()
    {
        Assert.Equal(
            "None=0 NotConnack=1 HeaderFlags=2 RemainingLength=3 PacketTooLarge=4 PacketTooShort=5 AcknowledgeFlags=6 Properties=7 TrailingBytes=8",
            string.Join(' ', Enum.GetValues<ConnackError>().Select(e => $"{e}={(int)e}")));
        Assert.Equal(
            "None=0 ClientIdEmpty=1 ClientIdTooLong=2 ClientIdEncoding=3 UserNameEmpty=4 UserNameTooLong=5 UserNameEncoding=6 "
            + "PasswordEmpty=7 PasswordTooLong=8 PasswordWithoutUserName=9 PacketTooLarge=10",
            string.Join(' ', Enum.GetValues<RewriteError>().Select(e => $"{e}={(int)e}")));
    }
}
