namespace ActorLb.Protocol.ProxyProtocol;

public enum ProxyStatus : byte
{
    NeedMore,

    /// <summary>The bytes are not the start of a PROXY header of either version.</summary>
    NotProxy,
    Invalid,
    Done,
}

/// <summary>Why a PROXY header is refused. The numbers are stable: they appear in logs and metrics.</summary>
public enum ProxyError : byte
{
    None = 0,
    NotProxy = 1,
    TooLong = 2,
    LineEnd = 3,
    Protocol = 4,
    Address = 5,
    Port = 6,
    Version = 7,
    Command = 8,
    Family = 9,
    AddressLength = 10,
    Tlv = 11,
    Checksum = 12,
}

public static class ProxyErrors
{
    /// <summary>One clause for logs.</summary>
    public static string Text(this ProxyError error) => error switch
    {
        ProxyError.None => "no error",
        ProxyError.NotProxy => "the connection does not begin with a PROXY header",
        ProxyError.TooLong => "the PROXY header is too long",
        ProxyError.LineEnd => "the PROXY line does not end in CR LF",
        ProxyError.Protocol => "the PROXY line's protocol is not TCP4, TCP6 or UNKNOWN",
        ProxyError.Address => "an address of the PROXY line is malformed",
        ProxyError.Port => "a port of the PROXY line is malformed",
        ProxyError.Version => "the binary PROXY header's version is not 2",
        ProxyError.Command => "the PROXY header's command is neither LOCAL nor PROXY",
        ProxyError.Family => "the PROXY header's address family or transport is unknown",
        ProxyError.AddressLength => "the PROXY header is too short for its addresses",
        ProxyError.Tlv => "a type-length-value of the PROXY header is malformed",
        ProxyError.Checksum => "the PROXY header's CRC32C is wrong",
        _ => "unknown error",
    };
}

/// <summary>Whose connection a PROXY header describes.</summary>
public enum ProxyKind : byte
{
    /// <summary>The proxy's own connection, such as a health check. The connection's own addresses apply.</summary>
    Local,

    /// <summary>A client whose addresses are not given. The connection's own addresses apply.</summary>
    Unknown,
    Ip,
    Unix,
}

/// <summary>Types of type-length-values (PROXY protocol, 2.2).</summary>
public static class ProxyTlv
{
    public const byte Alpn = 0x01;
    public const byte Authority = 0x02;
    public const byte Crc32c = 0x03;
    public const byte Noop = 0x04;
    public const byte UniqueId = 0x05;
    public const byte Ssl = 0x20;
    public const byte SslVersion = 0x21;
    public const byte SslCommonName = 0x22;
    public const byte SslCipher = 0x23;
    public const byte SslSignatureAlgorithm = 0x24;
    public const byte SslKeyAlgorithm = 0x25;
    public const byte NetworkNamespace = 0x30;

    /// <summary>Longest unique id (2.2.5).</summary>
    public const int MaxUniqueIdLength = 128;
}

/// <summary>Bits of the SSL value's client field (PROXY protocol, 2.2.6).</summary>
[Flags]
public enum ProxySslClient : byte
{
    None = 0,

    /// <summary>The client connected over TLS.</summary>
    Ssl = 1,

    /// <summary>It presented a certificate on this connection.</summary>
    CertificateOnConnection = 2,

    /// <summary>It presented a certificate at least once in the TLS session.</summary>
    CertificateInSession = 4,
}

/// <summary>A PROXY header; the ranges are offsets into its bytes.</summary>
public struct ProxyHeader
{
    /// <summary>Bytes of the header; 0 while unknown.</summary>
    public int TotalLength;

    /// <summary>1 or 2.</summary>
    public byte Version;

    public ProxyKind Kind;

    /// <summary>Set for <see cref="ProxyKind.Ip"/>.</summary>
    public EndpointAddress Source;

    public EndpointAddress Destination;

    /// <summary>Set for <see cref="ProxyKind.Unix"/>: the path without its trailing zeros.</summary>
    public FieldRange SourcePath;

    public FieldRange DestinationPath;

    /// <summary>All type-length-values, for <see cref="ProxyTlvCursor"/>.</summary>
    public FieldRange Tlvs;

    public FieldRange Alpn;
    public FieldRange Authority;
    public FieldRange UniqueId;

    /// <summary>A checksum was present and correct.</summary>
    public bool HasChecksum;

    public bool HasSsl;
    public ProxySslClient SslClient;

    /// <summary>0 when the client presented a certificate and it was verified.</summary>
    public uint SslVerify;

    public FieldRange SslVersion;
    public FieldRange SslCommonName;
    public FieldRange SslCipher;
    public FieldRange SslSignatureAlgorithm;
    public FieldRange SslKeyAlgorithm;
}
