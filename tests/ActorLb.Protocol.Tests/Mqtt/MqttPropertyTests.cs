using System.Text;
using ActorLb.Protocol.Mqtt;
using FsCheck;
using FsCheck.Fluent;

namespace ActorLb.Protocol.Tests.Mqtt;

public sealed class MqttPropertyTests
{
    private static readonly Gen<string> Text =
        from runes in Gen.Choose(1, 0x10FFFF).Where(Rune.IsValid).Select(i => new Rune(i).ToString()).ArrayOf()
        select string.Concat(runes);

    private static readonly Gen<byte[]> Bytes = ArbMap.Default.GeneratorFor<byte[]>();

    private static readonly Gen<Sample> Samples =
        from version in Gen.Elements(MqttVersion.V31, MqttVersion.V311, MqttVersion.V5)
        from clean in Gen.Elements(true, false)
        from keepAlive in Gen.Choose(0, 65535)
        from clientId in Text
        from user in Gen.Frequency((1, Gen.Constant<string?>(null)), (2, Text.Select(t => (string?)t)))
        from password in Gen.Frequency((1, Gen.Constant<byte[]?>(null)), (2, Bytes.Select(b => (byte[]?)b)))
        from will in Gen.Elements(true, false)
        from topic in Text
        from payload in Bytes
        from qos in Gen.Choose(0, 2)
        from retain in Gen.Elements(true, false)
        select new Sample(
            version, clean, (ushort)keepAlive, clientId.Length == 0 && version != MqttVersion.V5 ? "x" : clientId, user,
            user is null && version != MqttVersion.V5 ? null : password,
            will, "t" + topic.Replace('+', '-').Replace('#', '-'), payload, qos, retain);

    private sealed record Sample(
        MqttVersion Version, bool Clean, ushort KeepAlive, string ClientId, string? User, byte[]? Password,
        bool Will, string Topic, byte[] Payload, int Qos, bool Retain);

    [Fact]
    public void Read_OfWritten_IsTheSame() => Prop.ForAll(Samples.ToArbitrary(), sample =>
    {
        byte[] bytes = Write(sample);
        var connect = SampleConnects.Read(bytes);
        Assert.Equal(sample.Version, connect.Version);
        Assert.Equal(sample.Clean, connect.CleanStart);
        Assert.Equal(sample.KeepAlive, connect.KeepAlive);
        Assert.Equal(sample.ClientId, Encoding.UTF8.GetString(connect.ClientId.In(bytes)));
        Assert.Equal(sample.User, connect.UserName.IsPresent ? Encoding.UTF8.GetString(connect.UserName.In(bytes)) : null);
        Assert.Equal(sample.Password, connect.Password.IsPresent ? connect.Password.In(bytes).ToArray() : null);
        Assert.Equal(sample.Will, connect.HasWill);
        if (!sample.Will) return;
        Assert.Equal(sample.Topic, Encoding.UTF8.GetString(connect.WillTopic.In(bytes)));
        Expect.Bytes(sample.Payload, connect.WillPayload.In(bytes));
        Assert.Equal((sample.Qos, sample.Retain), (connect.WillQos, connect.WillRetain));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Rewrite_IsWritingTheChangedRequest() => Prop.ForAll(Samples.ToArbitrary(), Samples.ToArbitrary(), (sample, other) =>
    {
        string newId = other.ClientId.Length == 0 ? "n" : other.ClientId;
        string? newUser = string.IsNullOrEmpty(other.User) ? null : other.User;
        bool mayHavePassword = sample.Version == MqttVersion.V5 || sample.User is not null || newUser is not null;
        byte[]? newPassword = other.Password is null or [] || !mayHavePassword ? null : other.Password;
        var changes = new ConnectChanges { ClientId = Encoding.UTF8.GetBytes(newId) };
        if (newUser is not null) changes.UserName = Encoding.UTF8.GetBytes(newUser);
        if (newPassword is not null) changes.Password = newPassword;

        byte[] bytes = Write(sample);
        var connect = SampleConnects.Read(bytes);
        Assert.Equal(RewriteError.None, ConnectRewriter.Measure(connect, changes, out int length));
        byte[] rewritten = new byte[length];
        Assert.Equal(length, ConnectRewriter.Write(bytes, connect, changes, rewritten));
        var changed = sample with { ClientId = newId, User = newUser ?? sample.User, Password = newPassword ?? sample.Password };
        Expect.Bytes(Write(changed), rewritten);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void VariableByteInteger_OfWritten_IsTheSame() => Prop.ForAll(Gen.Choose(0, VariableByteInteger.MaxValue).ToArbitrary(), value =>
    {
        Span<byte> bytes = stackalloc byte[4];
        int written = VariableByteInteger.Write(bytes, value);
        Assert.Equal(VariableByteInteger.LengthOf(value), written);
        Assert.Equal(ReadStatus.Done, VariableByteInteger.Read(bytes, out int read, out int length));
        Assert.Equal((value, written), (read, length));
    }).QuickCheckThrowOnFailure();

    private static byte[] Write(Sample sample) => SampleConnects.Write(new ConnectRequest
    {
        Version = sample.Version,
        CleanStart = sample.Clean,
        KeepAlive = sample.KeepAlive,
        ClientId = Encoding.UTF8.GetBytes(sample.ClientId),
        HasUserName = sample.User is not null,
        UserName = Encoding.UTF8.GetBytes(sample.User ?? ""),
        HasPassword = sample.Password is not null,
        Password = sample.Password,
        HasWill = sample.Will,
        WillTopic = Encoding.UTF8.GetBytes(sample.Topic),
        WillPayload = sample.Payload,
        WillQos = sample.Qos,
        WillRetain = sample.Retain,
    });
}
