namespace ActorLb.Sticky.Map.Lookups;

/// <summary>
/// A lookup that another node has to answer. Objects are reused; every member is read and written under the object's own lock, which
/// only the call's few parties (sender, answer, clock) ever touch.
/// </summary>
internal sealed class PendingCall
{
    private LookupProposals _proposals;
    private int _count;

    internal readonly Lock Gate = new();

    /// <summary>Changes with every use: an answer to an earlier use finds nobody.</summary>
    public uint Id { get; set; }

    public bool IsActive { get; set; }

    public LookupKind Kind { get; set; }

    public ulong H { get; private set; }

    public uint Expected { get; set; }

    public IStickyWaiter? Waiter { get; set; }

    public ulong Ticket { get; private set; }

    public long Started { get; private set; }

    /// <summary>Milliseconds since then in which this node did not run: an answer may have come all the same.</summary>
    public long Late { get; set; }

    public long RetryAt { get; set; }

    public bool Hedged { get; set; }

    /// <summary>The replica was asked and does not know.</summary>
    public bool HedgeMissed { get; set; }

    /// <summary>A complete copy was asked and has no such client: what this node saw of it once is over.</summary>
    public bool IsUnknown { get; set; }

    /// <summary>The owner's answer was not acceptable here and it was asked to move the client.</summary>
    public bool Moved { get; set; }

    /// <summary>The peer in whose count of calls this one is.</summary>
    public PeerLookups? CountedAt { get; set; }

    public ReadOnlySpan<uint> Proposals => ((ReadOnlySpan<uint>)_proposals)[.._count];

    public LookupRequest ToRequest(LookupKind kind, ulong epoch) => new(Id, kind, (byte)(kind == LookupKind.Read ? 0 : _count), H, epoch, Expected, _proposals);

    public void Begin(
        LookupKind kind, ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, long now)
    {
        IsActive = true;
        Kind = kind;
        H = h;
        Expected = expected.Value;
        _count = Math.Min(proposals.Length, StickyLimits.MaxProposals);
        for (var i = 0; i < _count; i++)
        {
            _proposals[i] = proposals[i].Value;
        }

        Waiter = waiter;
        Ticket = ticket;
        Started = now;
        Late = 0;
        RetryAt = now;
        Hedged = false;
        HedgeMissed = false;
        IsUnknown = false;
        Moved = false;
        CountedAt = null;
    }
}

/// <summary>A fixed number of calls, made when first needed, handed out without a lock: a stack of free places in one word.</summary>
internal sealed class PendingCalls
{
    /// <summary>Calls of the whole node under way; what exceeds it falls back at once.</summary>
    public const int Capacity = 1 << IndexBits;

    private const int IndexBits = 14;
    private const uint IndexMask = Capacity - 1;

    private readonly PendingCall?[] _calls = new PendingCall?[Capacity];
    private readonly int[] _next = new int[Capacity];

    /// <summary>Low half: index + 1 of the first free place, 0 for none. High half: a count of changes against reuse unnoticed.</summary>
    private long _free;
    private int _made;
    private int _active;

    public int Active => Volatile.Read(ref _active);

    /// <summary>Places that were ever used.</summary>
    public int Made => Math.Min(Volatile.Read(ref _made), Capacity);

    public PendingCall? At(int index) => Volatile.Read(ref _calls[index]);

    public PendingCall? Find(uint id) => At((int)(id & IndexMask));

    /// <summary>Whether somebody still waits for it; without the call's lock, so it may just have ended.</summary>
    public bool IsWaitedFor(uint id) => Find(id) is { IsActive: true } call && call.Id == id;

    public PendingCall? Rent()
    {
        while (true)
        {
            var head = Volatile.Read(ref _free);
            var index = (int)(head & 0xFFFF_FFFF) - 1;
            if (index < 0)
            {
                break;
            }

            var rest = (((head >> 32) + 1) << 32) | (uint)Volatile.Read(ref _next[index]);
            if (Interlocked.CompareExchange(ref _free, rest, head) == head)
            {
                Interlocked.Increment(ref _active);
                return _calls[index];
            }
        }

        var made = Interlocked.Increment(ref _made) - 1;
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

    /// <summary>The caller made the call inactive under its lock.</summary>
    public void Return(PendingCall call)
    {
        var index = (int)(call.Id & IndexMask);
        Interlocked.Decrement(ref _active);
        while (true)
        {
            var head = Volatile.Read(ref _free);
            Volatile.Write(ref _next[index], (int)(head & 0xFFFF_FFFF));
            var mine = (((head >> 32) + 1) << 32) | (uint)(index + 1);
            if (Interlocked.CompareExchange(ref _free, mine, head) == head)
            {
                return;
            }
        }
    }

    /// <summary>The identity of the next use.</summary>
    public static uint NextId(uint id) => id + Capacity;
}
