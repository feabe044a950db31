using System.Numerics;

namespace ActorLb.Sticky.Map;

/// <summary>A set of numbers that need attention, one bit each: set by any thread, taken by the clock.</summary>
internal sealed class MapBits(int count)
{
    private readonly ulong[] _words = new ulong[(count + 63) / 64];

    public int Words => _words.Length;

    public bool Any => _words.AsSpan().ContainsAnyExcept(0UL);

    public void Set(int bit)
    {
        ref ulong word = ref _words[bit >> 6];
        ulong mask = 1UL << (bit & 63);
        if ((Volatile.Read(ref word) & mask) == 0)
        {
            Interlocked.Or(ref word, mask);
        }
    }

    /// <summary>Takes the bits of one word.</summary>
    public ulong Take(int word) => Volatile.Read(ref _words[word]) == 0 ? 0 : Interlocked.Exchange(ref _words[word], 0);

    public static int Next(ref ulong bits, int word)
    {
        int bit = BitOperations.TrailingZeroCount(bits);
        bits &= bits - 1;
        return (word << 6) + bit;
    }
}
