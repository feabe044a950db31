using System.Text;
using ActorLb.Protocol.Mqtt;

namespace ActorLb.Protocol.Tests.Mqtt;

public sealed class ConnectRewriterTests
{
    public static TheoryData<byte[]> Valid => [.. SampleConnects.All()];

    [Fact]
    public void V311_Golden_AllThreeReplaced()
    {
        byte[] bytes = [0x10, 15, 0, 4, .. "MQTT"u8, 4, 2, 0, 60, 0, 3, .. "abc"u8];
        var changes = new ConnectChanges { ClientId = "0A1B"u8, UserName = "u"u8, Password = "p"u8 };
        Expect.Bytes([0x10, 22, 0, 4, .. "MQTT"u8, 4, 0xC2, 0, 60, 0, 4, .. "0A1B"u8, 0, 1, (byte)'u', 0, 1, (byte)'p'], Rewrite(bytes, changes));
    }

    [Theory]
    [MemberData(nameof(Valid))]
    public void NoChange_SameBytes(byte[] bytes) => Assert.Equal(bytes, Rewrite(bytes, default));

    [Theory]
    [MemberData(nameof(Valid))]
    public void SameValues_SameBytes(byte[] bytes)
    {
        var connect = SampleConnects.Read(bytes);
        var changes = new ConnectChanges { ClientId = connect.ClientId.In(bytes) };
        if (connect.UserName.IsPresent) changes.UserName = connect.UserName.In(bytes);
        if (connect.Password.IsPresent) changes.Password = connect.Password.In(bytes);
        Assert.Equal(bytes, Rewrite(bytes, changes));
    }

    [Theory]
    [MemberData(nameof(Valid))]
    public void AllReplaced_EveryOtherFieldSame(byte[] bytes)
    {
        byte[] rewritten = Rewrite(bytes, new ConnectChanges { ClientId = "new-id"u8, UserName = "new-user"u8, Password = [0, 1, 2] });
        ConnectPacket before = SampleConnects.Read(bytes), after = SampleConnects.Read(rewritten);
        Expect.Bytes("new-id"u8, after.ClientId.In(rewritten));
        Expect.Bytes("new-user"u8, after.UserName.In(rewritten));
        Expect.Bytes([0, 1, 2], after.Password.In(rewritten));
        Assert.Equal(before.Flags | 0xC0, after.Flags);
        Assert.Equal((before.Version, before.IsBridge, before.KeepAlive), (after.Version, after.IsBridge, after.KeepAlive));
        Expect.Bytes(before.Properties.In(bytes), after.Properties.In(rewritten));
        Expect.Bytes(before.WillProperties.In(bytes), after.WillProperties.In(rewritten));
        Expect.Bytes(before.WillTopic.In(bytes), after.WillTopic.In(rewritten));
        Expect.Bytes(before.WillPayload.In(bytes), after.WillPayload.In(rewritten));
    }

    [Theory]
    [InlineData(127, 128)]
    [InlineData(128, 127)]
    [InlineData(16383, 16384)]
    [InlineData(16384, 16383)]
    public void RemainingLength_OverItsSizeBorders_Reencoded(int before, int after)
    {
        byte[] bytes = SampleConnects.Minimal(MqttVersion.V311, new string('a', before - 12));
        Assert.Equal(before, bytes.Length - 1 - VariableByteInteger.LengthOf(before));
        byte[] id = Encoding.ASCII.GetBytes(new string('b', after - 12));
        byte[] rewritten = Rewrite(bytes, new ConnectChanges { ClientId = id });
        Assert.Equal(SampleConnects.Minimal(MqttVersion.V311, new string('b', after - 12)), rewritten);
    }

