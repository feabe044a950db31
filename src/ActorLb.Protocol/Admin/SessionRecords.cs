namespace ActorLb.Protocol.Admin;

/// <param name="ClientId">As the broker sees it; null before the CONNECT and for plain TCP.</param>
/// <param name="Backend">Null before one is chosen.</param>
/// <param name="Protocol">"3.1", "3.1.1", "5", or "tcp" until it is known to be MQTT.</param>
/// <param name="State">The phase of the connection; "established" once it is relayed.</param>
/// <param name="Seconds">Since the connection was accepted.</param>
/// <param name="Sent">Bytes from the client.</param>
/// <param name="Received">Bytes to the client.</param>
/// <param name="Node">The node that holds the connection.</param>
public sealed record SessionInfo(
    string? ClientId, string Address, string Listener, string Pool, string? Backend, string Protocol, string State,
    double Seconds, long Sent, long Received, string Node)
{
    /// <summary>When the connection was accepted, by that node's clock.</summary>
    public DateTimeOffset Since { get; init; }

    /// <summary>MQTT packets from the client.</summary>
    public long PacketsSent { get; init; }

    /// <summary>MQTT packets to the client.</summary>
    public long PacketsReceived { get; init; }
}

/// <summary>A node that was asked along with the others and did not answer: its part is missing from the response.</summary>
/// <param name="Node">"(others)" when their names are not known.</param>
public sealed record SilentNode(string Node, string Reason);

/// <param name="Next">Pass it as <c>after</c> to get the next page; null on the last one.</param>
public sealed record SessionPage(SessionInfo[] Sessions, string? Next)
{
    /// <summary>Nodes that did not answer.</summary>
    public SilentNode[] Silent { get; init; } = [];
}

/// <param name="Kicked">Sum over all nodes.</param>
public sealed record SessionKick(string ClientId, int Kicked)
{
    /// <summary>The nodes on which sessions were kicked.</summary>
    public NamedCount[] Nodes { get; init; } = [];

    /// <summary>Nodes that did not answer: the client may still be connected there.</summary>
    public SilentNode[] Silent { get; init; } = [];
}

public sealed record NamedCount(string Name, int Count);

/// <param name="Node">The requested node, or a standalone one; null for a fleet.</param>
/// <param name="Total">Client connections in any phase.</param>
/// <param name="Backends">Keyed by "pool/host:port".</param>
public sealed record SessionCount(
    string? Node, int Total, int Reading, int Connecting, int Established, int Closing, NamedCount[] Listeners, NamedCount[] Backends)
{
    /// <summary>The total of each node.</summary>
    public NamedCount[] Nodes { get; init; } = [];

    /// <summary>Nodes that did not answer and are not counted.</summary>
    public SilentNode[] Silent { get; init; } = [];
}

/// <param name="ClientId">If long, its first 1,024 bytes followed by "...".</param>
/// <param name="Value">Bytes or packets of the session in both directions, or the client's CONNECTs of the last 5 to 10 minutes (a
/// lower bound).</param>
/// <param name="Nodes">Nodes that the client is or was connected to.</param>
/// <param name="Session">Null when sorted by connects: they are counted per client.</param>
public sealed record TopClient(string? ClientId, long Value, string[] Nodes, SessionInfo? Session);

/// <param name="By">"bytes", "packets" or "connects".</param>
/// <param name="Clients">Largest first.</param>
public sealed record SessionTop(string By, TopClient[] Clients)
{
    /// <summary>Nodes that did not answer.</summary>
    public SilentNode[] Silent { get; init; } = [];
}
