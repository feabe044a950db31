using System.Collections.Immutable;
using ActorLb.Configuration;

namespace ActorLb.Discovery;

/// <summary>A discovery's answer about a pool's backends.</summary>
/// <param name="Backends">In an order on which all nodes agree.</param>
internal sealed record DiscoveryAnswer(ImmutableArray<BackendOptions> Backends)
{
    public static readonly DiscoveryAnswer None = new([]);

    /// <summary>Why some should get no new clients, by "host:port"; they need not be among the backends.</summary>
    public ImmutableDictionary<string, string> Draining { get; init; } = NobodyDrains;

    /// <summary>What an operator should know even though there is an answer.</summary>
    public string? Remark { get; init; }

    public static ImmutableDictionary<string, string> NobodyDrains { get; } = ImmutableDictionary.Create<string, string>(StringComparer.OrdinalIgnoreCase);
}
