namespace ActorLb.Balancing;

/// <summary>A SplitMix64 sequence per thread: no sharing between reactors, and a test can set its seed.</summary>
internal static class ThreadRandom
{
    [ThreadStatic]
    private static ulong s_state;

    [ThreadStatic]
    private static bool s_seeded;

    public static void Seed(ulong seed)
    {
        s_state = seed;
        s_seeded = true;
    }

    public static ulong Next()
    {
        if (!s_seeded)
        {
            Seed((ulong)Random.Shared.NextInt64());
        }

        return KeyHash.Mix(s_state += 0x9E3779B97F4A7C15);
    }

    /// <summary>0 to <paramref name="bound"/> - 1; the bias of the multiplication is below bound / 2^64.</summary>
    public static ulong Below(ulong bound) => Math.BigMul(Next(), bound, out _);
}
