using ActorLb.Protocol;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.Tests.Mqtt;

namespace ActorLb.Fuzz.Targets;

/// <summary>Every reader of MQTT bytes, and the rewriter on what the CONNECT reader takes.</summary>
internal sealed class MqttTarget : FuzzTarget
{
    private const int MaxPacketSize = 1 << 20;

    private static readonly byte[] Properties =
    [
        0x11, 0, 0, 0, 9, 0x21, 0, 20, 0x27, 0, 1, 0, 0, 0x22, 0, 10, 0x19, 1, 0x17, 0, 0x26, 0, 1, (byte)'a', 0, 1, (byte)'b',
        0x15, 0, 1, (byte)'m', 0x16, 0, 2, 0, 0xFF,
    ];

    private static readonly byte[] WillProperties =
        [0x18, 0, 0, 0, 5, 0x01, 1, 0x02, 0, 0, 0, 9, 0x03, 0, 1, (byte)'t', 0x08, 0, 1, (byte)'r', 0x09, 0, 2, 0, 1, 0x26, 0, 0, 0, 0];

    private readonly byte[] _rewritten = new byte[4096];

    public override string Name => "mqtt";

    public override byte[][] Seeds { get; } =
    [
        .. Often(60, Connect(MqttVersion.V31), Connect(MqttVersion.V311), Connect(MqttVersion.V5)),
        .. MalformedConnects.All.Select(m => m.Bytes),
        [0x20, 2, 0, 0], [0x20, 9, 1, 0, 6, 0x13, 0, 30, 0x12, 0, 0], [0x20, 12, 0, 0x9C, 9, 0x1C, 0, 1, (byte)'h', 0x26, 0, 0, 0, 0],
        [0xF0, 7, 0x18, 5, 0x15, 0, 2, (byte)'S', (byte)'C'], [0x32, 8, 0, 1, (byte)'t', 0, 7, 0, 1, 2], [0x40, 4, 0, 1, 0x10, 0],
        [0x90, 4, 0, 1, 0, 1], [0xC0, 0, 0xD0, 0, 0xE0, 0], [0x30, 0x85, 1, .. new byte[133], 0xC0, 0],
    ];

    public override void Run(Span<byte> input, uint choice)
    {
        RunConnect(input, choice);
        RunConnack(input, choice);
        RunFramer(input, choice);
    }

    /// <summary>Sets a one-byte remaining length to what is there.</summary>
    public override bool Repair(Span<byte> input)
    {
        if (input.Length is < 2 or > 129) return false;
        input[1] = (byte)(input.Length - 2);
        return true;
    }

    private void RunConnect(ReadOnlySpan<byte> input, uint choice)
    {
        var status = ConnectReader.Read(input, MaxPacketSize, out var connect, out var error);
        Demand(status == ReadStatus.Invalid == (error != ConnectError.None), "a reason without a refusal or the other way about");
        if (status == ReadStatus.Invalid) Demand(ConnectErrors.ConnackFor(error, connect.Version).Length is 0 or 4 or 5, "odd answer");

        var prefix = input[..SplitPoint(choice, input.Length)];
        var early = ConnectReader.Read(prefix, MaxPacketSize, out _, out var earlyError);
        Demand(early == ReadStatus.NeedMore || (early == status && earlyError == error), "more bytes change a verdict");
        if (status == ReadStatus.Done) Rewrite(input[..connect.TotalLength], connect, choice);
    }

    private void Rewrite(ReadOnlySpan<byte> packet, in ConnectPacket connect, uint choice)
    {
        Demand(connect.ClientId.End <= packet.Length && connect.WillPayload.End <= packet.Length, "fields outside the packet");
        Demand(connect.UserName.End <= packet.Length && connect.Password.End <= packet.Length, "fields outside the packet");
        var changes = new ConnectChanges();
        if ((choice & 1) != 0) changes.ClientId = "another-client-id"u8;
        if ((choice & 2) != 0) changes.UserName = "u"u8;
        if ((choice & 4) != 0 && ((choice & 2) != 0 || connect.UserName.IsPresent)) changes.Password = [0, 1];
        Demand(ConnectRewriter.Measure(connect, changes, out int length) == RewriteError.None, "a rewrite is refused");
        Demand(ConnectRewriter.Write(packet, connect, changes, _rewritten) == length, "a rewrite has another length");
        var status = ConnectReader.Read(_rewritten.AsSpan(0, length), MaxPacketSize, out var read, out _);
        Demand(status == ReadStatus.Done && read.TotalLength == length, "a rewrite is not valid");
        Demand(read.WillTopic.In(_rewritten).SequenceEqual(connect.WillTopic.In(packet)), "a rewrite changes the will topic");
        Demand(read.WillPayload.In(_rewritten).SequenceEqual(connect.WillPayload.In(packet)), "a rewrite changes the will");
        Demand(read.Properties.In(_rewritten).SequenceEqual(connect.Properties.In(packet)), "a rewrite changes the properties");
    }

    private static void RunConnack(ReadOnlySpan<byte> input, uint choice)
    {
        var version = (MqttVersion)(3 + choice % 3);
        var status = ConnackReader.Read(input, version, MaxPacketSize, out var connack, out var error);
        Demand(status == ConnackStatus.Invalid == (error != ConnackError.None), "a reason without a refusal or the other way about");
        if (status is ConnackStatus.Done or ConnackStatus.Auth) Demand(connack.TotalLength <= input.Length, "longer than the input");
        if (status != ConnackStatus.Done) return;
        Demand(connack.AssignedClientId.End <= input.Length && connack.ServerReference.End <= input.Length, "fields outside the packet");
    }

    private static void RunFramer(ReadOnlySpan<byte> input, uint choice)
    {
        var whole = new PacketFramer();
        int packets = whole.Advance(input);
        int split = SplitPoint(choice, input.Length);
        var parts = new PacketFramer();
        int counted = parts.Advance(input[..split]) + parts.Advance(input[split..]);
        Demand(packets == counted && whole.AtBoundary == parts.AtBoundary && whole.Invalid == parts.Invalid, "a split changes the frames");
    }

    private static byte[] Connect(MqttVersion version)
    {
        var request = new ConnectRequest
        {
            Version = version,
            CleanStart = true,
            KeepAlive = 60,
            ClientId = "client"u8,
            HasUserName = true,
            UserName = "user"u8,
            HasPassword = true,
            Password = "pass"u8,
            HasWill = true,
            WillTopic = "w/t"u8,
            WillPayload = "bye"u8,
            WillQos = 1,
            WillRetain = true,
            Properties = Properties,
            WillProperties = WillProperties,
        };
        byte[] bytes = new byte[ConnectWriter.LengthOf(request)];
        ConnectWriter.Write(bytes, request);
        return bytes;
    }
}
