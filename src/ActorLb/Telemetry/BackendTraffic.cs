namespace ActorLb.Telemetry;

/// <summary>One reactor's traffic with one backend; written by its thread alone.</summary>
internal sealed class BackendTraffic
{
    /// <summary>For a session that has no backend yet.</summary>
    public static readonly BackendTraffic None = new();

    public long BytesToBackend, BytesFromBackend;
    public long Connects, ConnectFailures, Refusals;

    /// <summary>From dialling it to its accept, and to its CONNACK.</summary>
    public readonly Histogram DialTime = new(), ConnackTime = new();
}
