using System.Text;
using ActorLb.Protocol;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Fuzz.Targets;

/// <summary>Upgrade requests of clients and responses of backends.</summary>
internal sealed class UpgradeTarget : FuzzTarget
{
    private static readonly UpgradeRules Rules = new(MalformedUpgrades.Path, MalformedUpgrades.Host) { Origins = [MalformedUpgrades.Origin] };
    private static readonly PassedFields Passed = new("Cookie", "Authorization", "Origin", "User-Agent");
    private static readonly byte[] Key = Encoding.ASCII.GetBytes("dGhlIHNhbXBsZSBub25jZQ==");

    private readonly byte[] _written = new byte[3 * UpgradeRequestReader.MaxLength];

    public override string Name => "upgrade";

    public override byte[][] Seeds { get; } =
    [
        .. Often(80, Encoding.ASCII.GetBytes(MalformedUpgrades.Valid), Response()),
        Encoding.ASCII.GetBytes(MalformedUpgrades.Valid.Replace("Upgrade:", "X-Forwarded-For: a\r\nX-Forwarded-For:b\r\nForwarded:for=a\r\nX-Real-IP: ::1\r\nCookie:a\r\nCookie:b\r\nUser-Agent:\r\nUpgrade:", StringComparison.Ordinal)),
        Encoding.ASCII.GetBytes(MalformedUpgrades.Valid.Replace("/mqtt", "http://mqtt.example.com/mqtt?q", StringComparison.Ordinal)),
        .. MalformedUpgrades.All.Select(m => m.Bytes),
    ];

    public override void Run(Span<byte> input, uint choice)
    {
        ReadOnlySpan<byte> prefix = input[..SplitPoint(choice, input.Length)];
        var status = UpgradeRequestReader.Read(input, Rules, out var request, out var error);
        var early = UpgradeRequestReader.Read(prefix, Rules, out _, out var earlyError);
        Demand(early == ReadStatus.NeedMore || (early == status && earlyError == error), "more bytes change a verdict");
        Demand(status == ReadStatus.Invalid == (UpgradeErrors.StatusOf(error) != 0), "a reason without a status or the other way about");
        if (status == ReadStatus.Done)
        {
            Demand(request.TotalLength <= input.Length && request.Key.Length == AcceptKey.KeyLength, "fields outside the request");
            PassOn(input[..request.TotalLength], request, believed: (choice & 1) != 0);
        }
        status = UpgradeResponseReader.Read(input, Key, MqttSubprotocol.Mqtt, out int length, out _, out error);
        early = UpgradeResponseReader.Read(prefix, Key, MqttSubprotocol.Mqtt, out _, out _, out earlyError);
        Demand(early == ReadStatus.NeedMore || (early == status && earlyError == error), "more bytes change a verdict");
        Demand(length <= input.Length, "longer than the input");
    }

    /// <summary>What goes on to a backend fits its bound, and is a request that a listener takes.</summary>
    private void PassOn(ReadOnlySpan<byte> head, in UpgradeRequest request, bool believed)
    {
        var values = new UpgradeRequestValues
        {
            Path = request.Path.In(head),
            Query = request.Query.In(head),
            Host = request.Host.In(head),
            Key = Key,
            Subprotocol = MqttSubprotocol.Mqtt,
            RemoteAddress = "2001:db8::7"u8,
            Client = head,
            ClientRequest = request,
            Passed = Passed,
            IsBelieved = believed,
        };
        var written = _written.AsSpan(0, UpgradeRequestWriter.MaxLength(values));
        int length = UpgradeRequestWriter.Write(written, values);
        if (length > UpgradeRequestReader.MaxLength) return;
        Demand(UpgradeRequestReader.Read(written[..length], Rules, out var again, out _) == ReadStatus.Done, "what goes on is no request");
        Demand(again.TotalLength == length, "what goes on holds more than one request");
        Demand(again.Query.In(written).SequenceEqual(request.Query.In(head)), "another query goes on");
    }

    private static byte[] Response()
    {
        byte[] bytes = new byte[UpgradeResponse.MaxLength];
        return bytes[..UpgradeResponse.Write(bytes, Key, MqttSubprotocol.Mqtt)];
    }
}