    [Fact]
    public void RemainingLength_OverTwoMebibytes_Reencoded()
    {
        // User properties carry the packet to 1 byte below the border of a fourth length byte.
        byte[] property = [0x26, 0, 1, (byte)'k', 0xFF, 0xFF, .. new byte[65535].Select(_ => (byte)'v')];
        byte[] properties = [.. Enumerable.Repeat(property, 31).SelectMany(p => p)];
        var request = new ConnectRequest { Version = MqttVersion.V5, Properties = properties, ClientId = "i"u8 };
        int missing = (1 << 21) - 1 - (ConnectWriter.LengthOf(request) - 4);
        byte[] id = new byte[missing + 1];
        id.AsSpan().Fill((byte)'i');
        byte[] bytes = SampleConnects.Write(request with { ClientId = id });
        var changes = new ConnectChanges { ClientId = [.. id, (byte)'i'] };
        ConnectReader.Read(bytes, int.MaxValue, out var connect, out _);
        Assert.Equal(4, connect.HeaderLength);
        Assert.Equal(RewriteError.None, ConnectRewriter.Measure(connect, changes, out int length));
        Assert.Equal(bytes.Length + 2, length);
        byte[] rewritten = new byte[length];
        Assert.Equal(length, ConnectRewriter.Write(bytes, connect, changes, rewritten));
        Assert.Equal(ReadStatus.Done, ConnectReader.Read(rewritten, int.MaxValue, out connect, out _));
        Assert.Equal(5, connect.HeaderLength);
    }

    [Fact]
    public void ClientId_FullLength_Written()
    {
        byte[] id = Encoding.ASCII.GetBytes(new string('z', 65535));
        byte[] rewritten = Rewrite(SampleConnects.Minimal(MqttVersion.V5, "a"), new ConnectChanges { ClientId = id });
        Expect.Bytes(id, SampleConnects.Read(rewritten).ClientId.In(rewritten));
    }

    [Fact]
    public void EmptyClientId_Replaced_Written()
    {
        byte[] rewritten = Rewrite(SampleConnects.Minimal(MqttVersion.V311, ""), new ConnectChanges { ClientId = "given"u8 });
        Expect.Bytes("given"u8, SampleConnects.Read(rewritten).ClientId.In(rewritten));
    }

    [Fact]
    public void V31_FlaggedUserNameWithoutField_KeptAndReplaced()
    {
        byte[] bytes = [0x10, 15, 0, 6, .. "MQIsdp"u8, 3, 0x82, 0, 10, 0, 1, (byte)'i'];
        Expect.Bytes([0x10, 16, 0, 6, .. "MQIsdp"u8, 3, 0x82, 0, 10, 0, 2, (byte)'j', (byte)'k'], Rewrite(bytes, new ConnectChanges { ClientId = "jk"u8 }));
        Expect.Bytes([0x10, 18, .. bytes.AsSpan(2), 0, 1, (byte)'u'], Rewrite(bytes, new ConnectChanges { UserName = "u"u8 }));
        Assert.Equal(RewriteError.PasswordWithoutUserName, Refusal(bytes, new ConnectChanges { Password = "p"u8 }));
    }

    [Fact]
    public void Refusals_NameTheirReason()
    {
        byte[] bytes = SampleConnects.Minimal(MqttVersion.V311, "a");
        byte[] tooLong = new byte[65536];
        tooLong.AsSpan().Fill((byte)'x');
        Assert.Equal(RewriteError.ClientIdEmpty, Refusal(bytes, new ConnectChanges { ClientId = default }));
        Assert.Equal(RewriteError.ClientIdTooLong, Refusal(bytes, new ConnectChanges { ClientId = tooLong }));
        Assert.Equal(RewriteError.ClientIdEncoding, Refusal(bytes, new ConnectChanges { ClientId = [0xFF] }));
        Assert.Equal(RewriteError.ClientIdEncoding, Refusal(bytes, new ConnectChanges { ClientId = [(byte)'a', 0] }));
        Assert.Equal(RewriteError.UserNameEmpty, Refusal(bytes, new ConnectChanges { UserName = default }));
        Assert.Equal(RewriteError.UserNameTooLong, Refusal(bytes, new ConnectChanges { UserName = tooLong }));
        Assert.Equal(RewriteError.UserNameEncoding, Refusal(bytes, new ConnectChanges { UserName = [0xC0, 0x80] }));
        Assert.Equal(RewriteError.PasswordEmpty, Refusal(bytes, new ConnectChanges { UserName = "u"u8, Password = default }));
        Assert.Equal(RewriteError.PasswordTooLong, Refusal(bytes, new ConnectChanges { UserName = "u"u8, Password = tooLong }));
        Assert.Equal(RewriteError.PasswordWithoutUserName, Refusal(bytes, new ConnectChanges { Password = "p"u8 }));
    }

