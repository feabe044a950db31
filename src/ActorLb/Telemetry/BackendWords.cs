using ActorLb.Balancing;

namespace ActorLb.Telemetry;

/// <summary>A backend's states as named in the API, the metrics and the log. Stable: programs compare them.</summary>
internal static class BackendWords
{
    public static string Of(AdminState state) => state switch { AdminState.Drain => "drain", AdminState.Down => "down", _ => "up" };

    public static string Of(HealthState state) => state switch { HealthState.Up => "up", HealthState.Down => "down", _ => "unknown" };

    /// <summary>The result of this node's probes; draining is an additional state.</summary>
    public static string HealthOf(Backend backend) =>
        backend.Health != HealthState.Down && backend.Blocks.HasFlag(BackendBlocks.DrainingByProbe) ? Draining : Of(backend.Health);

    /// <summary>All values of <see cref="HealthOf"/>.</summary>
    public static readonly string[] HealthStates = [.. Enum.GetValues<HealthState>().Select(Of), Draining];

    private const string Draining = "draining";

    /// <summary>Why a backend gets no new clients.</summary>
    public static IEnumerable<string> Of(BackendBlocks blocks)
    {
        if (blocks.HasFlag(BackendBlocks.AdminDown)) yield return "down";
        if (blocks.HasFlag(BackendBlocks.Draining)) yield return "draining";
        if (blocks.HasFlag(BackendBlocks.DrainingByProbe)) yield return "draining-by-probe";
        if (blocks.HasFlag(BackendBlocks.DrainingByDiscovery)) yield return "draining-by-discovery";
        if (blocks.HasFlag(BackendBlocks.Unhealthy)) yield return "unhealthy";
        if (blocks.HasFlag(BackendBlocks.FleetUnhealthy)) yield return "fleet-unhealthy";
        if (blocks.HasFlag(BackendBlocks.Out)) yield return "max-fails";
        if (blocks.HasFlag(BackendBlocks.Unresolved)) yield return "unresolved";
        if (blocks.HasFlag(BackendBlocks.Removed)) yield return "removed";
    }

    public static string Of(SessionLoss loss) => loss switch { SessionLoss.Reset => "reset", SessionLoss.Down => "down", _ => "closed" };
}
