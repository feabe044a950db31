using System.Buffers.Binary;
using System.Globalization;

namespace ActorLb.Protocol.ProxyProtocol;

/// <summary>What a version 2 header carries besides the addresses; an empty text is left out.</summary>
public ref struct ProxyTlvValues
{
    public bool Crc32c;
    public ReadOnlySpan<byte> Alpn;

    /// <summary>Host name that the client asked for, such as the TLS server name.</summary>
    public ReadOnlySpan<byte> Authority;

    /// <summary>At most 128 bytes.</summary>
    public ReadOnlySpan<byte> UniqueId;

    /// <summary>Write the SSL value with the fields below.</summary>
    public bool HasSsl;

    public ProxySslClient SslClient;

    /// <summary>0 only when the client presented a certificate and it was verified.</summary>
    public uint SslVerify;

    public ReadOnlySpan<byte> SslVersion;
    public ReadOnlySpan<byte> SslCommonName;
    public ReadOnlySpan<byte> SslKeyAlgorithm;
    public ReadOnlySpan<byte> SslSignatureAlgorithm;
    public ReadOnlySpan<byte> SslCipher;
}

/// <summary>
/// Writes PROXY headers (HAProxy's proxy-protocol.txt). Addresses of mixed families are written as IPv6, with the IPv4 one mapped; two
/// mapped ones are written as IPv4.
/// </summary>
public static class ProxyHeaderWriter
{
    private static ReadOnlySpan<byte> UnknownLine => "PROXY UNKNOWN\r\n"u8;

    /// <param name="destination">At least <see cref="ProxyHeaderReader.MaxV1Length"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public static int WriteV1(Span<byte> destination, EndpointAddress from, EndpointAddress to)
    {
        bool v6 = Unify(ref from, ref to);
        (v6 ? "PROXY TCP6 "u8 : "PROXY TCP4 "u8).CopyTo(destination);
        int at = 11;
        at += IpText.Write(destination[at..], from);
        destination[at++] = (byte)' ';
        at += IpText.Write(destination[at..], to);
        destination[at++] = (byte)' ';
        at += WritePort(destination[at..], from.Port);
        destination[at++] = (byte)' ';
        at += WritePort(destination[at..], to.Port);
        destination[at++] = (byte)'\r';
        destination[at++] = (byte)'\n';
        return at;
    }

    /// <summary>For one of the balancer's own connections, such as a probe.</summary>
    /// <returns>Bytes written.</returns>
    public static int WriteV1Unknown(Span<byte> destination)
    {
        UnknownLine.CopyTo(destination);
        return UnknownLine.Length;
    }

    /// <summary>For one of the balancer's own connections, such as a probe.</summary>
    /// <returns>Bytes written: 16.</returns>
    public static int WriteV2Local(Span<byte> destination)
    {
        ProxyHeaderReader.V2Signature.CopyTo(destination);
        destination[12] = ProxyV2Block.LocalCommand;
        destination[13..ProxyV2Block.FixedLength].Clear();
        return ProxyV2Block.FixedLength;
    }

    /// <summary>Bytes of the longest header with these values.</summary>
    public static int MaxV2Length(in ProxyTlvValues values) =>
        ProxyV2Block.FixedLength + ProxyV2Block.V6Length + (values.Crc32c ? 7 : 0) + TlvLength(values.Alpn)
        + TlvLength(values.Authority) + TlvLength(values.UniqueId) + (values.HasSsl ? 3 + SslLength(values) : 0);

