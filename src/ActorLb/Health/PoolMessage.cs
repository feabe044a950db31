using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;

namespace ActorLb.Health;

/// <summary>What a pool's actor is told, and what it tells the actors of its backends.</summary>
internal abstract record PoolMessage
{
    /// <summary>New options; answered by a <see cref="PoolChange"/> when they are in force.</summary>
    public sealed record Reload(PoolOptions Options) : PoolMessage;

    /// <summary>The backend's actor has started, or again after a failure, and knows no probe.</summary>
    public sealed record BackendStarted(Backend Backend) : PoolMessage;

    /// <param name="Problem">Null when the name has addresses.</param>
    public sealed record Resolved(Backend Backend, IPAddress[] Addresses, string? Problem) : PoolMessage;

    /// <param name="Problem">Why there is no answer; null when there is one.</param>
    public sealed record Discovered(DiscoveryOptions Question, DiscoveryAnswer Answer, string? Problem) : PoolMessage;

    /// <param name="Order">The order that the probe followed.</param>
    public sealed record Probed(Backend Backend, ProbeOrder Order, ProbeResult Result) : PoolMessage;
}

/// <summary>
/// To a backend's actor: probe in this way from now on. The results name the order, so that those of an earlier one count for nothing.
/// </summary>
/// <param name="probe">Null for no probes.</param>
internal sealed class ProbeOrder(IHealthProbe? probe, HealthOptions options)
{
    public IHealthProbe? Probe { get; } = probe;

    public HealthOptions Options { get; } = options;
}
