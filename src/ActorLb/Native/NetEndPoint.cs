using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using ActorLb.Protocol.ProxyProtocol;

namespace ActorLb.Native;

/// <summary>
/// An IP address and port, 24 bytes, no references. IPv4 addresses are kept mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2),
/// so that one comparison and one hash serve both families.
/// </summary>
internal readonly struct NetEndPoint : IEquatable<NetEndPoint>
{
    /// <summary>Size of the larger <c>sockaddr</c>, that of IPv6 (netinet/in.h).</summary>
    public const int MaxSockaddrSize = 28;

    /// <summary>Longest text: eight groups, brackets, colon and port.</summary>
    public const int MaxTextSize = 56;

    private readonly ulong _high, _low;
    private readonly uint _scope;

    private NetEndPoint(ulong high, ulong low, ushort port, uint scope)
    {
        _high = high;
        _low = low;
        Port = port;
        _scope = scope;
    }

    public ushort Port { get; }

    public bool IsIPv4 => _high == 0 && _low >> 32 == 0xffff;

    /// <summary>False for <c>default</c>: no address at all.</summary>
    public bool IsKnown => (_high | _low | Port) != 0;

    /// <summary>The 16 bytes of the (mapped) address as a number, network order.</summary>
    public UInt128 AddressBits => new(_high, _low);

    public IPAddress Address
    {
        get
        {
            Span<byte> bytes = stackalloc byte[16];
            int length = WriteAddress(bytes);
            return length == 4 ? new IPAddress(bytes[..4]) : new IPAddress(bytes, _scope);
        }
    }

    public static NetEndPoint From(IPEndPoint endPoint) => From(endPoint.Address, endPoint.Port);

    public static NetEndPoint From(IPAddress address, int port)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int length);
        uint scope = address.AddressFamily == AddressFamily.InterNetworkV6 ? (uint)address.ScopeId : 0;
        return FromAddress(bytes[..length], (ushort)port, scope);
    }

    /// <param name="address">4 or 16 bytes in network order.</param>
    public static NetEndPoint FromAddress(ReadOnlySpan<byte> address, ushort port, uint scope = 0) => address.Length == 4
        ? new NetEndPoint(0, 0xffff_0000_0000UL | BinaryPrimitives.ReadUInt32BigEndian(address), port, 0)
        : new NetEndPoint(BinaryPrimitives.ReadUInt64BigEndian(address), BinaryPrimitives.ReadUInt64BigEndian(address[8..]), port, scope);

    public static NetEndPoint From(in EndpointAddress address) => address.IsV6
        ? new NetEndPoint(address.High, address.Low, address.Port, 0)
        : new NetEndPoint(0, 0xffff_0000_0000UL | address.Low, address.Port, 0);

    public static NetEndPoint FromSockaddr(ReadOnlySpan<byte> sockaddr)
    {
        if (sockaddr.Length < 16) return default;
        ushort family = BitConverter.ToUInt16(sockaddr);
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(sockaddr[2..]);
        if (family == Libc.AF_INET) return FromAddress(sockaddr.Slice(4, 4), port);
        return family == Libc.AF_INET6 && sockaddr.Length >= MaxSockaddrSize
            ? FromAddress(sockaddr.Slice(8, 16), port, BitConverter.ToUInt32(sockaddr[24..]))
            : default;
    }

    /// <summary>Writes the <c>sockaddr</c> of the address's own family; returns its size, 16 or 28.</summary>
    public int WriteSockaddr(Span<byte> into)
    {
        into[..MaxSockaddrSize].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(into[2..], Port);
        if (IsIPv4)
        {
            BitConverter.TryWriteBytes(into, (ushort)Libc.AF_INET);
            BinaryPrimitives.WriteUInt32BigEndian(into[4..], (uint)_low);
            return 16;
        }
        BitConverter.TryWriteBytes(into, (ushort)Libc.AF_INET6);
        BinaryPrimitives.WriteUInt64BigEndian(into[8..], _high);
        BinaryPrimitives.WriteUInt64BigEndian(into[16..], _low);
        BitConverter.TryWriteBytes(into[24..], _scope);
        return MaxSockaddrSize;
    }

    /// <summary>Writes the address in network order; returns 4 or 16.</summary>
    public int WriteAddress(Span<byte> into)
    {
        if (IsIPv4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(into, (uint)_low);
            return 4;
        }
        BinaryPrimitives.WriteUInt64BigEndian(into, _high);
        BinaryPrimitives.WriteUInt64BigEndian(into[8..], _low);
        return 16;
    }

    /// <summary>Writes the address's text without port or brackets; returns its length.</summary>
    public int WriteAddressText(Span<byte> utf8)
    {
        if (IsIPv4)
        {
            int at = 0;
            for (int shift = 24; shift >= 0; shift -= 8)
            {
                ((byte)(_low >> shift)).TryFormat(utf8[at..], out int written);
                at += written;
                if (shift > 0) utf8[at++] = (byte)'.';
            }
            return at;
        }
        return Address.TryFormat(utf8, out int length) ? length : 0;
    }

    public bool Equals(NetEndPoint other) => _high == other._high && _low == other._low && Port == other.Port && _scope == other._scope;

    public override bool Equals(object? obj) => obj is NetEndPoint other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(_high, _low, Port);

    public IPEndPoint ToIPEndPoint() => new(Address, Port);

    public override string ToString() => IsKnown ? ToIPEndPoint().ToString() : "-";
}
