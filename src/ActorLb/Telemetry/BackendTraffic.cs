namespace ActorLb.Telemetry;

/// <summary>One reactor's traffic with one backend; written only by its thread.</summary>
internal sealed class BackendTraffic
{
    /// <summary>For a session without a backend.</summary>
    public static readonly BackendTraffic None = new();

    public long BytesToBackend, BytesFromBackend;
    public long Connects, ConnectFailures, Refusals;

    /// <summary>From dialling to the accept, and to the CONNACK.</summary>
    public readonly Histogram DialTime = new(), ConnackTime = new();
}
