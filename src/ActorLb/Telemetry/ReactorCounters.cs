using ActorLb.Proxying;

namespace ActorLb.Telemetry;

/// <summary>
/// What one reactor counts. Written by its thread alone, read by any: single words, so a reader sees each value whole, if a
/// moment old. The admin endpoint adds up the reactors'.
/// </summary>
internal sealed class ReactorCounters
{
    public long Accepted;
    public long Handled;
    public long Requests;

    /// <summary>Sessions before their complete CONNECT, between it and the CONNACK, and relaying.</summary>
    public long Reading, Connecting, Relaying, Lingering;

    /// <summary>Refused clients that wait for their answer or are reading it; they are among the others too.</summary>
    public long Refused;

    public long BytesFromClients, BytesFromBackends;
    public long PacketsFromClients, PacketsFromBackends;
    public long Retries;
    public long AcceptFailures;

    /// <summary>Dials that failed for want of descriptors or memory, or because this machine forbids them.</summary>
    public long DialShortages;
    public long SourceExhausted;
    public long SourceWarnings;
    public long TlsHandshakes, TlsResumed, TlsFailed;

    /// <summary>Nanoseconds spent outside epoll_wait, and its returns.</summary>
    public long BusyNanoseconds;
    public long Loops, Events;

    public readonly long[] Closed = new long[CloseReasons.Count];
    public readonly Histogram DialTime = new();
    public readonly Histogram ConnackTime = new();
    public readonly Histogram HandshakeTime = new();
}

/// <summary>Counts by upper bound in seconds, as Prometheus wants them; written by one thread.</summary>
internal sealed class Histogram
{
    /// <summary>Upper bounds in seconds; one more bucket takes the rest.</summary>
    public static readonly double[] Bounds =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private readonly long[] _counts = new long[Bounds.Length + 1];

    public double Sum { get; private set; }

    public void Record(double seconds)
    {
        int i = 0;
        while (i < Bounds.Length && seconds > Bounds[i]) i++;
        _counts[i]++;
        Sum += seconds;
    }

    public long CountAt(int bucket) => Volatile.Read(ref _counts[bucket]);
}
