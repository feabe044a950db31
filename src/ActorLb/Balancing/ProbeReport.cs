namespace ActorLb.Balancing;

/// <summary>What one probe of this node says of a backend, beside the verdict of several.</summary>
/// <param name="Refused">The backend's own word: it takes nobody.</param>
/// <param name="Failures">Failed probes in a row, this one included.</param>
/// <param name="Began">Milliseconds of <see cref="MonotonicTime"/>.</param>
/// <param name="AsClient">It spoke MQTT, as a client does; else it proves no more than that the backend takes connections.</param>
internal readonly record struct ProbeReport(bool Alive, bool Refused, int Failures, long Began, bool AsClient);
