namespace ActorLb.Protocol.Admin;

/// <param name="Balance">As configured; for sticky pools with the placing policy: "sticky, placed by least-connections".</param>
/// <param name="Eligible">Backends that take new clients.</param>
/// <param name="Connections">This node's connections to the pool's backends.</param>
/// <param name="FleetConnections">The fleet's, as far as this node knows.</param>
public sealed record PoolSummary(string Name, string Balance, int Backends, int Eligible, int Connections, int FleetConnections)
{
    /// <summary>Clients of this node that wait because of connects-per-second, for a certain backend or for any.</summary>
    public int Waiting { get; init; }
}

public sealed record PoolList(string Node, PoolSummary[] Pools);

/// <param name="Backend">"host:port": its name within the pool.</param>
/// <param name="Admin">What the operator wants: "up", "drain", "down".</param>
/// <param name="Health">This node's probes: "unknown", "up", "down", "draining" (it lives, and told its probe that it is to get no new clients).</param>
/// <param name="Blocks">Why it takes no new clients; empty when it does.</param>
/// <param name="Limit">Connections at most; 0 is unlimited.</param>
/// <param name="Addresses">What the host name stands for.</param>
/// <param name="DrainLeft">Seconds after which a drain becomes down; null for never.</param>
/// <param name="Local">An operator's change holds on this node alone, until the fleet confirms it.</param>
public sealed record BackendInfo(
    string Pool, string Backend, string Admin, string Health, string[] Blocks, int Weight, bool Backup,
    int Connections, int FleetConnections, int Limit, long Connects, long Failures, string[] Addresses,
    double? DrainLeft = null, bool Local = false)
{
    /// <summary>When it came into the state that <see cref="Admin"/>, <see cref="Health"/> and <see cref="Blocks"/> tell.</summary>
    public DateTimeOffset Since { get; init; }

    /// <summary>The newest failure of a client's connection or of a probe; null when there was none.</summary>
    public BackendErrorInfo? LastError { get; init; }

    /// <summary>Null before the first one, and without probes.</summary>
    public ProbeInfo? LastProbe { get; init; }

    /// <summary>When the next probe is due; null without probes, and while one is under way.</summary>
    public DateTimeOffset? NextProbe { get; init; }

    /// <summary>By an operator at run time, not by the configuration file.</summary>
    public bool Added { get; init; }

    /// <summary>Clients of this node that wait for this backend because of connects-per-second.</summary>
    public int Waiting { get; init; }

    /// <summary>Established sessions that this backend ended, by closing, by a reset, or because it was down, since <see cref="Since"/>.</summary>
    public long LostSince { get; init; }

    /// <summary>How far a drain at a rate is; null without one.</summary>
    public ClosingInfo? Drain { get; init; }
}

/// <summary>A drain or rebalance at a rate, over the fleet, as far as this node knows.</summary>
/// <param name="State">"running", "paused", "waiting" (no other backend takes clients), "done".</param>
/// <param name="Rate">Sessions a second.</param>
/// <param name="Started">By the clock of the node that was asked for it.</param>
/// <param name="Closed">Sessions closed so far.</param>
/// <param name="Left">Sessions to be closed still.</param>
/// <param name="Remaining">Seconds that they will take; null when none are closed at present.</param>
public sealed record ClosingInfo(string State, double Rate, DateTimeOffset Started, int Closed, int Left, double? Remaining);

/// <param name="At">By the node's clock.</param>
public sealed record BackendErrorInfo(DateTimeOffset At, string Text);

/// <param name="At">When it ended, by the node's clock.</param>
/// <param name="Result">"up", "down", or "unknown" when this node could not ask.</param>
/// <param name="Took">Seconds.</param>
/// <param name="Reason">Null for a good one.</param>
public sealed record ProbeInfo(DateTimeOffset At, string Result, double Took, string? Reason);

public sealed record PoolInfo(PoolSummary Pool, BackendInfo[] Backends)
{
    /// <summary>How far a rebalance is, for an hour after its end too; null without one.</summary>
    public ClosingInfo? Rebalance { get; init; }
}

/// <param name="Address">"host:port".</param>
/// <param name="Weight">1 to 65,535.</param>
/// <param name="Backup">Takes clients only while no other backend does.</param>
public sealed record BackendAdd(string Address, int Weight = 1, bool Backup = false);

public sealed record BackendAdded(BackendInfo Backend)
{
    /// <summary>Nodes that could not be asked whether the address is their own.</summary>
    public SilentNode[] Silent { get; init; } = [];
}

/// <param name="Deadline">Seconds after which the drain becomes down; null for never.</param>
/// <param name="Rate">Sessions that the fleet closes a second; null closes none before the deadline.</param>
public sealed record BackendDrain(double? Deadline = null, double? Rate = null);

/// <param name="Rate">Sessions that the fleet moves a second.</param>
public sealed record PoolRebalance(double Rate);

/// <param name="Weight">1 to 65,535.</param>
public sealed record BackendWeight(int Weight);
