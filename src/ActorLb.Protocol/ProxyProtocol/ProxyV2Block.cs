using System.Buffers.Binary;

namespace ActorLb.Protocol.ProxyProtocol;

/// <summary>The binary header (proxy-protocol.txt, 2.2).</summary>
internal static class ProxyV2Block
{
    /// <summary>Signature, version and command, family and transport, length.</summary>
    public const int FixedLength = 16;

    public const byte LocalCommand = 0x20;
    public const byte ProxyCommand = 0x21;
    public const byte TcpV4 = 0x11;
    public const byte TcpV6 = 0x21;
    public const int V4Length = 12;
    public const int V6Length = 36;
    private const int UnixLength = 216;
    private const int UnixPathLength = 108;

    /// <param name="received">Starts with the signature.</param>
    public static ReadStatus Read(ReadOnlySpan<byte> received, int maxLength, ref ProxyHeader header, ref ProxyError error)
    {
        header.Version = 2;
        if (received.Length > 12 && received[12] is not (LocalCommand or ProxyCommand))
            return Refuse(received[12] >> 4 == 2 ? ProxyError.Command : ProxyError.Version, ref error);
        // Families end at 3 (UNIX), transports at 2 (DGRAM); the other values are unassigned and must be rejected.
        if (received.Length > 13 && (received[13] >> 4 > 3 || (received[13] & 0x0F) > 2))
            return Refuse(ProxyError.Family, ref error);
        if (received.Length < FixedLength) return ReadStatus.NeedMore;

        header.TotalLength = FixedLength + BinaryPrimitives.ReadUInt16BigEndian(received[14..]);
        if (header.TotalLength > maxLength) return Refuse(ProxyError.TooLong, ref error);
        if (received.Length < header.TotalLength) return ReadStatus.NeedMore;
        error = ReadBlock(received[..header.TotalLength], ref header);
        return error == ProxyError.None ? ReadStatus.Done : ReadStatus.Invalid;
    }

    private static ReadStatus Refuse(ProxyError reason, ref ProxyError error)
    {
        error = reason;
        return ReadStatus.Invalid;
    }

    private static ProxyError ReadBlock(ReadOnlySpan<byte> block, ref ProxyHeader header)
    {
        header.Kind = ProxyKind.Local;
        // The block of a LOCAL header must be discarded whatever it holds.
        if (block[12] == LocalCommand) return ProxyError.None;
        header.Kind = ProxyKind.Unknown;
        int family = block[13] >> 4;
        int addressLength = family switch { 1 => V4Length, 2 => V6Length, 3 => UnixLength, _ => 0 };
        if (block.Length - FixedLength < addressLength) return ProxyError.AddressLength;
        // Without a family there is no telling where the type-length-values begin.
        if (family == 0) return ProxyError.None;
        // A datagram's addresses do not describe this stream.
        if ((block[13] & 0x0F) == 1) ReadAddresses(block, family, ref header);
        header.Tlvs = new FieldRange(FixedLength + addressLength, block.Length - FixedLength - addressLength);
        return ReadTlvs(block, ref header);
    }

    private static void ReadAddresses(ReadOnlySpan<byte> block, int family, ref ProxyHeader header)
    {
        var addresses = block[FixedLength..];
        if (family == 3)
        {
            header.Kind = ProxyKind.Unix;
            header.SourcePath = PathAt(block, FixedLength);
            header.DestinationPath = PathAt(block, FixedLength + UnixPathLength);
            return;
        }
        int size = family == 1 ? 4 : 16;
        header.Kind = ProxyKind.Ip;
        header.Source = EndpointAddress.FromBytes(addresses[..size], BinaryPrimitives.ReadUInt16BigEndian(addresses[(2 * size)..]));
        header.Destination = EndpointAddress.FromBytes(
            addresses[size..(2 * size)], BinaryPrimitives.ReadUInt16BigEndian(addresses[(2 * size + 2)..]));
    }

    private static FieldRange PathAt(ReadOnlySpan<byte> block, int offset)
    {
        // An abstract name starts with a zero: only the trailing zeros are padding.
        int length = block.Slice(offset, UnixPathLength).TrimEnd((byte)0).Length;
        return new FieldRange(offset, length);
    }

    private static ProxyError ReadTlvs(ReadOnlySpan<byte> block, ref ProxyHeader header)
    {
        var tlv = new ProxyTlvCursor(block, header.Tlvs);
        while (tlv.MoveNext())
        {
            switch (tlv.Type)
            {
                case ProxyTlv.Alpn: header.Alpn = tlv.Value; break;
                case ProxyTlv.Authority: header.Authority = tlv.Value; break;
                case ProxyTlv.UniqueId:
                    if (tlv.Value.Length > ProxyTlv.MaxUniqueIdLength) return ProxyError.Tlv;
                    header.UniqueId = tlv.Value;
                    break;
                case ProxyTlv.Crc32c:
                    if (tlv.Value.Length != 4 || header.HasChecksum) return ProxyError.Tlv;
                    if (Checksum(block, tlv.Value.Offset) != BinaryPrimitives.ReadUInt32BigEndian(tlv.Value.In(block)))
                        return ProxyError.Checksum;
                    header.HasChecksum = true;
                    break;
                case ProxyTlv.Ssl:
                    if (!TryReadSsl(block, tlv.Value, ref header)) return ProxyError.Tlv;
                    break;
            }
        }
        return tlv.Malformed ? ProxyError.Tlv : ProxyError.None;
    }

    /// <summary>2.2.6: client bits, verify result, nested values.</summary>
    private static bool TryReadSsl(ReadOnlySpan<byte> block, FieldRange value, ref ProxyHeader header)
    {
        if (value.Length < 5) return false;
        header.HasSsl = true;
        header.SslClient = (ProxySslClient)block[value.Offset];
        header.SslVerify = BinaryPrimitives.ReadUInt32BigEndian(block[(value.Offset + 1)..]);
        var nested = new ProxyTlvCursor(block, new FieldRange(value.Offset + 5, value.Length - 5));
        while (nested.MoveNext())
        {
            switch (nested.Type)
            {
                case ProxyTlv.SslVersion: header.SslVersion = nested.Value; break;
                case ProxyTlv.SslCommonName: header.SslCommonName = nested.Value; break;
                case ProxyTlv.SslCipher: header.SslCipher = nested.Value; break;
                case ProxyTlv.SslSignatureAlgorithm: header.SslSignatureAlgorithm = nested.Value; break;
                case ProxyTlv.SslKeyAlgorithm: header.SslKeyAlgorithm = nested.Value; break;
            }
        }
        return !nested.Malformed;
    }

    /// <summary>2.2.3: over the whole header, the checksum itself taken as zero.</summary>
    internal static uint Checksum(ReadOnlySpan<byte> block, int offset)
    {
        var crc = Crc32c.Start();
        crc.Add(block[..offset]);
        crc.Add([0, 0, 0, 0]);
        crc.Add(block[(offset + 4)..]);
        return crc.Value;
    }
}
