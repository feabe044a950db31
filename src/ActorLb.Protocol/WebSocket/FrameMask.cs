using System.Numerics;
using System.Runtime.InteropServices;

namespace ActorLb.Protocol.WebSocket;

/// <summary>Masking, which is its own inverse (RFC 6455, 5.3).</summary>
public static class FrameMask
{
    /// <summary>Masks or unmasks in place, a vector at a time.</summary>
    /// <param name="mask">In memory order; its first byte belongs to the first byte of <paramref name="payload"/>.</param>
    /// <returns>The mask for the byte that follows.</returns>
    public static uint Apply(Span<byte> payload, uint mask)
    {
        if (mask == 0) return 0;
        var vectors = MemoryMarshal.Cast<byte, Vector<byte>>(payload);
        var wide = Vector.AsVectorByte(new Vector<uint>(mask));
        for (int i = 0; i < vectors.Length; i++) vectors[i] ^= wide;

        var rest = payload[(vectors.Length * Vector<byte>.Count)..];
        var words = MemoryMarshal.Cast<byte, uint>(rest);
        for (int i = 0; i < words.Length; i++) words[i] ^= mask;
        for (int i = words.Length * 4, k = 0; i < rest.Length; i++, k++) rest[i] ^= ByteOf(mask, k);
        return Advance(mask, payload.Length);
    }

    /// <summary>The mask after <paramref name="count"/> bytes.</summary>
    internal static uint Advance(uint mask, long count)
    {
        int bits = 8 * (int)(count & 3);
        return BitConverter.IsLittleEndian ? BitOperations.RotateRight(mask, bits) : BitOperations.RotateLeft(mask, bits);
    }

    private static byte ByteOf(uint mask, int index) => (byte)(mask >> (BitConverter.IsLittleEndian ? 8 * index : 24 - 8 * index));
}
