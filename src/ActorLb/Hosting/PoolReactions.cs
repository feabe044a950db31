using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Telemetry;
using Akka.Actor;
using Microsoft.Extensions.Logging;

namespace ActorLb.Hosting;

/// <summary>What follows from an event of a pool: a log line, news for operators, slots of the sticky map, sessions to be closed. Any thread.</summary>
/// <param name="drainTimeout">Over which the sessions of a backend that is down are closed.</param>
internal sealed partial class PoolReactions(NodeParts parts, Func<TimeSpan> drainTimeout)
{
    /// <summary>The <see cref="DownedBackendsActor"/>.</summary>
    public IActorRef Downed { private get; set; } = ActorRefs.Nobody;

    /// <summary>The <see cref="PacedClosingsActor"/>.</summary>
    public IActorRef Closings { get; set; } = ActorRefs.Nobody;

    public void On(PoolEvent e)
    {
        // What probes and name resolution find, the pool's actor logs itself.
        if (e.Kind is PoolEventKind.BackendOut or PoolEventKind.BackendIn or PoolEventKind.FleetHealthUp or PoolEventKind.FleetHealthDown
            or PoolEventKind.AdminStateChanged or PoolEventKind.WeightChanged or >= PoolEventKind.DrainBegun)
        {
            if (e.Backend is { } about) Log.Pool(parts.Logger, e.Pool, about.Id, PoolEventText.Of(e));
            else Log.WholePool(parts.Logger, e.Pool, PoolEventText.Of(e));
        }
        if (e.Kind is PoolEventKind.BackendAdded or PoolEventKind.BackendRemoved or PoolEventKind.AdminStateChanged) parts.UpdateSlots();
        if (e.Kind is >= PoolEventKind.DrainBegun and <= PoolEventKind.DrainPaceEnded)
        {
            if (parts.Fleet is null) parts.UpdateLocalSlots();
            Closings.Tell(PacedClosingsActor.Look.Instance);
        }
        if (e is { Backend: { Active: > 0 } down } && (e.Kind == PoolEventKind.AdminStateChanged ? down.IsDrainOver
            : e.Kind is PoolEventKind.HealthDown or PoolEventKind.FleetHealthDown && ClosesOnDown(e.Pool)))
        {
            Downed.Tell(new DownedBackendsActor.Close(e.Pool, down, drainTimeout()));
        }
        string subject = e.Backend is { } backend ? $"pool {e.Pool}, backend {backend.Id}" : $"pool {e.Pool}";
        parts.Events.Publish(EventFeed.Word(e.Kind.ToString()), $"{subject} {PoolEventText.Of(e)}");
    }

    /// <summary>Backends whose sessions must be closed, as they are now.</summary>
    public IEnumerable<DownedBackendsActor.Close> Fallen() =>
        from entry in parts.Pools.Upstreams
        from backend in entry.Pool.Snapshot.Backends.ToArray()
        where backend.IsDrainOver || entry.Options.OnDown == SessionsOnDown.Close
        select new DownedBackendsActor.Close(entry.Name, backend, drainTimeout());

    private bool ClosesOnDown(string pool) => parts.Pools.Find(pool)?.Options.OnDown == SessionsOnDown.Close;

    private static partial class Log
    {
        [LoggerMessage(2204, LogLevel.Information, "pool {Pool}, backend {Backend} {What}")]
        public static partial void Pool(ILogger logger, string pool, string backend, string what);

        [LoggerMessage(2219, LogLevel.Information, "pool {Pool} {What}")]
        public static partial void WholePool(ILogger logger, string pool, string what);
    }
}
