namespace ActorLb.Balancing;

/// <summary>
/// How many sessions each backend of a pool should have by weight, and which have too many. Considers only backends that accept new
/// clients: what is down, draining or found failing neither gives nor gets sessions.
/// </summary>
internal sealed class RebalancePlan
{
    /// <summary>Tolerated deviation as a fraction of the target, but at least one session. Below the promised 2 %, since counts are a
    /// moment old.</summary>
    private const double Tolerance = 0.015;

    private readonly Place[] _places;

    /// <param name="missing">Clients that were closed and are expected back: they count towards the total.</param>
    public RebalancePlan(IEnumerable<(Backend Backend, int Load, int Weight)> backends, int missing)
    {
        (Backend Backend, int Load, int Weight)[] all = [.. backends];
        double total = all.Sum(b => (double)b.Load) + missing, weights = all.Sum(b => (double)b.Weight);
        _places = [.. all.Select(b => new Place(b.Backend, b.Load, total * b.Weight / weights))];
        IsEven = Array.TrueForAll(_places, p => Math.Abs(p.Load - p.Target) <= Math.Max(1, p.Target * Tolerance));
        Left = IsEven ? 0 : (int)Math.Round(_places.Sum(p => p.Excess));
    }

    /// <param name="Target">Its weight's share of the total.</param>
    public readonly record struct Place(Backend Backend, int Load, double Target)
    {
        public double Excess => Math.Max(0, Load - Target);
    }

    /// <summary>No backend deviates by more than 2 %, or one session.</summary>
    public bool IsEven { get; }

    /// <summary>Sessions to move.</summary>
    public int Left { get; }

    /// <summary>Whether there are at least two backends to move between.</summary>
    public bool IsPossible => _places.Length > 1;

    public IReadOnlyList<Place> Places => _places;

    /// <summary>The pool as this node sees it: the primaries that accept clients, or the backups when none does.</summary>
    public static RebalancePlan Of(PoolSnapshot pool, int missing = 0)
    {
        var taking = Taking(pool.Primaries);
        if (taking.Length == 0) taking = Taking(pool.Backups);
        return new RebalancePlan(taking.Select(b => (b, b.Load, b.Weight)), missing);
    }

    /// <summary>How many sessions per second this node moves away from a backend: its share of the rate by its share of the
    /// sessions.</summary>
    /// <remarks>
    /// Never more than what is left within a second: the other nodes' counts are a moment old, and together the nodes would move too
    /// many.
    /// </remarks>
    public double RateOf(Place place, double rate)
    {
        if (IsEven || place.Excess <= 0 || place.Load <= 0) return 0;
        double share = (double)place.Backend.Active / place.Load;
        return Math.Min(rate * place.Excess / _places.Sum(p => p.Excess), place.Excess) * share;
    }

    /// <summary>Backends with too few sessions, with a random one first, weighted by what it lacks, so that nodes do not all choose
    /// the same.</summary>
    public Backend[] Lacking(double chance)
    {
        Place[] lacking = [.. _places.Where(p => p.Load < p.Target).OrderByDescending(p => p.Target - p.Load)];
        double at = chance * lacking.Sum(p => p.Target - p.Load);
        for (int i = 0; i < lacking.Length; i++)
        {
            at -= lacking[i].Target - lacking[i].Load;
            if (at >= 0) continue;
            (lacking[0], lacking[i]) = (lacking[i], lacking[0]);
            break;
        }
        return [.. lacking.Select(p => p.Backend)];
    }

    // A backend at its max-connections counts as overfull like any other, although it accepts no clients right now.
    private static Backend[] Taking(ReadOnlySpan<Backend> backends) => [.. backends.ToArray().Where(b => b.Blocks == BackendBlocks.None)];
}
