using System.Collections.Immutable;
using System.Net;
using ActorLb.Actors;
using ActorLb.Balancing;
using ActorLb.Configuration;

namespace ActorLb.Health;

/// <summary>What the pool's actor is told.</summary>
internal abstract record PoolMessage
{
    /// <summary>New options; answered when they are in force.</summary>
    public sealed record Reload(PoolOptions Options, Reply<PoolChange> Reply) : PoolMessage, IAwaitedMessage
    {
        public void Fail(Exception reason) => Reply.Fail(reason);
    }

    /// <param name="Problem">Null when the name has addresses.</param>
    public sealed record Resolved(BackendWatch Watch, IPAddress[] Addresses, string? Problem) : PoolMessage;

    public sealed record Discovered(DnsDiscoveryOptions Question, ImmutableArray<BackendOptions> Backends, string? Problem) : PoolMessage;

    public sealed record Probed(BackendWatch Watch, ProbeResult Result) : PoolMessage;
}
