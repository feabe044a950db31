namespace ActorLb.Balancing;

/// <summary>A single probe of a backend by this node, in addition to the verdict over several.</summary>
/// <param name="Refused">The backend itself refused clients.</param>
/// <param name="Failures">Failed probes in a row, including this one.</param>
/// <param name="Began">Milliseconds of <see cref="MonotonicTime"/>.</param>
/// <param name="AsClient">It used MQTT, as a client does; otherwise it only proves that the backend accepts connections.</param>
internal readonly record struct ProbeReport(bool Alive, bool Refused, int Failures, long Began, bool AsClient);
