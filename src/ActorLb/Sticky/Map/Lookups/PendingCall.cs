namespace ActorLb.Sticky.Map.Lookups;

/// <summary>
/// A lookup that another node must answer. Instances are reused. All members are accessed under the instance's lock, which only
/// sender, answer and clock compete for.
/// </summary>
internal sealed class PendingCall
{
    private LookupProposals _proposals;
    private int _count;

    internal readonly Lock Gate = new();

    /// <summary>Changes with every use, so that an answer to an earlier use is ignored.</summary>
    public uint Id { get; set; }

    public bool IsActive { get; set; }

    public LookupKind Kind { get; set; }

    public ulong H { get; private set; }

    public uint Expected { get; set; }

    public IStickyWaiter? Waiter { get; set; }

    public ulong Ticket { get; private set; }

    public long Started { get; private set; }

    /// <summary>
    /// Milliseconds since <see cref="Started"/> in which this node did not run: an answer may already have arrived.
    /// </summary>
    public long Late { get; set; }

    public long RetryAt { get; set; }

    public bool Hedged { get; set; }

    /// <summary>The replica was asked and could not answer.</summary>
    public bool HedgeMissed { get; set; }

    /// <summary>A complete copy doesn't know the client, so what this node last saw is outdated.</summary>
    public bool IsUnknown { get; set; }

    /// <summary>The owner's answer named an unusable backend, and the owner was asked to move the client.</summary>
    public bool Moved { get; set; }

    /// <summary>The member that counts this call as in flight.</summary>
    public MemberLookups? CountedAt { get; set; }

    public ReadOnlySpan<uint> Proposals => ((ReadOnlySpan<uint>)_proposals)[.._count];

    public LookupRequest ToRequest(LookupKind kind, ulong epoch) => new(Id, kind, (byte)(kind == LookupKind.Read ? 0 : _count), H, epoch, Expected, _proposals);

    public void Begin(in Lookup lookup, long now)
    {
        IsActive = true;
        Kind = lookup.Kind;
        H = lookup.H;
        Expected = lookup.Expected.Value;
        _count = Math.Min(lookup.Proposals.Length, StickyLimits.MaxProposals);
        for (int i = 0; i < _count; i++)
        {
            _proposals[i] = lookup.Proposals[i].Value;
        }

        Waiter = lookup.Waiter;
        Ticket = lookup.Ticket;
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