    /// <summary>
    /// Values in HAProxy's order: CRC32C, ALPN, authority, unique id, SSL (version, CN, key algorithm, signature algorithm,
    /// cipher).
    /// </summary>
    /// <returns>False when the header does not fit into <paramref name="destination"/> or its own 16-bit length.</returns>
    public static bool TryWriteV2(
        Span<byte> destination, EndpointAddress from, EndpointAddress to, in ProxyTlvValues values, out int written)
    {
        bool v6 = Unify(ref from, ref to);
        written = MaxV2Length(values) - (v6 ? 0 : ProxyV2Block.V6Length - ProxyV2Block.V4Length);
        int blockLength = written - ProxyV2Block.FixedLength;
        if (written > destination.Length || blockLength > ushort.MaxValue || values.UniqueId.Length > ProxyTlv.MaxUniqueIdLength)
        {
            written = 0;
            return false;
        }
        ProxyHeaderReader.V2Signature.CopyTo(destination);
        destination[12] = ProxyV2Block.ProxyCommand;
        destination[13] = v6 ? ProxyV2Block.TcpV6 : ProxyV2Block.TcpV4;
        BinaryPrimitives.WriteUInt16BigEndian(destination[14..], (ushort)blockLength);
        int at = ProxyV2Block.FixedLength;
        from.WriteTo(destination[at..]);
        to.WriteTo(destination[(at + from.Length)..]);
        at += 2 * from.Length;
        BinaryPrimitives.WriteUInt16BigEndian(destination[at..], from.Port);
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 2)..], to.Port);
        at += 4;

        int checksumAt = at + 3;
        if (values.Crc32c) WriteTlv(destination, ref at, ProxyTlv.Crc32c, [0, 0, 0, 0]);
        WriteTlv(destination, ref at, ProxyTlv.Alpn, values.Alpn);
        WriteTlv(destination, ref at, ProxyTlv.Authority, values.Authority);
        WriteTlv(destination, ref at, ProxyTlv.UniqueId, values.UniqueId);
        if (values.HasSsl) WriteSsl(destination, ref at, values);
        if (values.Crc32c)
        {
            uint checksum = ProxyV2Block.Checksum(destination[..at], checksumAt);
            BinaryPrimitives.WriteUInt32BigEndian(destination[checksumAt..], checksum);
        }
        return true;
    }

    /// <summary>Converts both addresses to one family; true when that is IPv6.</summary>
    private static bool Unify(ref EndpointAddress from, ref EndpointAddress to)
    {
        from = from.Unmapped();
        to = to.Unmapped();
        if (!from.IsV6 && !to.IsV6) return false;
        from = from.ToV6();
        to = to.ToV6();
        return true;
    }

    private static int WritePort(Span<byte> destination, ushort port)
    {
        port.TryFormat(destination, out int written, default, CultureInfo.InvariantCulture);
        return written;
    }

    private static int TlvLength(ReadOnlySpan<byte> value) => value.IsEmpty ? 0 : 3 + value.Length;

    private static int SslLength(in ProxyTlvValues values) =>
        5 + TlvLength(values.SslVersion) + TlvLength(values.SslCommonName) + TlvLength(values.SslKeyAlgorithm)
        + TlvLength(values.SslSignatureAlgorithm) + TlvLength(values.SslCipher);

    private static void WriteSsl(Span<byte> destination, ref int at, in ProxyTlvValues values)
    {
        destination[at] = ProxyTlv.Ssl;
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 1)..], (ushort)SslLength(values));
        destination[at + 3] = (byte)values.SslClient;
        BinaryPrimitives.WriteUInt32BigEndian(destination[(at + 4)..], values.SslVerify);
        at += 8;
        WriteTlv(destination, ref at, ProxyTlv.SslVersion, values.SslVersion);
        WriteTlv(destination, ref at, ProxyTlv.SslCommonName, values.SslCommonName);
        WriteTlv(destination, ref at, ProxyTlv.SslKeyAlgorithm, values.SslKeyAlgorithm);
        WriteTlv(destination, ref at, ProxyTlv.SslSignatureAlgorithm, values.SslSignatureAlgorithm);
        WriteTlv(destination, ref at, ProxyTlv.SslCipher, values.SslCipher);
    }

    private static void WriteTlv(Span<byte> destination, ref int at, byte type, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty) return;
        destination[at] = type;
        BinaryPrimitives.WriteUInt16BigEndian(destination[(at + 1)..], (ushort)value.Length);
        value.CopyTo(destination[(at + 3)..]);
        at += 3 + value.Length;
    }
}
