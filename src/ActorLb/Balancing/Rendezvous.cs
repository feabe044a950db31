using System.Numerics;

namespace ActorLb.Balancing;

/// <summary>
/// Weighted rendezvous hashing: the backend with the greatest <c>weight / -ln(u)</c> wins, where u in (0, 1] is a hash of key and
/// backend. When a backend leaves, only its own keys move. All arithmetic is in integers, so that every processor agrees.
/// </summary>
internal static class Rendezvous
{
    private const int TableBits = 10;
    private const int FractionBits = 32;

    /// <summary>log2(1 + i / 1024) in 32 fractional bits.</summary>
    private static readonly ulong[] Log2Table = BuildTable();

    /// <summary>Whether <paramref name="a"/> comes before <paramref name="b"/> for the key; with equal scores the smaller id
    /// does.</summary>
    public static bool Precedes(ulong hash, Backend a, Backend b) =>
        Precedes(Distance(hash, a), a, Distance(hash, b), b);

    /// <summary>The same with known distances: the smaller distance / weight wins, compared without a division.</summary>
    public static bool Precedes(ulong distanceA, Backend a, ulong distanceB, Backend b)
    {
        // A distance has 38 bits and a weight 16, so the products fit.
        ulong left = distanceA * (ulong)b.Weight;
        ulong right = distanceB * (ulong)a.Weight;
        return left < right || (left == right && string.CompareOrdinal(a.Id, b.Id) < 0);
    }

    /// <summary>-log2 of the pair's hash as a fraction of 2^64, plus one: 1 to 64 * 2^32 + 1.</summary>
    public static ulong Distance(ulong hash, Backend backend) =>
        (64UL << FractionBits) - Log2(KeyHash.Mix(hash ^ backend.Seed) | 1) + 1;

    /// <summary>log2 in 32 fractional bits, interpolated; the error is below 2^-21.</summary>
    internal static ulong Log2(ulong value)
    {
        int exponent = BitOperations.Log2(value);
        ulong mantissa = exponent == 0 ? 0 : value << (64 - exponent);
        int index = (int)(mantissa >> (64 - TableBits));
        ulong rest = (mantissa << TableBits) >> 32;
        ulong low = Log2Table[index];
        return ((ulong)exponent << FractionBits) + low + (((Log2Table[index + 1] - low) * rest) >> 32);
    }

    /// <summary>Bit by bit: squaring doubles the logarithm, and each carry over 2 is its next binary digit.</summary>
    private static ulong[] BuildTable()
    {
        const int Size = 1 << TableBits;
        ulong[] table = new ulong[Size + 1];
        table[Size] = 1UL << FractionBits;
        for (int i = 0; i < Size; i++)
        {
            ulong y = (ulong)(Size + i) << (63 - TableBits);
            ulong log = 0;
            for (int bit = 0; bit < FractionBits; bit++)
            {
                var square = ((UInt128)y * y) >> 63;
                log <<= 1;
                if (square >> 64 != 0)
                {
                    log |= 1;
                    square >>= 1;
                }

                y = (ulong)square;
            }

            table[i] = log;
        }

        return table;
    }
}
