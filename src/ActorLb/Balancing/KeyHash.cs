using System.Buffers.Binary;
using System.Net;

namespace ActorLb.Balancing;

/// <summary>
/// The 64-bit hash of keys and addresses that placement uses: the same on every processor and in every version, because nodes
/// must agree on it. Its values are pinned by a test.
/// </summary>
public static class KeyHash
{
    // Odd constants with about half their bits set: the golden ratio and square root of 3, scaled to 64 bits.
    private const ulong Golden = 0x9E3779B97F4A7C15;
    private const ulong Root3 = 0xBB67AE8584CAA73B;

    public static ulong Of(ReadOnlySpan<byte> key)
    {
        ulong hash = Golden ^ (ulong)key.Length;
        while (key.Length >= 8)
        {
            hash = Fold(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(key), Root3) + Golden;
            key = key[8..];
        }

        ulong tail = 0;
        for (int i = 0; i < key.Length; i++)
        {
            tail |= (ulong)key[i] << (8 * i);
        }

        return Mix(Fold(hash ^ tail, Root3) ^ hash);
    }

    /// <summary>
    /// The hash of a client address (4 or 16 bytes, network order) for <c>ip-hash</c>: as NGINX's ip_hash, the first three octets
    /// of an IPv4 address, all of an IPv6 address; an IPv4 address mapped into IPv6 counts as IPv4.
    /// </summary>
    public static ulong OfAddress(ReadOnlySpan<byte> address)
    {
        if (address.Length == 16 && BinaryPrimitives.ReadUInt64BigEndian(address) == 0
            && BinaryPrimitives.ReadUInt32BigEndian(address[8..]) == 0x0000FFFF)
        {
            address = address[12..];
        }

        return Of(address.Length == 4 ? address[..3] : address);
    }

    public static ulong OfAddress(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int written);
        return OfAddress(bytes[..written]);
    }

    /// <summary>Spreads every input bit over all output bits (the finalizer of SplitMix64).</summary>
    internal static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    private static ulong Fold(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        return high ^ low;
    }
}
