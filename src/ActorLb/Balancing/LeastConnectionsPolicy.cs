namespace ActorLb.Balancing;

/// <summary>
/// Fewest connections for its weight; ties take turns. Once other nodes report connections, the lesser of two random choices: their
/// counts are up to 250 ms old, and nodes that all ran to the same least backend would herd.
/// </summary>
internal sealed class LeastConnectionsPolicy : IBalancingPolicy
{
    private readonly Rotation _rotation = new();

    public string Name => "least-connections";

    public Backend? Pick(in PickContext context)
    {
        while (true)
        {
            long reached = _rotation.Reached;
            Backend? best = null;
            Rotation.Turn bestTurn = default;
            foreach (Backend backend in context.Candidates)
            {
                if (!context.Allows(backend))
                {
                    continue;
                }

                if (backend.RemoteActive > 0)
                {
                    return TwoChoices.Pick(context);
                }

                Rotation.Turn turn = _rotation.NextTurn(backend, context.Now, reached);
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
}
