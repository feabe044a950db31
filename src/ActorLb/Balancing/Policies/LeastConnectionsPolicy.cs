namespace ActorLb.Balancing.Policies;

/// <summary>
/// Fewest connections for its weight; ties are broken in turn. Once other nodes report connections, ties are broken at random, since nodes
/// would otherwise all choose the same backend; in large pools the better of two random choices replaces the full comparison.
/// </summary>
internal sealed class LeastConnectionsPolicy : IBalancingPolicy
{
    /// <summary>
    /// Up to this many candidates, all are compared. <see cref="Backend.ExpectedLoad"/> keeps nodes from choosing the same one: each
    /// node assumes that the others have placed since their last report what it has placed itself.
    /// </summary>
    private const int SmallPool = 32;

    private readonly Rotation _rotation = new();

    public string Name => "least-connections";

    public Backend? Pick(in PickContext context)
    {
        while (true)
        {
            long reached = _rotation.Reached;
            Backend? best = null;
            Rotation.Turn bestTurn = default;
            foreach (var backend in context.Candidates)
            {
                if (!context.Allows(backend))
                {
                    continue;
                }

                if (backend.RemoteActive > 0)
                {
                    return context.Candidates.Length <= SmallPool ? LeastOfAll(context) : TwoChoices.Pick(context);
                }

                var turn = _rotation.NextTurn(backend, context.Now, reached);
                int order = best is null ? -1 : TwoChoices.CompareLoad(backend, best, context.Now);
                if (order < 0 || (order == 0 && turn.IsBefore(bestTurn)))
                {
                    best = backend;
                    bestTurn = turn;
                }
            }

            if (best is null || _rotation.TryTake(best, bestTurn))
            {
                return best;
            }
        }
    }

    private static Backend? LeastOfAll(in PickContext context)
    {
        Backend? best = null;
        ulong ties = 0;
        foreach (var backend in context.Candidates)
        {
            if (!context.Allows(backend))
            {
                continue;
            }

            int order = best is null ? -1 : TwoChoices.CompareLoad(backend, best, context.Now);
            if (order > 0)
            {
                continue;
            }

            ties = order < 0 ? 1 : ties + 1;
            if (ThreadRandom.Below(ties) == 0)
            {
                best = backend;
            }
        }

        return best;
    }
}
