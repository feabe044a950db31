using ActorLb.Configuration;

namespace ActorLb.Balancing.Policies;

/// <summary>
/// Chooses a backend among <see cref="PickContext.Candidates"/>. There is one instance per pool, so that its state is its own; all
/// reactors call it concurrently, so it takes no lock and allocates nothing.
/// </summary>
public interface IBalancingPolicy
{
    /// <summary>The name in the configuration.</summary>
    string Name { get; }

    /// <returns>Null when no candidate is allowed.</returns>
    Backend? Pick(in PickContext context);
}

/// <summary>Policies by their kind. Sticky is not a policy: it looks a client up, and a policy places clients that it does not
/// know.</summary>
internal static class BalancingPolicy
{
    public static IBalancingPolicy Create(BalanceKind kind) => kind switch
    {
        BalanceKind.RoundRobin => new RoundRobinPolicy(),
        BalanceKind.LeastConnections => new LeastConnectionsPolicy(),
        BalanceKind.Random => new RandomPolicy(),
        BalanceKind.IpHash => new IpHashPolicy(),
        BalanceKind.Hash => new HashPolicy(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Not a placing policy."),
    };
}
