using System.Buffers.Binary;

namespace ActorLb.Protocol.ProxyProtocol;

/// <summary>An IP address and a port as plain bits: unlike IPEndPoint, no object per connection. Equal when address and port are.</summary>
/// <param name="High">First eight bytes of an IPv6 address in host order; 0 for IPv4.</param>
/// <param name="Low">Last eight bytes of an IPv6 address, or the four of an IPv4 one, in host order.</param>
public readonly record struct EndpointAddress(bool IsV6, ulong High, ulong Low, ushort Port)
{
    private const ulong MappedPrefix = 0xFFFF_0000_0000;

    /// <summary>4 or 16 bytes.</summary>
    public int Length => IsV6 ? 16 : 4;

    /// <summary>An IPv4-mapped IPv6 address, ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).</summary>
    public bool IsMappedV4 => IsV6 && High == 0 && Low >> 32 == MappedPrefix >> 32;

    /// <param name="address">4 or 16 bytes in network order.</param>
    public static EndpointAddress FromBytes(ReadOnlySpan<byte> address, ushort port) => address.Length switch
    {
        4 => new EndpointAddress(false, 0, BinaryPrimitives.ReadUInt32BigEndian(address), port),
        16 => new EndpointAddress(
            true, BinaryPrimitives.ReadUInt64BigEndian(address), BinaryPrimitives.ReadUInt64BigEndian(address[8..]), port),
        _ => throw new ArgumentException("An IP address has 4 or 16 bytes.", nameof(address)),
    };

    /// <summary>Writes <see cref="Length"/> bytes in network order.</summary>
    public void WriteTo(Span<byte> destination)
    {
        if (!IsV6)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)Low);
            return;
        }
        BinaryPrimitives.WriteUInt64BigEndian(destination, High);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], Low);
    }

    /// <summary>The IPv4 address if this is a mapped one, otherwise itself.</summary>
    public EndpointAddress Unmapped() => IsMappedV4 ? new EndpointAddress(false, 0, (uint)Low, Port) : this;

    /// <summary>The mapped IPv4 address if this is IPv4, otherwise itself.</summary>
    public EndpointAddress ToV6() => IsV6 ? this : new EndpointAddress(true, 0, MappedPrefix | Low, Port);
}