    [Fact]
    public void V5_PasswordAlone_Written()
    {
        byte[] rewritten = Rewrite(SampleConnects.Minimal(MqttVersion.V5, "a"), new ConnectChanges { Password = [0, 0xFF] });
        var connect = SampleConnects.Read(rewritten);
        Expect.Bytes([0, 0xFF], connect.Password.In(rewritten));
        Assert.False(connect.UserName.IsPresent);
    }

    [Theory]
    [MemberData(nameof(Valid))]
    public void Removed_FieldsAreGone_EveryOtherFieldSame(byte[] bytes)
    {
        var before = SampleConnects.Read(bytes);
        foreach ((bool userName, bool password) in new[] { (true, false), (false, true), (true, true) })
        {
            byte[] rewritten = Rewrite(bytes, new ConnectChanges { RemovesUserName = userName, RemovesPassword = password });
            var after = SampleConnects.Read(rewritten);
            // Without a user name there is no password before MQTT 5.
            bool noPassword = password || (userName && before.Version != MqttVersion.V5);
            int removed = (userName ? ConnectFlags.UserName : 0) | (noPassword ? ConnectFlags.Password : 0);
            Assert.Equal(before.Flags & ~removed, after.Flags);
            Assert.Equal(!userName && before.UserName.IsPresent, after.UserName.IsPresent);
            Assert.Equal(!noPassword && before.Password.IsPresent, after.Password.IsPresent);
            if (after.UserName.IsPresent) Expect.Bytes(before.UserName.In(bytes), after.UserName.In(rewritten));
            if (after.Password.IsPresent) Expect.Bytes(before.Password.In(bytes), after.Password.In(rewritten));
            Expect.Bytes(before.ClientId.In(bytes), after.ClientId.In(rewritten));
            Expect.Bytes(before.WillTopic.In(bytes), after.WillTopic.In(rewritten));
            Expect.Bytes(before.WillPayload.In(bytes), after.WillPayload.In(rewritten));
            Expect.Bytes(before.Properties.In(bytes), after.Properties.In(rewritten));
        }
    }

    [Fact]
    public void V311_Golden_UserNameRemovedPasswordReplaced_IsRefused()
    {
        byte[] bytes = [0x10, 21, 0, 4, .. "MQTT"u8, 4, 0xC2, 0, 60, 0, 3, .. "abc"u8, 0, 1, (byte)'u', 0, 1, (byte)'p'];
        Expect.Bytes([0x10, 15, 0, 4, .. "MQTT"u8, 4, 2, 0, 60, 0, 3, .. "abc"u8], Rewrite(bytes, new ConnectChanges { RemovesUserName = true }));
        Expect.Bytes(
            [0x10, 18, 0, 4, .. "MQTT"u8, 4, 0x82, 0, 60, 0, 3, .. "abc"u8, 0, 1, (byte)'u'],
            Rewrite(bytes, new ConnectChanges { RemovesPassword = true }));
        Assert.Equal(RewriteError.PasswordWithoutUserName, Refusal(bytes, new ConnectChanges { RemovesUserName = true, Password = "x"u8 }));
    }

    private static RewriteError Refusal(byte[] bytes, in ConnectChanges changes) =>
        ConnectRewriter.Measure(SampleConnects.Read(bytes), changes, out _);

    private static byte[] Rewrite(byte[] bytes, in ConnectChanges changes)
    {
        var connect = SampleConnects.Read(bytes);
        Assert.Equal(RewriteError.None, ConnectRewriter.Measure(connect, changes, out int length));
        byte[] rewritten = new byte[length];
        Assert.Equal(length, ConnectRewriter.Write(bytes, connect, changes, rewritten));
        return rewritten;
    }
}
