using ActorLb.Balancing;

namespace ActorLb.Telemetry;

/// <summary>A backend's states in the words of the API, the metrics and the log. Stable: programs compare them.</summary>
internal static class BackendWords
{
    public static string Of(AdminState state) => state switch { AdminState.Drain => "drain", AdminState.Down => "down", _ => "up" };

    public static string Of(HealthState state) => state switch { HealthState.Up => "up", HealthState.Down => "down", _ => "unknown" };

    /// <summary>Why a backend takes no new clients.</summary>
    public static IEnumerable<string> Of(BackendBlocks blocks)
    {
        if (blocks.HasFlag(BackendBlocks.AdminDown)) yield return "down";
        if (blocks.HasFlag(BackendBlocks.Draining)) yield return "draining";
        if (blocks.HasFlag(BackendBlocks.Unhealthy)) yield return "unhealthy";
        if (blocks.HasFlag(BackendBlocks.FleetUnhealthy)) yield return "fleet-unhealthy";
        if (blocks.HasFlag(BackendBlocks.Out)) yield return "max-fails";
        if (blocks.HasFlag(BackendBlocks.Unresolved)) yield return "unresolved";
        if (blocks.HasFlag(BackendBlocks.Removed)) yield return "removed";
    }

    public static string Of(SessionLoss loss) => loss switch { SessionLoss.Reset => "reset", SessionLoss.Down => "down", _ => "closed" };
}
