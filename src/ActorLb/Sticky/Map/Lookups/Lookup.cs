namespace ActorLb.Sticky.Map.Lookups;

/// <summary>A question to the map as its caller asks it. A call to another member copies what it needs (<see cref="PendingCall"/>).</summary>
/// <param name="h">The client's key.</param>
/// <param name="expected">The backend that the client is moved away from; none when it is not moved.</param>
/// <param name="ticket">What the waiter gets back with the answer.</param>
internal readonly ref struct Lookup(
    LookupKind kind, ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket)
{
    public LookupKind Kind { get; } = kind;

    public ulong H { get; } = h;

    public BackendRef Expected { get; } = expected;

    /// <summary>Ranked, best first.</summary>
    public ReadOnlySpan<BackendRef> Proposals { get; } = proposals;

    public IStickyWaiter Waiter { get; } = waiter;

    public ulong Ticket { get; } = ticket;
}
