using HdrHistogram;

namespace ActorLb.Server.Bench;

/// <summary>Latencies in microseconds, to three digits. Recording allocates nothing and may happen on any thread.</summary>
internal sealed class LatencyHistogram
{
    private const int Digits = 3;

    /// <summary>Longer values are counted as this: 24 hours.</summary>
    private const long Longest = 24L * 3600 * 1_000_000;

    private readonly LongConcurrentHistogram _histogram = new(lowestTrackableValue: 1, Longest, Digits);

    public long Count => _histogram.TotalCount;

    public TimeSpan Max => Percentile(1);

    public void Record(TimeSpan latency) => _histogram.RecordValue(Math.Clamp(latency.Ticks / TimeSpan.TicksPerMicrosecond, 0, Longest));

    /// <param name="quantile">0 to 1.</param>
    /// <returns>Zero when nothing was recorded.</returns>
    public TimeSpan Percentile(double quantile) =>
        Count == 0 ? TimeSpan.Zero : TimeSpan.FromMicroseconds(_histogram.GetValueAtPercentile(100 * quantile));
}
