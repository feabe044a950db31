namespace ActorLb.Protocol.Admin;

/// <param name="State">"starting", "ready", "draining".</param>
/// <param name="Capacity">Maximum number of client connections.</param>
/// <param name="Configuration">The file the node was started with; null when it was started without one.</param>
public sealed record NodeInfo(
    string Name, string Version, int ProcessId, string State, DateTimeOffset StartedAt, double UptimeSeconds, int Workers,
    int Connections, int Capacity, long Accepted, string LogLevel, string? Configuration, string Cluster)
{
    /// <summary>12 hexadecimal digits that identify the configuration in force; secrets do not count.</summary>
    public string? ConfigurationHash { get; init; }

    /// <summary>Null when there was no reload since the start.</summary>
    public ReloadInfo? LastReload { get; init; }
}

/// <param name="At">By the node's clock.</param>
/// <param name="Result">"applied" or "rejected".</param>
/// <param name="Messages">Warnings, or why it was rejected.</param>
public sealed record ReloadInfo(DateTimeOffset At, string Result, string[] Messages);

/// <param name="Owner">What uses the file, such as "listener mqtts", "pool emqx", "admin" or "cluster".</param>
/// <param name="Kind">"certificate", "ca" or "crl".</param>
/// <param name="Subject">The certificate's distinguished name; for a revocation list, its issuer's.</param>
/// <param name="NotAfter">For a revocation list, its next update; null when it states none.</param>
/// <param name="DaysLeft">Whole days, negative once it has expired; null when there is no end date.</param>
/// <param name="State">"good", "ends soon", "ended", or "not yet valid".</param>
public sealed record CertificateInfo(
    string Owner, string Kind, string Subject, string File, DateTimeOffset NotBefore, DateTimeOffset? NotAfter, int? DaysLeft, string State);

/// <param name="Certificates">Those in use, soonest to expire first.</param>
/// <param name="Problems">Files that cannot be read at present.</param>
public sealed record CertificateList(string Node, CertificateInfo[] Certificates, string[] Problems);

/// <param name="Seconds">Period over which open connections are closed; null for <c>node.drain-timeout</c>.</param>
public sealed record NodeDrainRequest(double? Seconds = null);

/// <param name="Connections">Open connections when the drain began.</param>
public sealed record NodeDrain(string Node, int Connections, double Seconds);

/// <param name="Level">trace, debug, info, warning, error or off.</param>
public sealed record NodeLogLevel(string Level);

/// <param name="Errors">Each names file, line, column, path and reason.</param>
public sealed record ConfigCheck(bool Valid, int Listeners, int Pools, string[] Errors, string[] Warnings);

/// <param name="Warnings">Changes that take effect only after a restart.</param>
public sealed record ConfigReload(string Configuration, string[] Warnings);

/// <param name="Text">The effective configuration: every key, with secrets masked.</param>
public sealed record ConfigText(string? Configuration, string Text);

/// <param name="Kind">A description such as "mqtt over tls".</param>
/// <param name="Limit">Maximum number of connections; 0 when only the node's limit applies.</param>
/// <param name="State">"open", "paused", or "closed" while the node drains.</param>
public sealed record ListenerInfo(string Name, string Bind, string Kind, string Pool, int Connections, int Limit, string State);

public sealed record ListenerList(string Node, ListenerInfo[] Listeners);
