using System.Text;
using ActorLb.Protocol.ProxyProtocol;

namespace ActorLb.Protocol.Tests.ProxyProtocol;

public sealed class ProxyHeaderTests
{
    private const string Signature = "0D0A0D0A000D0A515549540A";

    /// <summary>HAProxy 2.6 with send-proxy-v2 and all proxy-v2-options, for a TLS client with a certificate.</summary>
    private const string CapturedFromHAProxy =
        "0D0A0D0A000D0A515549540A211100A67F0000017F000001942E70D3030004ED2DD6ED0100046D7174740200106D7174742E6578616D70"
        + "6C652E636F6D05002466303331613131352D663533362D343734302D613663652D63633833633761633435623020004F07000000002100"
        + "07544C5376312E332200086465766963652D31250005454332353624001165636473612D776974682D534841323536230016544C535F41"
        + "45535F3235365F47434D5F534841333834";

    private static readonly EndpointAddress Client = EndpointAddress.FromBytes([192, 0, 2, 1], 56324);
    private static readonly EndpointAddress Server = EndpointAddress.FromBytes([198, 51, 100, 7], 1883);
    private static readonly EndpointAddress ClientV6 = EndpointAddress.FromBytes(
        [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 56324);

    public static TheoryData<byte[]> Valid => [.. Samples()];

    /// <summary>Name, bytes in hexadecimal behind the signature (version 2) or as text (version 1), and the reason.</summary>
    public static TheoryData<string, ProxyError> MalformedV1 => new()
    {
        { "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", ProxyError.Protocol },
        { "PROXY \r\n", ProxyError.Protocol },
        { "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyError.Protocol },
        { "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyError.Protocol },
        { "PROXY TCP4\r\n", ProxyError.Address },
        { "PROXY TCP4 1.2.3.4\r\n", ProxyError.Address },
        { "PROXY TCP4 1.2.3.4 1.2.3.4\r\n", ProxyError.Port },
        { "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", ProxyError.Port },
        { "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", ProxyError.Address },
        { "PROXY TCP4 ::1 ::1 1 2\r\n", ProxyError.Address },
        { "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", ProxyError.Address },
        { "PROXY TCP6 ::1 1.2.3.4 1 2\r\n", ProxyError.Address },
        { "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", ProxyError.Address },
        { "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", ProxyError.Port },
        { "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", ProxyError.Port },
        { "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", ProxyError.Port },
        { "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", ProxyError.Port },
        { "PROXY TCP4 1.2.3.4 1.2.3.4 1 -2\r\n", ProxyError.Port },
        { "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", ProxyError.LineEnd },
        { "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", ProxyError.LineEnd },
        { "PROXY UNKNOWN\n", ProxyError.LineEnd },
        { "PROXY UNKNOWN " + new string('x', 93), ProxyError.TooLong },
        { "PROXY UNKNOWN " + new string('x', 92) + "\r\n", ProxyError.TooLong },
    };

    public static TheoryData<string, ProxyError> MalformedV2 => new()
    {
        { "11110000", ProxyError.Version }, { "31110000", ProxyError.Version }, { "22110000", ProxyError.Command },
        { "2F110000", ProxyError.Command }, { "2141" + "0000", ProxyError.Family }, { "21130000", ProxyError.Family },
        { "2111000B" + "0102030405060708090A0B", ProxyError.AddressLength },
        { "21210023" + "00000000000000000000000000000000000000000000000000000000000000000000000000000000", ProxyError.AddressLength },
        { "21310010" + "00000000000000000000000000000000", ProxyError.AddressLength },
        { "2111FFFF", ProxyError.TooLong },
        { "2111000D" + "0102030401020304000100020A", ProxyError.Tlv },
        { "2111000F" + "01020304010203040001000201000A", ProxyError.Tlv },
        { "21110012" + "010203040102030400010002" + "030003000000", ProxyError.Tlv },
        { "21110013" + "010203040102030400010002" + "03000400000000", ProxyError.Checksum },
        { "21110013" + "010203040102030400010002" + "20000400000000", ProxyError.Tlv },
        { "21110017" + "010203040102030400010002" + "2000080000000000210005", ProxyError.Tlv },
        { "21110090" + "010203040102030400010002" + "050081" + new string('0', 258), ProxyError.Tlv },
    };

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.7 56324 1883\r\n", false)]
    [InlineData("PROXY TCP6 2001:db8::1 ::ffff:198.51.100.7 56324 1883\r\n", true)]
    public void V1_Golden_BothWays(string line, bool v6)
    {
        Span<byte> buffer = stackalloc byte[ProxyHeaderReader.MaxV1Length];
        int length = ProxyHeaderWriter.WriteV1(buffer, v6 ? ClientV6 : Client, Server);
        Assert.Equal(line, Encoding.ASCII.GetString(buffer[..length]));
        var header = Read(buffer[..length]);
        Assert.Equal((1, ProxyKind.Ip, length), (header.Version, header.Kind, header.TotalLength));
        Assert.Equal(v6 ? ClientV6 : Client, header.Source);
        Assert.Equal(Server, header.Destination.Unmapped());
    }

    [Fact]
    public void V1_Longest_Fits()
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Fill(0xFF);
        var longest = EndpointAddress.FromBytes(bytes, 65535);
        Span<byte> buffer = stackalloc byte[ProxyHeaderReader.MaxV1Length];
        int length = ProxyHeaderWriter.WriteV1(buffer, longest, longest);
        Assert.Equal(longest, Read(buffer[..length]).Source);
    }

    [Theory]
    [InlineData("PROXY UNKNOWN\r\n")]
    [InlineData("PROXY UNKNOWN ffff:f...f:ffff what ever 65535\r\n")]
    public void V1_Unknown_AddressesIgnored(string line) => Assert.Equal(ProxyKind.Unknown, Read(Encoding.ASCII.GetBytes(line)).Kind);

    [Fact]
    public void V2_Golden_WithoutValues()
    {
        Assert.Equal(Signature + "2111000C" + "C0000201C6336407DC04075B", Convert.ToHexString(V2(Client, Server, default)));
        Assert.Equal(
            Signature + "21210024" + "20010DB800000000000000000000000100000000000000000000FFFFC6336407" + "DC04075B",
            Convert.ToHexString(V2(ClientV6, Server, default)));
        Assert.Equal(Signature + "2111000C" + "C0000201C6336407DC04075B", Convert.ToHexString(V2(Client.ToV6(), Server.ToV6(), default)));
    }

    [Fact]
    public void V2_AllValues_InHAProxysOrderAndReadBack()
    {
        byte[] bytes = Full();
        var header = Read(bytes);
        Assert.Equal((bytes.Length, 2, ProxyKind.Ip), (header.TotalLength, header.Version, header.Kind));
        Assert.Equal((Client, Server), (header.Source, header.Destination));
        Assert.True(header.HasChecksum);
        Expect.Bytes("mqtt"u8, header.Alpn.In(bytes));
        Expect.Bytes("mqtt.example.com"u8, header.Authority.In(bytes));
        Expect.Bytes("conn-17"u8, header.UniqueId.In(bytes));
        Assert.True(header.HasSsl);
        Assert.Equal(ProxySslClient.Ssl | ProxySslClient.CertificateInSession, header.SslClient);
        Assert.Equal(7u, header.SslVerify);
        Expect.Bytes("TLSv1.3"u8, header.SslVersion.In(bytes));
        Expect.Bytes("device"u8, header.SslCommonName.In(bytes));
        Expect.Bytes("EC256"u8, header.SslKeyAlgorithm.In(bytes));
        Expect.Bytes("SHA256"u8, header.SslSignatureAlgorithm.In(bytes));
        Expect.Bytes("TLS_AES_256_GCM_SHA384"u8, header.SslCipher.In(bytes));

        var types = new List<byte>();
        var tlv = new ProxyTlvCursor(bytes, header.Tlvs);
        while (tlv.MoveNext())
        {
            types.Add(tlv.Type);
            if (tlv.Type != ProxyTlv.Ssl) continue;
            var nested = new ProxyTlvCursor(bytes, new FieldRange(tlv.Value.Offset + 5, tlv.Value.Length - 5));
            while (nested.MoveNext()) types.Add(nested.Type);
        }
        Expect.Bytes([0x03, 0x01, 0x02, 0x05, 0x20, 0x21, 0x22, 0x25, 0x24, 0x23], types.ToArray());
    }

    [Fact]
    public void V2_CapturedFromHAProxy_ReadAndWrittenAlike()
    {
        byte[] bytes = Convert.FromHexString(CapturedFromHAProxy);
        var header = Read(bytes);
        Assert.Equal(bytes.Length, header.TotalLength);
        Assert.True(header.HasChecksum);
        Expect.Bytes("device-1"u8, header.SslCommonName.In(bytes));
        byte[] written = V2(header.Source, header.Destination, new ProxyTlvValues
        {
            Crc32c = true,
            Alpn = header.Alpn.In(bytes),
            Authority = header.Authority.In(bytes),
            UniqueId = header.UniqueId.In(bytes),
            HasSsl = true,
            SslClient = header.SslClient,
            SslVerify = header.SslVerify,
            SslVersion = header.SslVersion.In(bytes),
            SslCommonName = header.SslCommonName.In(bytes),
            SslKeyAlgorithm = header.SslKeyAlgorithm.In(bytes),
            SslSignatureAlgorithm = header.SslSignatureAlgorithm.In(bytes),
            SslCipher = header.SslCipher.In(bytes),
        });
        Expect.Bytes(bytes, written);
    }

    [Fact]
    public void V2_Checksum_OfAnyFlippedBit_Refused()
    {
        byte[] bytes = Full();
        for (int bit = 16 * 8; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            var status = ProxyHeaderReader.Read(bytes, 4096, out var header, out _);
            // A flip that turns the checksum's own type into another leaves a header without one.
            Assert.True(status == ProxyStatus.Invalid || (status == ProxyStatus.Done && !header.HasChecksum), $"bit {bit}");
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Crc32c_KnownVectors()
    {
        // RFC 3720, B.4, and the check value of the catalogue.
        Assert.Equal(0xE3069283u, Checksum("123456789"u8));
        Assert.Equal(0x8A9136AAu, Checksum(new byte[32]));
        Assert.Equal(0x46DD794Eu, Checksum(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray()));
    }

    [Fact]
    public void V2_Local_AnyBlockIgnored()
    {
        Span<byte> buffer = stackalloc byte[16];
        Assert.Equal(16, ProxyHeaderWriter.WriteV2Local(buffer));
        Assert.Equal(Signature + "20000000", Convert.ToHexString(buffer));
        Assert.Equal((ProxyKind.Local, 16), (Read(buffer).Kind, Read(buffer).TotalLength));
        var header = Read(Convert.FromHexString(Signature + "20110005" + "FFFFFFFFFF"));
        Assert.Equal((ProxyKind.Local, 21), (header.Kind, header.TotalLength));
    }

    [Theory]
    [InlineData("21000003FFFFFF", ProxyKind.Unknown)]
    [InlineData("2112000C010203040102030400010002", ProxyKind.Unknown)]
    public void V2_NoStreamAddresses_Unknown(string hex, ProxyKind kind) => Assert.Equal(kind, Read(Convert.FromHexString(Signature + hex)).Kind);

    [Fact]
    public void V2_Unix_PathsRead()
    {
        byte[] block = new byte[216];
        "/run/a.sock"u8.CopyTo(block);
        byte[] bytes = [.. Convert.FromHexString(Signature + "213100D8"), .. block];
        var header = Read(bytes);
        Assert.Equal(ProxyKind.Unix, header.Kind);
        Expect.Bytes("/run/a.sock"u8, header.SourcePath.In(bytes));
        Assert.Equal(0, header.DestinationPath.Length);
    }

    [Fact]
    public void V2_TooLongForItsLengthOrTheBuffer_False()
    {
        var values = new ProxyTlvValues { Authority = new byte[65535] };
        Assert.False(ProxyHeaderWriter.TryWriteV2(new byte[80_000], Client, Server, values, out _));
        values = new ProxyTlvValues { UniqueId = new byte[129] };
        Assert.False(ProxyHeaderWriter.TryWriteV2(new byte[1000], Client, Server, values, out _));
        Assert.False(ProxyHeaderWriter.TryWriteV2(new byte[27], Client, Server, default, out _));
        Assert.True(ProxyHeaderWriter.TryWriteV2(new byte[28], Client, Server, default, out _));
    }

    [Theory]
    [MemberData(nameof(Valid))]
    public void EverySplitPoint_NeedMoreUntilWhole(byte[] bytes)
    {
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Equal(ProxyStatus.NeedMore, ProxyHeaderReader.Read(bytes.AsSpan(0, length), 4096, out _, out var error));
            Assert.Equal(ProxyError.None, error);
        }
        var whole = Read(bytes);
        Assert.Equal(bytes.Length, whole.TotalLength);
        Assert.Equal(whole, Read([.. bytes, 0x10, 0x20]));
    }

    [Theory]
    [MemberData(nameof(MalformedV1))]
    public void V1_Malformed_Refused(string line, ProxyError expected) => Refuse(Encoding.ASCII.GetBytes(line), expected);

    [Theory]
    [MemberData(nameof(MalformedV2))]
    public void V2_Malformed_Refused(string hex, ProxyError expected) => Refuse(Convert.FromHexString(Signature + hex), expected);

    [Theory]
    [InlineData("100C")]
    [InlineData("50524F585920")]
    [InlineData("0D0A0D0A000D0A515549540B")]
    [InlineData("0D0B")]
    [InlineData("50524F5859")]
    [InlineData("16030100")]
    public void OtherBytes_NotProxy_AsSoonAsTheyDiffer(string hex)
    {
        byte[] bytes = [.. Convert.FromHexString(hex), .. hex.StartsWith("50524F5859", StringComparison.Ordinal) ? "\t"u8 : ""u8];
        bool isPrefix = bytes.AsSpan().StartsWith("PROXY "u8);
        Assert.Equal(isPrefix ? ProxyStatus.NeedMore : ProxyStatus.NotProxy, ProxyHeaderReader.Read(bytes, 4096, out _, out var error));
        Assert.Equal(isPrefix ? ProxyError.None : ProxyError.NotProxy, error);
    }

    [Fact]
    public void Errors_Numbers_Stable()
    {
        Assert.Equal(
            "None=0 NotProxy=1 TooLong=2 LineEnd=3 Protocol=4 Address=5 Port=6 Version=7 Command=8 Family=9 AddressLength=10 Tlv=11 Checksum=12",
            string.Join(' ', Enum.GetValues<ProxyError>().Select(e => $"{e}={(int)e}")));
        Assert.All(Enum.GetValues<ProxyError>(), e => Assert.NotEqual("unknown error", e.Text()));
    }

    private static IEnumerable<byte[]> Samples() =>
    [
        "PROXY UNKNOWN\r\n"u8.ToArray(), "PROXY TCP4 1.2.3.4 5.6.7.8 0 65535\r\n"u8.ToArray(), "PROXY TCP6 ::1 fe80::2 1 2\r\n"u8.ToArray(),
        V2(Client, Server, default), V2(ClientV6, Server, default), Full(), Convert.FromHexString(Signature + "20000000"),
    ];

    private static byte[] Full() => V2(Client, Server, new ProxyTlvValues
    {
        Crc32c = true,
        Alpn = "mqtt"u8,
        Authority = "mqtt.example.com"u8,
        UniqueId = "conn-17"u8,
        HasSsl = true,
        SslClient = ProxySslClient.Ssl | ProxySslClient.CertificateInSession,
        SslVerify = 7,
        SslVersion = "TLSv1.3"u8,
        SslCommonName = "device"u8,
        SslKeyAlgorithm = "EC256"u8,
        SslSignatureAlgorithm = "SHA256"u8,
        SslCipher = "TLS_AES_256_GCM_SHA384"u8,
    });

    private static byte[] V2(EndpointAddress from, EndpointAddress to, in ProxyTlvValues values)
    {
        byte[] buffer = new byte[ProxyHeaderWriter.MaxV2Length(values)];
        Assert.True(ProxyHeaderWriter.TryWriteV2(buffer, from, to, values, out int written));
        return buffer[..written];
    }

    private static ProxyHeader Read(ReadOnlySpan<byte> bytes)
    {
        var status = ProxyHeaderReader.Read(bytes, 4096, out var header, out var error);
        Assert.Equal((ProxyStatus.Done, ProxyError.None), (status, error));
        return header;
    }

    private static void Refuse(byte[] bytes, ProxyError expected)
    {
        bool refused = false;
        for (int length = 0; length <= bytes.Length; length++)
        {
            var status = ProxyHeaderReader.Read(bytes.AsSpan(0, length), 4096, out _, out var error);
            Assert.True(status is ProxyStatus.NeedMore or ProxyStatus.Invalid, status.ToString());
            Assert.False(refused && status == ProxyStatus.NeedMore, "a refusal was taken back");
            refused = status == ProxyStatus.Invalid;
            Assert.Equal(refused ? expected : ProxyError.None, error);
        }
        Assert.True(refused);
    }

    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = Crc32c.Start();
        crc.Add(bytes);
        return crc.Value;
    }
}
