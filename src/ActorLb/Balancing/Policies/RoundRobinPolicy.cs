namespace ActorLb.Balancing.Policies;

/// <summary>Smooth weighted round robin, exact over all workers; when some are out, in proportion among the rest.</summary>
internal sealed class RoundRobinPolicy : IBalancingPolicy
{
    private readonly Rotation _rotation = new();

    public string Name => "round-robin";

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

                var turn = _rotation.NextTurn(backend, context.Now, reached);
                if (best is null || turn.IsBefore(bestTurn))
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
