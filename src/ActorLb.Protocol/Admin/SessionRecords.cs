namespace ActorLb.Protocol.Admin;

/// <param name="ClientId">As the broker sees it; null before the CONNECT and for plain TCP.</param>
/// <param name="Backend">Null before one is chosen.</param>
/// <param name="Protocol">"3.1", "3.1.1", "5", or "tcp" while it is not known to be MQTT.</param>
/// <param name="State">The step the connection is at; "established" once it is relayed.</param>
/// <param name="Sent">Bytes from the client.</param>
/// <param name="Received">Bytes to the client.</param>
public sealed record SessionInfo(
    string? ClientId, string Address, string Listener, string Pool, string? Backend, string Protocol, string State,
    double Seconds, long Sent, long Received, string Node);

/// <param name="Next">Passed as <c>after</c> it goes on behind these; null at the end.</param>
public sealed record SessionPage(SessionInfo[] Sessions, string? Next);

public sealed record SessionKick(string ClientId, int Kicked);

public sealed record NamedCount(string Name, int Count);

/// <param name="Total">Client connections, whatever their step.</param>
public sealed record SessionCount(
    string Node, int Total, int Reading, int Connecting, int Established, int Closing, NamedCount[] Listeners, NamedCount[] Backends);
