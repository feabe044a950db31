namespace ActorLb.Balancing;

/// <summary>
/// What the reactors' queues for one thing have in common: how many wait over all, and who is the first of each reactor's. Each reactor
/// writes its own place, so that all see whose turn it is without a lock.
/// </summary>
public sealed class WaitingLine
{
    /// <summary>The ticket of nobody.</summary>
    public const long Nobody = long.MaxValue;

    private long[] _heads = [];
    private int _count;

    /// <summary>Clients that wait, on all reactors.</summary>
    public int Count => Volatile.Read(ref _count);

    public void Enter() => Interlocked.Increment(ref _count);

    public void Leave() => Interlocked.Decrement(ref _count);

    /// <summary>The ticket of the reactor's first, or <see cref="Nobody"/>.</summary>
    /// <param name="reactors">How many reactors there are: the same in every call.</param>
    public void SetHead(int reactor, int reactors, long ticket)
    {
        long[] heads = Volatile.Read(ref _heads);
        if (heads.Length == 0)
        {
            long[] made = new long[reactors];
            Array.Fill(made, Nobody);
            heads = Interlocked.CompareExchange(ref _heads, made, heads) is { Length: > 0 } others ? others : made;
        }

        Volatile.Write(ref heads[reactor], ticket);
    }

    /// <summary>The lowest ticket of all reactors' first ones.</summary>
    public long First
    {
        get
        {
            long first = Nobody;
            foreach (ref long head in Volatile.Read(ref _heads).AsSpan())
            {
                first = Math.Min(first, Volatile.Read(ref head));
            }

            return first;
        }
    }
}
