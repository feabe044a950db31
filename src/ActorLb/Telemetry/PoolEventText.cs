using ActorLb.Balancing;

namespace ActorLb.Telemetry;

/// <summary>What happened in a pool, in the operator's words: reads on from the name of the backend or pool.</summary>
internal static class PoolEventText
{
    public static string Of(PoolEvent e) => e.Kind switch
    {
        PoolEventKind.BackendAdded => "is new in the pool",
        PoolEventKind.BackendRemoved => "is no longer in the pool; open connections go on",
        PoolEventKind.BackendResolved => $"has the addresses {e.Detail}",
        PoolEventKind.BackendUnresolved => $"has no address: {e.Detail}",
        PoolEventKind.HealthUp => "is up: its probes succeed",
        PoolEventKind.HealthDown => $"is down: its probes fail ({e.Detail})",
        PoolEventKind.ProbeDraining => $"drains by its own word: it gets no new clients ({e.Detail})",
        PoolEventKind.ProbeDrained => "does not drain any more by its own word",
        PoolEventKind.DiscoveryDraining => $"drains: it gets no new clients ({e.Detail})",
        PoolEventKind.DiscoveryDrained => "does not drain any more",
        PoolEventKind.FleetHealthUp => "is up again by the majority of the nodes",
        PoolEventKind.FleetHealthDown => "is down by the majority of the nodes",
        PoolEventKind.BackendOut => "takes no clients for its fail-timeout: max-fails is reached",
        PoolEventKind.BackendIn => "takes clients again after a failure",
        PoolEventKind.AdminStateChanged when e.Backend is { } backend => backend.AdminState switch
        {
            AdminState.Drain => "drains by the operator's wish: it takes no new clients",
            AdminState.Down when backend.IsDrainOver => "has drained until its deadline: it takes nobody, and who is left is closed",
            AdminState.Down => "is taken down by the operator or the file: it takes nobody",
            _ => "is up by the operator's wish",
        },
        PoolEventKind.DrainBegun => $"is emptied: the fleet closes {e.Detail} of its sessions",
        PoolEventKind.DrainPaused => "is emptied no further: its drain is paused",
        PoolEventKind.DrainResumed => $"is emptied again: the fleet closes {e.Detail} of its sessions",
        PoolEventKind.DrainRateChanged => $"is emptied at another rate: the fleet closes {e.Detail} of its sessions",
        PoolEventKind.DrainDone => $"is empty: its drain is done, {e.Detail} sessions were closed",
        PoolEventKind.DrainPaceEnded => "is emptied no longer: it drains without a rate",
        PoolEventKind.RebalanceBegun => $"is rebalanced: the fleet moves {e.Detail}",
        PoolEventKind.RebalancePaused => "is rebalanced no further: the rebalance is paused",
        PoolEventKind.RebalanceResumed => $"is rebalanced again: the fleet moves {e.Detail}",
        PoolEventKind.RebalanceRateChanged => $"is rebalanced at another rate: the fleet moves {e.Detail}",
        PoolEventKind.RebalanceDone => $"has its rebalance done: {e.Detail}",
        PoolEventKind.RebalanceStopped => "is rebalanced no longer: the rebalance was stopped",
        PoolEventKind.WeightChanged => $"has the weight {e.Detail}",
        PoolEventKind.DiscoveryFailed => $"could not find its backends: {e.Detail}",
        PoolEventKind.Discovered => $"has the backends {e.Detail}",
        _ => e.Detail ?? e.Kind.ToString(),
    };
}
