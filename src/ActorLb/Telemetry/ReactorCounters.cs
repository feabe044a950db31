using ActorLb.Proxying;

namespace ActorLb.Telemetry;

/// <summary>
/// Counters of one reactor. Written only by its thread, read by any: single words, so that a reader sees each value whole, if a
/// moment old. The admin endpoint sums them over all reactors.
/// </summary>
internal sealed class ReactorCounters
{
    public long Accepted;
    public long Handled;
    public long Requests;

    /// <summary>Sessions before their complete CONNECT, between it and the CONNACK, and relaying.</summary>
    public long Reading, Connecting, Relaying, Lingering;

    /// <summary>Refused clients that are still receiving their answer; they are also among the others.</summary>
    public long Refused;

    public long BytesFromClients, BytesFromBackends;
    public long PacketsFromClients, PacketsFromBackends;
    public long Retries;
    public long AcceptFailures;

    /// <summary>Dials that failed for lack of descriptors or memory, or because this machine forbids them.</summary>
    public long DialShortages;
    public long SourceExhausted;
    public long SourceWarnings;
    public long TlsHandshakes, TlsResumed, TlsFailed;

    /// <summary>Nanoseconds spent outside epoll_wait, and its returns.</summary>
    public long BusyNanoseconds;
    public long Loops, Events;

    public readonly long[] Closed = new long[CloseReasons.Count];
    /// <summary>From a client's complete CONNECT to its CONNACK, including all tries.</summary>
    public readonly Histogram ConnectTime = new();
    public readonly Histogram HandshakeTime = new();
}
