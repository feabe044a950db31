namespace ActorLb.Balancing;

/// <summary>
/// What the reactors' queues for one resource share: how many clients wait in total, and the first of each reactor. Each reactor
/// writes its own slot, so that all see whose turn it is without a lock.
/// </summary>
public sealed class WaitingLine
{
    /// <summary>Stands for no ticket.</summary>
    public const long Nobody = long.MaxValue;

    private long[] _heads = [];
    private int _count;

    /// <summary>Clients waiting, on all reactors.</summary>
    public int Count => Volatile.Read(ref _count);

    public void Enter() => Interlocked.Increment(ref _count);

    public void Leave() => Interlocked.Decrement(ref _count);

    /// <summary>The ticket of the reactor's first client, or <see cref="Nobody"/>.</summary>
    /// <param name="reactors">Number of reactors, the same in every call.</param>
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

    /// <summary>The lowest ticket among all reactors' first clients.</summary>
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
