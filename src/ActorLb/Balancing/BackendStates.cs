namespace ActorLb.Balancing;

/// <summary>What the operator wants of a backend. The numbers cross nodes and restarts: append only.</summary>
public enum AdminState
{
    /// <summary>Gets all clients.</summary>
    Up = 0,

    /// <summary>Gets only clients that are mapped to it.</summary>
    Drain = 1,

    /// <summary>Gets no clients.</summary>
    Down = 2,
}

/// <summary>The verdict of this node's probes. The numbers cross nodes: append only.</summary>
public enum HealthState
{
    /// <summary>Not probed (yet): counts as up.</summary>
    Unknown = 0,
    Up = 1,
    Down = 2,
}

/// <summary>Why a backend gets no clients; several can apply at once.</summary>
[Flags]
public enum BackendBlocks
{
    None = 0,

    /// <summary>Its host name has no address yet.</summary>
    Unresolved = 1,
    AdminDown = 2,

    /// <summary>Blocks new clients only.</summary>
    Draining = 4,

    /// <summary>This node's probes fail.</summary>
    Unhealthy = 8,

    /// <summary>Down according to the fleet's majority.</summary>
    FleetUnhealthy = 16,

    /// <summary>max-fails reached: out for fail-timeout, then tried with one connection at a time.</summary>
    Out = 32,

    /// <summary>No longer in the pool; open connections stay.</summary>
    Removed = 64,

    /// <summary>The backend told this node's probe to send no new clients. Blocks new clients only.</summary>
    DrainingByProbe = 128,

    /// <summary>Discovery says so, such as EMQX about a node that it evacuates. Blocks new clients only.</summary>
    DrainingByDiscovery = 256,
}

public enum PoolEventKind
{
    BackendAdded, BackendRemoved, BackendResolved, BackendUnresolved,
    HealthUp, HealthDown, FleetHealthUp, FleetHealthDown,

    /// <summary>Out by max-fails, or in again after a successful trial.</summary>
    BackendOut, BackendIn,
    AdminStateChanged, WeightChanged, DiscoveryFailed, Discovered,

    /// <summary>The backend told its probe to send no new clients, or to send them again.</summary>
    ProbeDraining, ProbeDrained,

    /// <summary>The same, according to discovery.</summary>
    DiscoveryDraining, DiscoveryDrained,

    /// <summary>Of a drain at a pace.</summary>
    DrainBegun, DrainPaused, DrainResumed, DrainRateChanged, DrainDone, DrainPaceEnded,

    /// <summary>Of a rebalance of the pool.</summary>
    RebalanceBegun, RebalancePaused, RebalanceResumed, RebalanceRateChanged, RebalanceDone, RebalanceStopped,
}

/// <summary>A change that logging, metrics or the fleet may need to know.</summary>
/// <param name="Backend">Null when the event concerns the pool.</param>
/// <param name="Detail">For people: the reason, the addresses, the new value.</param>
public sealed record PoolEvent(string Pool, Backend? Backend, PoolEventKind Kind, string? Detail);
