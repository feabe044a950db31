namespace ActorLb.Balancing;

/// <summary>
/// Where the sessions of a pool ought to be by the backends' weights, and who has too many. Of the backends that take new clients: what is
/// down, drained or found failing neither gives nor gets.
/// </summary>
internal sealed class RebalancePlan
{
    /// <summary>Part of its target by which a backend may be off; never less than one session. Below the 2 % that are promised: counts are a moment old.</summary>
    private const double Tolerance = 0.015;

    private readonly Place[] _places;

    /// <param name="missing">Clients that were closed and are expected back: they count for the whole.</param>
    public RebalancePlan(IEnumerable<(Backend Backend, int Load, int Weight)> backends, int missing)
    {
        (Backend Backend, int Load, int Weight)[] all = [.. backends];
        double total = all.Sum(b => (double)b.Load) + missing, weights = all.Sum(b => (double)b.Weight);
        _places = [.. all.Select(b => new Place(b.Backend, b.Load, total * b.Weight / weights))];
        IsEven = Array.TrueForAll(_places, p => Math.Abs(p.Load - p.Target) <= Math.Max(1, p.Target * Tolerance));
        Left = IsEven ? 0 : (int)Math.Round(_places.Sum(p => p.Excess));
    }

    /// <param name="Target">What its weight is of the whole.</param>
    public readonly record struct Place(Backend Backend, int Load, double Target)
    {
        public double Excess => Math.Max(0, Load - Target);
    }

    /// <summary>Nobody is off by more than 2 %, or one session.</summary>
    public bool IsEven { get; }

    /// <summary>Sessions that are to be moved.</summary>
    public int Left { get; }

    /// <summary>Whether there are two at least to move between.</summary>
    public bool IsPossible => _places.Length > 1;

    public IReadOnlyList<Place> Places => _places;

    /// <summary>Of the pool as this node sees it: the primaries that take clients, or the backups when none does.</summary>
    public static RebalancePlan Of(PoolSnapshot pool, int missing = 0)
    {
        Backend[] taking = Taking(pool.Primaries);
        if (taking.Length == 0) taking = Taking(pool.Backups);
        return new RebalancePlan(taking.Select(b => (b, b.Load, b.Weight)), missing);
    }

    /// <summary>How many sessions a second this node moves away from a backend: its part of the rate by its part of the sessions.</summary>
    /// <remarks>
    /// Never more than what is left within a second: the other nodes' counts are a moment old, and together all would move more than
    /// there is to move.
    /// </remarks>
    public double RateOf(Place place, double rate)
    {
        if (IsEven || place.Excess <= 0 || place.Load <= 0) return 0;
        double share = (double)place.Backend.Active / place.Load;
        return Math.Min(rate * place.Excess / _places.Sum(p => p.Excess), place.Excess) * share;
    }

    /// <summary>Backends with too few sessions, one by chance in front, by what it lacks, so that the nodes do not all choose alike.</summary>
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

    // One at its max-connections is over-full as any other, though it takes nobody just now.
    private static Backend[] Taking(ReadOnlySpan<Backend> backends) => [.. backends.ToArray().Where(b => b.Blocks == BackendBlocks.None)];
}
