namespace ActorLb.Balancing.Policies;

/// <summary>
/// Consistent hashing on the pool's hash key. Slow start does not apply, since it would move keys back and forth. Clients without a key
/// (an empty client id) have no fixed backend and are placed in turn, as in NGINX.
/// </summary>
internal sealed class HashPolicy : IBalancingPolicy
{
    private readonly RoundRobinPolicy _keyless = new();

    public string Name => "hash";

    public Backend? Pick(in PickContext context) =>
        context.KeyHash == PickContext.NoKey ? _keyless.Pick(context) : First(context, context.KeyHash);

    /// <summary>First in rendezvous order among the allowed candidates.</summary>
    internal static Backend? First(in PickContext context, ulong hash)
    {
        Backend? best = null;
        ulong bestDistance = 0;
        foreach (var backend in context.Candidates)
        {
            if (!context.Allows(backend))
            {
                continue;
            }

            ulong distance = Rendezvous.Distance(hash, backend);
            if (best is null || Rendezvous.Precedes(distance, backend, bestDistance, best))
            {
                best = backend;
                bestDistance = distance;
            }
        }

        return best;
    }
}
