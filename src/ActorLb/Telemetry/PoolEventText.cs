using ActorLb.Balancing;

namespace ActorLb.Telemetry;

/// <summary>Describes a pool's event in words that follow the name of the backend or pool.</summary>
internal static class PoolEventText
{
    public static string Of(PoolEvent e) => e.Kind switch
    {
        PoolEventKind.BackendAdded => "is new in the pool",
        PoolEventKind.BackendRemoved => "is no longer in the pool; open connections stay",
        PoolEventKind.BackendResolved => $"has the addresses {e.Detail}",
        PoolEventKind.BackendUnresolved => $"has no address: {e.Detail}",
        PoolEventKind.HealthUp => "is up: its probes succeed",
        PoolEventKind.HealthDown => $"is down: its probes fail ({e.Detail})",
        PoolEventKind.ProbeDraining => $"is draining at its own request: it gets no new clients ({e.Detail})",
        PoolEventKind.ProbeDrained => "is no longer draining at its own request",
        PoolEventKind.DiscoveryDraining => $"is draining: it gets no new clients ({e.Detail})",
        PoolEventKind.DiscoveryDrained => "is no longer draining",
        PoolEventKind.FleetHealthUp => "is up again according to the majority of the nodes",
        PoolEventKind.FleetHealthDown => "is down according to the majority of the nodes",
        PoolEventKind.BackendOut => "gets no clients for its fail-timeout: max-fails is reached",
        PoolEventKind.BackendIn => "gets clients again after a failure",
        PoolEventKind.AdminStateChanged when e.Backend is { } backend => backend.AdminState switch
        {
            AdminState.Drain => "is drained by the operator: it gets no new clients",
            AdminState.Down when backend.IsDrainOver => "has reached its drain deadline: it gets no clients, and the remaining ones are closed",
            AdminState.Down => "is taken down by the operator or the file: it gets no clients",
            _ => "is set up by the operator",
        },
        PoolEventKind.DrainBegun => $"is being emptied: the fleet closes {e.Detail} of its sessions",
        PoolEventKind.DrainPaused => "has its drain paused",
        PoolEventKind.DrainResumed => $"has its drain resumed: the fleet closes {e.Detail} of its sessions",
        PoolEventKind.DrainRateChanged => $"has a new drain rate: the fleet closes {e.Detail} of its sessions",
        PoolEventKind.DrainDone => $"is empty: its drain is complete, {e.Detail} sessions were closed",
        PoolEventKind.DrainPaceEnded => "is draining without a rate from now on",
        PoolEventKind.RebalanceBegun => $"is being rebalanced: the fleet moves {e.Detail}",
        PoolEventKind.RebalancePaused => "has its rebalance paused",
        PoolEventKind.RebalanceResumed => $"has its rebalance resumed: the fleet moves {e.Detail}",
        PoolEventKind.RebalanceRateChanged => $"has a new rebalance rate: the fleet moves {e.Detail}",
        PoolEventKind.RebalanceDone => $"has completed its rebalance: {e.Detail}",
        PoolEventKind.RebalanceStopped => "has its rebalance stopped",
        PoolEventKind.WeightChanged => $"has the new weight {e.Detail}",
        PoolEventKind.DiscoveryFailed => $"could not find its backends: {e.Detail}",
        PoolEventKind.Discovered => $"has the backends {e.Detail}",
        _ => e.Detail ?? e.Kind.ToString(),
    };
}
