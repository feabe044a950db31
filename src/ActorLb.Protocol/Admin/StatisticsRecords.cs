namespace ActorLb.Protocol.Admin;

/// <summary>Figures of one node. Counters are absolute and start with the process; two readings give a rate.</summary>
/// <param name="State">"starting", "ready" or "draining"; <see cref="ClusterMember"/> has its state in the fleet.</param>
/// <param name="Uptime">Seconds by the node's monotonic clock.</param>
/// <param name="Connects">CONNECTs, or plain TCP sessions, that were routed.</param>
/// <param name="Received">Bytes from clients.</param>
/// <param name="Sent">Bytes to clients.</param>
/// <param name="CpuSeconds">Processor time of the process.</param>
/// <param name="Memory">Resident memory in bytes.</param>
/// <param name="Events">The latest ones, up to a limit.</param>
/// <param name="Certificates">Those that need attention: about to expire, expired, or not yet valid.</param>
/// <param name="Problems">Certificate files that cannot be read.</param>
public sealed record NodeStatistics(
    string Node, string Version, string State, DateTimeOffset StartedAt, double Uptime, int Connections, int Capacity, long Connects,
    long Received, long Sent, double CpuSeconds, int Processors, long Memory, ListenerInfo[] Listeners, PoolStatistics[] Pools,
    NodeEvent[] Events, CertificateInfo[] Certificates, string[] Problems);

public sealed record PoolStatistics(string Name, string Balance, BackendStatistics[] Backends)
{
    /// <summary>A rebalance with a rate; null without one.</summary>
    public ClosingInfo? Rebalance { get; init; }
}

/// <param name="Connections">This node's.</param>
/// <param name="Connects">Connections begun since the start.</param>
/// <param name="Failures">Connections that failed in the last 15 minutes.</param>
/// <param name="Answers">CONNACKs of the last minute.</param>
/// <param name="AnswerSeconds">Sum of the times from dialling to those CONNACKs.</param>
/// <param name="DrainedFrom">Connections when its drain began; null when it is not draining, or has been for longer than the history
/// goes back.</param>
public sealed record BackendStatistics(
    string Backend, string Admin, string[] Blocks, int Weight, bool Backup, int Connections, int Limit, DateTimeOffset Since, long Connects,
    long Failures, long Answers, double AnswerSeconds, BackendErrorInfo? LastError, double? DrainLeft, int? DrainedFrom, bool Local)
{
    /// <summary>A drain with a rate; null without one.</summary>
    public ClosingInfo? Drain { get; init; }

    /// <summary>As in <see cref="BackendInfo"/>.</summary>
    public bool Added { get; init; }
}

/// <summary>A node's last 15 minutes in equal steps, oldest first. Rates are per second.</summary>
/// <param name="Step">Seconds.</param>
/// <param name="Cpu">Processors in use: 1.5 is one and a half.</param>
public sealed record NodeHistoryInfo(
    string Node, double Step, int[] Connections, double[] Connects, double[] Received, double[] Sent, double[] Cpu, BackendHistoryInfo[] Backends);

/// <param name="Connections">One value per step; 0 before the backend existed.</param>
public sealed record BackendHistoryInfo(string Pool, string Backend, int[] Connections);

/// <summary>The fleet as seen by the node that answers: what the dashboard shows, sent once a second.</summary>
/// <param name="Node">The node that answers.</param>
/// <param name="Reason">Why that node is detached; null when it is not.</param>
/// <param name="MissingSeeds">Configured seed addresses that belong to no member.</param>
/// <param name="Events">The latest of all nodes, oldest first.</param>
public sealed record FleetStatistics(
    DateTimeOffset At, string Node, string Cluster, bool Alone, string? Reason, FleetNode[] Nodes, FleetPool[] Pools, string[] MissingSeeds,
    NodeEvent[] Events, FleetCertificate[] Certificates);

/// <param name="State">As in <see cref="ClusterMember"/>.</param>
/// <param name="Age">Seconds since its latest answer; null when there was none.</param>
/// <param name="Problem">Why it does not answer; null when it does.</param>
/// <param name="Connects">Per second; so are <paramref name="Received"/> and <paramref name="Sent"/>. Null until it has answered
/// twice.</param>
/// <param name="Cpu">Processors in use.</param>
/// <param name="Differences">As in <see cref="ClusterMember"/>.</param>
public sealed record FleetNode(
    string Name, string? Address, string? Zone, string State, bool Self, double? Age, string? Problem, string? Version, double? Uptime,
    int Connections, int Capacity, double? Connects, double? Received, double? Sent, double? Cpu, int Processors, long Memory, int Shards,
    string[] Differences, ListenerInfo[] Listeners);

public sealed record FleetPool(string Name, string Balance, FleetBackend[] Backends)
{
    /// <summary>A rebalance with a rate; null without one.</summary>
    public ClosingInfo? Rebalance { get; init; }
}

/// <param name="Blocks">Why it accepts no new clients, and on which nodes.</param>
/// <param name="Nodes">Connections by node.</param>
/// <param name="Connects">Connections begun per second; null until the nodes have answered twice.</param>
/// <param name="Failures">In the last 15 minutes.</param>
/// <param name="Connack">Mean seconds from dialling to the CONNACK over the last minute; null when there was none.</param>
public sealed record FleetBackend(
    string Backend, string Admin, FleetBlock[] Blocks, int Weight, bool Backup, int Connections, NamedCount[] Nodes, int Limit, double? Connects,
    long Failures, double? Connack, DateTimeOffset Since, BackendErrorInfo? LastError, double? DrainLeft, int? DrainedFrom, bool Local)
{
    /// <summary>A drain with a rate; null without one.</summary>
    public ClosingInfo? Drain { get; init; }

    /// <summary>As in <see cref="BackendInfo"/>.</summary>
    public bool Added { get; init; }
}

/// <param name="Block">A value of <see cref="BackendInfo.Blocks"/>.</param>
public sealed record FleetBlock(string Block, string[] Nodes);

/// <param name="Certificate">Null for a file that cannot be read.</param>
/// <param name="Problem">Why it cannot be read.</param>
public sealed record FleetCertificate(string Node, CertificateInfo? Certificate, string? Problem);

/// <param name="Nodes">Without their backends.</param>
/// <param name="Backends">Summed over all nodes.</param>
public sealed record FleetHistory(double Step, NodeHistoryInfo[] Nodes, BackendHistoryInfo[] Backends);
