namespace ActorLb.Sticky.Map.Lookups;

/// <summary>
/// A fixed-size pool of calls, created on demand and rented without a lock: a stack of free indexes whose head is one word.
/// </summary>
internal sealed class PendingCalls
{
    /// <summary>The most calls of the node in flight; further ones fall back at once.</summary>
    public const int Capacity = 1 << IndexBits;

    private const int IndexBits = 14;
    private const uint IndexMask = Capacity - 1;

    private readonly PendingCall?[] _calls = new PendingCall?[Capacity];
    private readonly int[] _next = new int[Capacity];

    /// <summary>
    /// Low half: index + 1 of the first free call, 0 for none. High half: a version that makes compare-and-swap safe against
    /// reuse (the ABA problem).
    /// </summary>
    private long _free;
    private int _made;
    private int _active;

    public int Active => Volatile.Read(ref _active);

    /// <summary>The number of calls created so far.</summary>
    public int Made => Math.Min(Volatile.Read(ref _made), Capacity);

    public PendingCall? At(int index) => Volatile.Read(ref _calls[index]);

    public PendingCall? Find(uint id) => At((int)(id & IndexMask));

    /// <summary>Whether the call is still active. Doesn't take the call's lock, so it may just have ended.</summary>
    public bool IsWaitedFor(uint id) => Find(id) is { IsActive: true } call && call.Id == id;

    public PendingCall? Rent()
    {
        while (true)
        {
            long head = Volatile.Read(ref _free);
            int index = (int)(head & 0xFFFF_FFFF) - 1;
            if (index < 0)
            {
                break;
            }

            long rest = (((head >> 32) + 1) << 32) | (uint)Volatile.Read(ref _next[index]);
            if (Interlocked.CompareExchange(ref _free, rest, head) == head)
            {
                Interlocked.Increment(ref _active);
                return _calls[index];
            }
        }

        int made = Interlocked.Increment(ref _made) - 1;
        if (made >= Capacity)
        {
            Interlocked.Decrement(ref _made);
            return null;
        }

        var call = new PendingCall { Id = (uint)made };
        Volatile.Write(ref _calls[made], call);
        Interlocked.Increment(ref _active);
        return call;
    }

    /// <summary>Returns a call that the caller has made inactive under its lock.</summary>
    public void Return(PendingCall call)
    {
        int index = (int)(call.Id & IndexMask);
        Interlocked.Decrement(ref _active);
        while (true)
        {
            long head = Volatile.Read(ref _free);
            Volatile.Write(ref _next[index], (int)(head & 0xFFFF_FFFF));
            long mine = (((head >> 32) + 1) << 32) | (uint)(index + 1);
            if (Interlocked.CompareExchange(ref _free, mine, head) == head)
            {
                return;
            }
        }
    }

    /// <summary>The id for the next use.</summary>
    public static uint NextId(uint id) => id + Capacity;
}
