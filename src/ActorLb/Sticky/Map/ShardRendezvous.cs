using System.Numerics;
using ActorLb.Balancing;

namespace ActorLb.Sticky.Map;

/// <summary>
/// Weighted rendezvous hashing in integer arithmetic, so that every node computes the same order on every processor. A
/// candidate's draw is -log2(uniform) / weight; the smallest wins. Doubling a weight doubles the share; adding or removing a
/// candidate moves only what it gains or loses.
/// </summary>
internal static class ShardRendezvous
{
    /// <summary>Returns a draw; only comparisons are meaningful, and the smallest wins.</summary>
    public static ulong Draw(ulong key, ulong candidate, int weight)
    {
        ulong x = Mix(key ^ Mix(candidate));

        // -log2(x / 2^64) in 2^-32 units, at most 2^38; 2^24 more of precision is left for the division.
        ulong cost = (64UL << 32) - Log2(x | 1);
        return (cost << 24) / (ulong)Math.Max(1, weight);
    }

    /// <summary>A stable number for a name: FNV-1a followed by a mixer.</summary>
    public static ulong NumberOf(string name)
    {
        ulong hash = 14695981039346656037UL;
        foreach (char c in name)
        {
            hash = unchecked((hash ^ c) * 1099511628211UL);
        }

        return Mix(hash);
    }

    /// <summary>One step of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").</summary>
    public static ulong Mix(ulong x) => KeyHash.Mix(unchecked(x + 0x9E3779B97F4A7C15UL));

    /// <summary>log2 in 32.32 fixed point by repeated squaring: integers only, 16 bits of fraction.</summary>
    private static ulong Log2(ulong x)
    {
        int whole = 63 - BitOperations.LeadingZeroCount(x);

        // Mantissa in [1, 2) as 1.31.
        ulong mantissa = whole >= 31 ? x >> (whole - 31) : x << (31 - whole);
        ulong fraction = 0UL;
        for (int bit = 31; bit >= 16; bit--)
        {
            mantissa = (mantissa * mantissa) >> 31;
            if (mantissa >= 1UL << 32)
            {
                mantissa >>= 1;
                fraction |= 1UL << bit;
            }
        }

        return ((ulong)whole << 32) | fraction;
    }
}
