namespace ActorLb.Protocol.Admin;

/// <param name="Balance">As configured; for a sticky pool with its placing policy: "sticky, placed by least-connections".</param>
/// <param name="Eligible">Backends that accept new clients.</param>
/// <param name="Connections">This node's connections to the pool's backends.</param>
/// <param name="FleetConnections">The whole fleet's, as far as this node knows.</param>
public sealed record PoolSummary(string Name, string Balance, int Backends, int Eligible, int Connections, int FleetConnections)
{
    /// <summary>Clients of this node waiting because of connects-per-second, for a certain backend or for any.</summary>
    public int Waiting { get; init; }
}

public sealed record PoolList(string Node, PoolSummary[] Pools);

/// <param name="Backend">"host:port", its name within the pool.</param>
/// <param name="Admin">What the operator wants: "up", "drain", "down".</param>
/// <param name="Health">This node's probes: "unknown", "up", "down", "draining" (alive, but it told its probe to send it no new
/// clients).</param>
/// <param name="Blocks">Why it accepts no new clients; empty when it does.</param>
/// <param name="Limit">Maximum number of connections; 0 is unlimited.</param>
/// <param name="Addresses">What the host name resolves to.</param>
/// <param name="DrainLeft">Seconds until the drain turns into down; null for never.</param>
/// <param name="Local">An operator's change that applies on this node only, until the fleet confirms it.</param>
public sealed record BackendInfo(
    string Pool, string Backend, string Admin, string Health, string[] Blocks, int Weight, bool Backup,
    int Connections, int FleetConnections, int Limit, long Connects, long Failures, string[] Addresses,
    double? DrainLeft = null, bool Local = false)
{
    /// <summary>When the state given by <see cref="Admin"/>, <see cref="Health"/> and <see cref="Blocks"/> last changed.</summary>
    public DateTimeOffset Since { get; init; }

    /// <summary>The latest failure of a client's connection or of a probe; null when there was none.</summary>
    public BackendErrorInfo? LastError { get; init; }

    /// <summary>The latest probe; null before the first one and without probes.</summary>
    public ProbeInfo? LastProbe { get; init; }

    /// <summary>When the next probe is due; null without probes and while one is running.</summary>
    public DateTimeOffset? NextProbe { get; init; }

    /// <summary>Added by an operator at run time, not by the configuration file.</summary>
    public bool Added { get; init; }

    /// <summary>Clients of this node waiting for this backend because of connects-per-second.</summary>
    public int Waiting { get; init; }

    /// <summary>Established sessions that this backend ended by closing or resetting them or by going down, since
    /// <see cref="Since"/>.</summary>
    public long LostSince { get; init; }

    /// <summary>Progress of a drain with a rate; null without one.</summary>
    public ClosingInfo? Drain { get; init; }
}

/// <summary>A drain or rebalance with a rate, over the whole fleet, as far as this node knows.</summary>
/// <param name="State">"running", "paused", "waiting" (no other backend accepts clients), "done".</param>
/// <param name="Rate">Sessions per second.</param>
/// <param name="Started">By the clock of the node that received the request.</param>
/// <param name="Closed">Sessions closed so far.</param>
/// <param name="Left">Sessions still to close.</param>
/// <param name="Remaining">Estimated seconds until it is done; null while no sessions are being closed.</param>
public sealed record ClosingInfo(string State, double Rate, DateTimeOffset Started, int Closed, int Left, double? Remaining);

/// <param name="At">By the node's clock.</param>
public sealed record BackendErrorInfo(DateTimeOffset At, string Text);

/// <param name="At">When it ended, by the node's clock.</param>
/// <param name="Result">"up", "down", or "unknown" when this node could not send the probe.</param>
/// <param name="Took">Duration in seconds.</param>
/// <param name="Reason">Null for a successful probe.</param>
public sealed record ProbeInfo(DateTimeOffset At, string Result, double Took, string? Reason);

public sealed record PoolInfo(PoolSummary Pool, BackendInfo[] Backends)
{
    /// <summary>Progress of a rebalance, kept for an hour after its end; null without one.</summary>
    public ClosingInfo? Rebalance { get; init; }
}

/// <param name="Address">"host:port".</param>
/// <param name="Weight">1 to 65,535.</param>
/// <param name="Backup">Gets clients only while no other backend accepts them.</param>
public sealed record BackendAdd(string Address, int Weight = 1, bool Backup = false);

public sealed record BackendAdded(BackendInfo Backend)
{
    /// <summary>Nodes that could not be asked whether the address is one of their own.</summary>
    public SilentNode[] Silent { get; init; } = [];
}

/// <param name="Deadline">Seconds until the drain turns into down; null for never.</param>
/// <param name="Rate">Sessions that the fleet closes per second; null closes none before the deadline.</param>
public sealed record BackendDrain(double? Deadline = null, double? Rate = null);

/// <param name="Rate">Sessions that the fleet moves per second.</param>
public sealed record PoolRebalance(double Rate);

/// <param name="Weight">1 to 65,535.</param>
public sealed record BackendWeight(int Weight);
