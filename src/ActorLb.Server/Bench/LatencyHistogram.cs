using System.Numerics;

namespace ActorLb.Server.Bench;

/// <summary>
/// Latencies in fixed logarithmic buckets, 64 a power of two, so that a percentile is at most 1.6 % off. Recording allocates
/// nothing and may happen on any thread.
/// </summary>
internal sealed class LatencyHistogram
{
    private const int SubBucketBits = 6;
    private const int SubBuckets = 1 << SubBucketBits;

    /// <summary>Microseconds up to 2^38, three days.</summary>
    private const int Buckets = SubBuckets * 33;

    private readonly long[] _buckets = new long[Buckets];
    private long _count;
    private long _max;

    public long Count => Volatile.Read(ref _count);

    public TimeSpan Max => Micros(Volatile.Read(ref _max));

    public void Record(TimeSpan latency)
    {
        long micros = Math.Max(0, latency.Ticks / TimeSpan.TicksPerMicrosecond);
        Interlocked.Increment(ref _buckets[BucketOf(micros)]);
        Interlocked.Increment(ref _count);
        long seen = Volatile.Read(ref _max);
        while (micros > seen)
        {
            long before = Interlocked.CompareExchange(ref _max, micros, seen);
            if (before == seen) break;
            seen = before;
        }
    }

    /// <param name="quantile">0 to 1.</param>
    /// <returns>The upper end of the bucket that holds it, never above <see cref="Max"/>; zero when nothing was recorded.</returns>
    public TimeSpan Percentile(double quantile)
    {
        long rank = Math.Max(1, (long)Math.Ceiling(Count * quantile));
        long seen = 0;
        for (int bucket = 0; bucket < Buckets; bucket++)
        {
            seen += Volatile.Read(ref _buckets[bucket]);
            if (seen >= rank) return Micros(Math.Min(UpperEnd(bucket), Volatile.Read(ref _max)));
        }
        return Max;
    }

    private static int BucketOf(long micros)
    {
        int shift = Math.Max(0, BitOperations.Log2((ulong)micros | 1) - SubBucketBits);
        return (int)Math.Min(shift * SubBuckets + (micros >> shift), Buckets - 1);
    }

    private static long UpperEnd(int bucket)
    {
        if (bucket < 2 * SubBuckets) return bucket;
        int shift = bucket / SubBuckets - 1;
        return ((long)(bucket - shift * SubBuckets + 1) << shift) - 1;
    }

    private static TimeSpan Micros(long value) => TimeSpan.FromMicroseconds(value);
}
