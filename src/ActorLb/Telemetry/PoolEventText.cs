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
        PoolEventKind.WeightChanged => $"has the weight {e.Detail}",
        PoolEventKind.DiscoveryFailed => $"could not ask DNS for its backends: {e.Detail}",
        PoolEventKind.Discovered => $"has the backends {e.Detail}",
        _ => e.Detail ?? e.Kind.ToString(),
    };
}
