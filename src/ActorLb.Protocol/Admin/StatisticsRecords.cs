namespace ActorLb.Protocol.Admin;

/// <summary>What one node says of itself. Counters are absolute and begin with the process; who asks twice has the rates.</summary>
/// <param name="State">"starting", "ready" or "draining"; whether it is a member of the fleet is for <see cref="ClusterMember"/> to say.</param>
/// <param name="Uptime">Seconds by the node's own clock, which does not jump.</param>
/// <param name="Connects">CONNECTs, or plain TCP sessions, that were routed.</param>
/// <param name="Received">Bytes from clients.</param>
/// <param name="Sent">Bytes to clients.</param>
/// <param name="CpuSeconds">Processor time of the process.</param>
/// <param name="Memory">Resident, in bytes.</param>
/// <param name="Events">The newest, up to some.</param>
/// <param name="Certificates">Those that need somebody: near their end, over, or not begun.</param>
/// <param name="Problems">Files of certificates that cannot be read.</param>
public sealed record NodeStatistics(
    string Node, string Version, string State, DateTimeOffset StartedAt, double Uptime, int Connections, int Capacity, long Connects,
    long Received, long Sent, double CpuSeconds, int Processors, long Memory, ListenerInfo[] Listeners, PoolStatistics[] Pools,
    NodeEvent[] Events, CertificateInfo[] Certificates, string[] Problems);

public sealed record PoolStatistics(string Name, string Balance, BackendStatistics[] Backends)
{
    /// <summary>A rebalance at a rate; null without one.</summary>
    public ClosingInfo? Rebalance { get; init; }
}

/// <param name="Connections">Of this node.</param>
/// <param name="Connects">Connections begun, since the start.</param>
/// <param name="Failures">Connections that failed in the last 15 minutes.</param>
/// <param name="Answers">CONNACKs of the last minute.</param>
/// <param name="AnswerSeconds">Time from dialling to those CONNACKs, together.</param>
/// <param name="DrainedFrom">Connections when its drain began; null when it does not drain, or has drained for longer than is remembered.</param>
public sealed record BackendStatistics(
    string Backend, string Admin, string[] Blocks, int Weight, bool Backup, int Connections, int Limit, DateTimeOffset Since, long Connects,
    long Failures, long Answers, double AnswerSeconds, BackendErrorInfo? LastError, double? DrainLeft, int? DrainedFrom, bool Local)
{
    /// <summary>A drain at a rate; null without one.</summary>
    public ClosingInfo? Drain { get; init; }

    /// <summary>As that of a <see cref="BackendInfo"/>.</summary>
    public bool Added { get; init; }
}

/// <summary>A node's last 15 minutes, in equal steps, the newest last. Rates are of a second.</summary>
/// <param name="Step">Seconds.</param>
/// <param name="Cpu">Processors in use: 1.5 is one and a half.</param>
public sealed record NodeHistoryInfo(
    string Node, double Step, int[] Connections, double[] Connects, double[] Received, double[] Sent, double[] Cpu, BackendHistoryInfo[] Backends);

/// <param name="Connections">One a step; 0 before the backend was there.</param>
public sealed record BackendHistoryInfo(string Pool, string Backend, int[] Connections);

/// <summary>The fleet as the node that was asked sees it: what the dashboard shows, sent once a second.</summary>
/// <param name="Node">The node that was asked.</param>
/// <param name="Reason">Why that node is detached; null when it is not.</param>
/// <param name="MissingSeeds">Seeds of the file, where they are addresses, that are no member's.</param>
/// <param name="Events">The newest of all nodes, the newest last.</param>
public sealed record FleetStatistics(
    DateTimeOffset At, string Node, string Cluster, bool Alone, string? Reason, FleetNode[] Nodes, FleetPool[] Pools, string[] MissingSeeds,
    NodeEvent[] Events, FleetCertificate[] Certificates);

/// <param name="State">As that of a <see cref="ClusterMember"/>.</param>
/// <param name="Age">Seconds since its newest answer; null when there was none.</param>
/// <param name="Problem">Why it does not answer; null when it does.</param>
/// <param name="Connects">A second; so are <paramref name="Received"/> and <paramref name="Sent"/>. Null until it has answered twice.</param>
/// <param name="Cpu">Processors in use.</param>
/// <param name="Differences">As those of a <see cref="ClusterMember"/>.</param>
public sealed record FleetNode(
    string Name, string? Address, string? Zone, string State, bool Self, double? Age, string? Problem, string? Version, double? Uptime,
    int Connections, int Capacity, double? Connects, double? Received, double? Sent, double? Cpu, int Processors, long Memory, int Shards,
    string[] Differences, ListenerInfo[] Listeners);

public sealed record FleetPool(string Name, string Balance, FleetBackend[] Backends)
{
    /// <summary>A rebalance at a rate; null without one.</summary>
    public ClosingInfo? Rebalance { get; init; }
}

/// <param name="Blocks">Why it takes no new clients, and on which nodes.</param>
/// <param name="Nodes">Connections by node.</param>
/// <param name="Connects">Connections begun a second; null until the nodes have answered twice.</param>
/// <param name="Failures">In the last 15 minutes.</param>
/// <param name="Connack">Seconds from dialling to the CONNACK, the mean of the last minute; null when there was none.</param>
public sealed record FleetBackend(
    string Backend, string Admin, FleetBlock[] Blocks, int Weight, bool Backup, int Connections, NamedCount[] Nodes, int Limit, double? Connects,
    long Failures, double? Connack, DateTimeOffset Since, BackendErrorInfo? LastError, double? DrainLeft, int? DrainedFrom, bool Local)
{
    /// <summary>A drain at a rate; null without one.</summary>
    public ClosingInfo? Drain { get; init; }

    /// <summary>As that of a <see cref="BackendInfo"/>.</summary>
    public bool Added { get; init; }
}

/// <param name="Block">A word of <see cref="BackendInfo.Blocks"/>.</param>
public sealed record FleetBlock(string Block, string[] Nodes);

/// <param name="Certificate">Null for a file that cannot be read.</param>
/// <param name="Problem">What is wrong with it then.</param>
public sealed record FleetCertificate(string Node, CertificateInfo? Certificate, string? Problem);

/// <param name="Nodes">Without their backends.</param>
/// <param name="Backends">Over all nodes.</param>
public sealed record FleetHistory(double Step, NodeHistoryInfo[] Nodes, BackendHistoryInfo[] Backends);
