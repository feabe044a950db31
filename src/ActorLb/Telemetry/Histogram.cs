namespace ActorLb.Telemetry;

/// <summary>Counts by upper bound in seconds, as Prometheus requires; written by one thread.</summary>
internal sealed class Histogram
{
    /// <summary>Upper bounds in seconds; one more bucket takes the rest. They go beyond the usual time-outs (10 s for a connect, 20 s
    /// for all tries), so that waiting for one can be distinguished from waiting for several.</summary>
    public static readonly double[] Bounds =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 60, 120];

    private readonly long[] _counts = new long[Bounds.Length + 1];

    public double Sum { get; private set; }

    /// <summary>Adds another histogram's counts, for a reader with its own copy.</summary>
    public void Add(Histogram other)
    {
        for (int i = 0; i < _counts.Length; i++) _counts[i] += other.CountAt(i);
        Sum += other.Sum;
    }

    public void Record(double seconds)
    {
        int i = 0;
        while (i < Bounds.Length && seconds > Bounds[i]) i++;
        _counts[i]++;
        Sum += seconds;
    }

    public long CountAt(int bucket) => Volatile.Read(ref _counts[bucket]);
}
