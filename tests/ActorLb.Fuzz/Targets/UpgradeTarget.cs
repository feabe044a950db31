using System.Text;
using ActorLb.Protocol;
using ActorLb.Protocol.Tests.WebSocket;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Fuzz.Targets;

/// <summary>Upgrade requests of clients and responses of backends.</summary>
internal sealed class UpgradeTarget : FuzzTarget
{
    private static readonly UpgradeRules Rules = new(MalformedUpgrades.Path, MalformedUpgrades.Host);
    private static readonly byte[] Key = Encoding.ASCII.GetBytes("dGhlIHNhbXBsZSBub25jZQ==");

    private readonly byte[] _joined = new byte[UpgradeRequestReader.MaxLength];

    public override string Name => "upgrade";

    public override byte[][] Seeds { get; } =
    [
        .. Often(80, Encoding.ASCII.GetBytes(MalformedUpgrades.Valid), Response()),
        Encoding.ASCII.GetBytes(MalformedUpgrades.Valid.Replace("Upgrade:", "X-Forwarded-For: a\r\nX-Forwarded-For: b\r\nUpgrade:", StringComparison.Ordinal)),
        Encoding.ASCII.GetBytes(MalformedUpgrades.Valid.Replace("/mqtt", "http://mqtt.example.com/mqtt?q", StringComparison.Ordinal)),
        .. MalformedUpgrades.All.Select(m => m.Bytes),
    ];

    public override void Run(Span<byte> input, uint choice)
    {
        ReadOnlySpan<byte> prefix = input[..SplitPoint(choice, input.Length)];
        ReadStatus status = UpgradeRequestReader.Read(input, Rules, out UpgradeRequest request, out UpgradeError error);
        ReadStatus early = UpgradeRequestReader.Read(prefix, Rules, out _, out UpgradeError earlyError);
        Demand(early == ReadStatus.NeedMore || (early == status && earlyError == error), "more bytes change a verdict");
        Demand(status == ReadStatus.Invalid == (UpgradeErrors.StatusOf(error) != 0), "a reason without a status or the other way about");
        if (status == ReadStatus.Done)
        {
            Demand(request.TotalLength <= input.Length && request.Key.Length == AcceptKey.KeyLength, "fields outside the request");
            Demand(UpgradeRequestReader.WriteForwardedFor(input, request, _joined) <= request.TotalLength, "the chain is too long");
        }
        status = UpgradeResponseReader.Read(input, Key, MqttSubprotocol.Mqtt, out int length, out _, out error);
        early = UpgradeResponseReader.Read(prefix, Key, MqttSubprotocol.Mqtt, out _, out _, out earlyError);
        Demand(early == ReadStatus.NeedMore || (early == status && earlyError == error), "more bytes change a verdict");
        Demand(length <= input.Length, "longer than the input");
    }

    private static byte[] Response()
    {
        var bytes = new byte[UpgradeResponse.MaxLength];
        return bytes[..UpgradeResponse.Write(bytes, Key, MqttSubprotocol.Mqtt)];
    }
}
