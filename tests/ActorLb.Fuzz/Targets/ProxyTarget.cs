using ActorLb.Protocol.ProxyProtocol;

namespace ActorLb.Fuzz.Targets;

internal sealed class ProxyTarget : FuzzTarget
{
    private const int MaxLength = 1024;

    private readonly byte[] _written = new byte[ProxyHeaderReader.MaxV1Length];

    public override string Name => "proxy";

    public override byte[][] Seeds { get; } =
    [
        "PROXY UNKNOWN\r\n"u8.ToArray(), "PROXY TCP4 192.0.2.1 198.51.100.7 56324 1883\r\n"u8.ToArray(),
        "PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 1 65535\r\n"u8.ToArray(), V2(v6: false, ssl: true), V2(v6: true, ssl: true),
        V2(v6: false, ssl: false), V2Local(),
    ];

    public override void Run(Span<byte> input, uint choice)
    {
        var status = ProxyHeaderReader.Read(input, MaxLength, out var header, out var error);
        Demand(status is ProxyStatus.Invalid or ProxyStatus.NotProxy == (error != ProxyError.None), "a reason without a refusal or the other way about");
        var early = ProxyHeaderReader.Read(input[..SplitPoint(choice, input.Length)], MaxLength, out _, out var earlyError);
        Demand(early == ProxyStatus.NeedMore || (early == status && earlyError == error), "more bytes change a verdict");
        if (status != ProxyStatus.Done) return;
        Demand(header.TotalLength <= input.Length && header.Authority.End <= header.TotalLength, "fields outside the header");
        Demand(header.SslCipher.End <= header.TotalLength && header.SourcePath.End <= header.TotalLength, "fields outside the header");
        if (header.Kind != ProxyKind.Ip) return;

        int length = ProxyHeaderWriter.WriteV1(_written, header.Source, header.Destination);
        var again = ProxyHeaderReader.Read(_written.AsSpan(0, length), MaxLength, out var read, out _);
        Demand(again == ProxyStatus.Done && read.Source.Unmapped() == header.Source.Unmapped(), "a written address is another");
        Demand(read.Destination.Unmapped() == header.Destination.Unmapped(), "a written address is another");
    }

    /// <summary>Sets the length of a version 2 header to what is there.</summary>
    public override bool Repair(Span<byte> input)
    {
        if (input.Length < 16 || input[0] != 0x0D) return false;
        input[14] = (byte)((input.Length - 16) >> 8);
        input[15] = (byte)(input.Length - 16);
        return true;
    }

    private static byte[] V2(bool v6, bool ssl)
    {
        EndpointAddress from = EndpointAddress.FromBytes([192, 0, 2, 1], 5000), to = EndpointAddress.FromBytes([192, 0, 2, 2], 1883);
        if (v6) from = from.ToV6() with { High = 0x20010DB800000000 };
        // Without a checksum: with one, nearly every mutation ends there.
        var values = new ProxyTlvValues
        {
            Crc32c = !ssl,
            Alpn = "mqtt"u8,
            Authority = "a.example"u8,
            UniqueId = "id"u8,
            HasSsl = ssl,
            SslVersion = "TLSv1.3"u8,
            SslCommonName = "cn"u8,
            SslCipher = "c"u8,
        };
        byte[] bytes = new byte[ProxyHeaderWriter.MaxV2Length(values)];
        ProxyHeaderWriter.TryWriteV2(bytes, from, to, values, out int written);
        return bytes[..written];
    }

    private static byte[] V2Local()
    {
        byte[] bytes = new byte[16];
        ProxyHeaderWriter.WriteV2Local(bytes);
        return bytes;
    }
}
