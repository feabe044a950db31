namespace ActorLb.Balancing.Policies;

/// <summary>
/// Smooth weighted rotation without a lock. Each backend has a place on a line of virtual time (<see cref="Backend.Pass"/>) and
/// advances by 1 / weight when chosen; the backend whose next turn, the middle of its next step, is earliest is chosen. After any number
/// of picks each backend is within one connection of its share.
/// </summary>
/// <remarks>
/// Exact across threads: a place only moves forward, so a candidate that was first among the places read is still first if the
/// compare and swap finds its own place unchanged. <see cref="_reached"/> is the latest turn taken, published before the place moves.
/// A backend that was away is behind it and gets one turn at once instead of all that it missed. A backend more than a step ahead (because
/// its weight has grown) is put back to one step; the new place is written, or every turn of the others would push it on. Differences
/// are modulo 2^64; a backend that was away so long that it seems ahead is put back too.
/// </remarks>
internal sealed class Rotation
{
    /// <summary>The step of weight 1. Divisible by 1 to 16, so that small weights add up without rounding.</summary>
    private const long Unit = 720_720L << 24;

    private long _reached;

    public long Reached => Volatile.Read(ref _reached);

    public readonly record struct Turn(long Seen, long At, long HalfStep)
    {
        public bool IsBefore(in Turn other) => At - other.At < 0;
    }

    /// <param name="backend">The backend to check.</param>
    /// <param name="reached"><see cref="Reached"/> as read before any of the places; otherwise an active one could seem to lag.</param>
    public Turn NextTurn(Backend backend, long now, long reached)
    {
        long seen = Volatile.Read(ref backend.Pass);
        long half = (Unit * 256 / backend.EffectiveWeight(now)) >> 1;
        long at = seen + half;
        if (at - reached < 0)
        {
            at = reached;
        }

        // Read after the place: a thread that moves a place publishes this first.
        long ahead = Volatile.Read(ref _reached) + half;
        if (seen - ahead > 0)
        {
            Interlocked.CompareExchange(ref backend.Pass, ahead, seen);
            seen = ahead;
            at = ahead + half;
        }

        return new Turn(seen, at, half);
    }

    /// <returns>False when another thread took this turn: choose again.</returns>
    public bool TryTake(Backend backend, in Turn turn)
    {
        long reached = Volatile.Read(ref _reached);
        while (turn.At - reached > 0)
        {
            long seen = Interlocked.CompareExchange(ref _reached, turn.At, reached);
            if (seen == reached)
            {
                break;
            }

            reached = seen;
        }

        return Interlocked.CompareExchange(ref backend.Pass, turn.At + turn.HalfStep, turn.Seen) == turn.Seen;
    }
}
