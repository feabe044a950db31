namespace ActorLb.Balancing;

/// <summary>What the operator wants of a backend. The numbers cross nodes and restarts: append only.</summary>
public enum AdminState
{
    /// <summary>Takes all clients.</summary>
    Up = 0,

    /// <summary>Takes only clients that are mapped to it.</summary>
    Drain = 1,

    /// <summary>Takes nobody.</summary>
    Down = 2,
}

/// <summary>The node's own verdict of the probes. The numbers cross nodes: append only.</summary>
public enum HealthState
{
    /// <summary>Not probed (yet): counts as up.</summary>
    Unknown = 0,
    Up = 1,
    Down = 2,
}

/// <summary>Why a backend takes no clients; several can hold at once.</summary>
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

    /// <summary>The fleet's majority says it is down.</summary>
    FleetUnhealthy = 16,

    /// <summary>max-fails reached: out for fail-timeout, then tried one connection at a time.</summary>
    Out = 32,

    /// <summary>No longer in the pool; open connections live on.</summary>
    Removed = 64,

    /// <summary>This node's probe was told so by the backend. Blocks new clients only.</summary>
    DrainingByProbe = 128,

    /// <summary>Whoever names the pool's backends said so, such as EMQX of a node that it evacuates. Blocks new clients only.</summary>
    DrainingByDiscovery = 256,
}

public enum PoolEventKind
{
    BackendAdded, BackendRemoved, BackendResolved, BackendUnresolved,
    HealthUp, HealthDown, FleetHealthUp, FleetHealthDown,

    /// <summary>Out by max-fails, or in again after a successful trial.</summary>
    BackendOut, BackendIn,
    AdminStateChanged, WeightChanged, DiscoveryFailed, Discovered,

    /// <summary>The backend told its probe that it is to get no new clients, or that it takes them again.</summary>
    ProbeDraining, ProbeDrained,

    /// <summary>Likewise by the word of whoever names the pool's backends.</summary>
    DiscoveryDraining, DiscoveryDrained,

    /// <summary>Of a drain at a pace.</summary>
    DrainBegun, DrainPaused, DrainResumed, DrainRateChanged, DrainDone, DrainPaceEnded,

    /// <summary>Of a rebalance of the pool.</summary>
    RebalanceBegun, RebalancePaused, RebalanceResumed, RebalanceRateChanged, RebalanceDone, RebalanceStopped,
}

/// <summary>A change that logging, metrics or the cluster may want to hear of.</summary>
/// <param name="Backend">Null when the event is the pool's.</param>
/// <param name="Detail">For people: the reason, the addresses, the new value.</param>
public sealed record PoolEvent(string Pool, Backend? Backend, PoolEventKind Kind, string? Detail);
