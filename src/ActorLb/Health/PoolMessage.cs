using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Discovery;

namespace ActorLb.Health;

/// <summary>Messages to a pool's actor, and from it to the actors of its backends.</summary>
internal abstract record PoolMessage
{
    /// <summary>New options; answered by a <see cref="PoolChange"/> when they are in force.</summary>
    public sealed record Reload(PoolOptions Options) : PoolMessage;

    /// <summary>The backend's actor has started or restarted, and has no probe yet.</summary>
    public sealed record BackendStarted(Backend Backend) : PoolMessage;

    /// <param name="Problem">Null when the name has addresses.</param>
    public sealed record Resolved(Backend Backend, IPAddress[] Addresses, string? Problem) : PoolMessage;

    /// <param name="Problem">Why there is no answer; null when there is one.</param>
    public sealed record Discovered(DiscoveryOptions Question, DiscoveryAnswer Answer, string? Problem) : PoolMessage;

    /// <param name="Order">The order that the probe followed.</param>
    public sealed record Probed(Backend Backend, ProbeOrder Order, ProbeResult Result) : PoolMessage;
}

/// <summary>
/// To a backend's actor: probe this way from now on. The results carry the order, so that those of an earlier one are ignored.
/// </summary>
/// <param name="probe">Null for no probes.</param>
internal sealed class ProbeOrder(IHealthProbe? probe, HealthOptions options)
{
    public IHealthProbe? Probe { get; } = probe;

    public HealthOptions Options { get; } = options;
}
