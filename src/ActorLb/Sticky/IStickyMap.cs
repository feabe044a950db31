namespace ActorLb.Sticky;

/// <summary>Who answered a lookup.</summary>
public enum StickyOutcome : byte
{
    /// <summary>This node owns the client's shard.</summary>
    Local = 0,

    /// <summary>The shard's owner, another node.</summary>
    Remote = 1,

    /// <summary>The shard's replica, because the owner didn't answer in time.</summary>
    Hedge = 2,

    /// <summary>Neither owner nor replica answered. The backend is the last one this node saw for the client, or none.</summary>
    Fallback = 3,
}

/// <param name="Backend">
/// None only with <see cref="StickyOutcome.Fallback"/>, or when a lookup without proposals found no entry. The caller then takes
/// the first eligible backend of the hash's weighted rendezvous ranking, so that every node makes the same choice.
/// </param>
/// <param name="IsNew">This lookup created or moved the entry.</param>
public readonly record struct StickyAnswer(BackendRef Backend, StickyOutcome Outcome, bool IsNew);

/// <summary>Receives the answer to a lookup that another node had to answer.</summary>
public interface IStickyWaiter
{
    /// <summary>
    /// Called once for each lookup that did not complete synchronously, on any thread, within about 100 ms. Must not block.
    /// </summary>
    void Complete(ulong ticket, in StickyAnswer answer);
}

/// <summary>The client-to-backend map of the fleet. All methods are thread-safe; none blocks or allocates.</summary>
public interface IStickyMap
{
    /// <summary>
    /// The key of a client in a pool: SipHash-2-4 of the client id with the cluster's key, XORed with a hash of the pool's name
    /// under another key, so that one id has a separate entry in each pool. An empty pool name leaves the plain hash.
    /// </summary>
    ulong Hash(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId);

    /// <summary>Returns the client's backend. If there is no valid entry, assigns the first eligible proposal.</summary>
    /// <param name="proposals">
    /// Ranked, best first; only the first <see cref="StickyLimits.MaxProposals"/> count. Empty makes the lookup read-only.
    /// </param>
    /// <returns>True if <paramref name="answer"/> is set; false if the waiter will receive the answer.</returns>
    bool GetOrAssign(ulong h, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer);

    /// <summary>
    /// Moves the client from <paramref name="expected"/> to the first other eligible proposal. If the entry already names another
    /// valid backend, returns that one: clients of a dead broker move once, whichever node notices first.
    /// </summary>
    bool Reassign(
        ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer);

    /// <summary>
    /// <paramref name="backend"/> accepted a session of the client. The map keeps the entry alive until <see cref="Closed"/>, and
    /// sends it to the shard's owner if the owner lost it or the lookup had fallen back.
    /// </summary>
    /// <returns>The session's number, to pass to <see cref="Closed"/>.</returns>
    uint Opened(ulong h, BackendRef backend, StickyOutcome outcome);

    /// <summary>
    /// <paramref name="backend"/> did not accept the client, or the client left first. Removes an entry created for this attempt;
    /// an entry that an earlier session confirmed stays.
    /// </summary>
    /// <param name="sinceMade">Milliseconds since this lookup created or moved the entry; negative if it already existed.</param>
    void Abandoned(ulong h, BackendRef backend, long sinceMade);

    /// <summary>The session ended: the entry's time to live starts now.</summary>
    void Closed(ulong h, BackendRef backend, uint session);
}

public static class StickyLimits
{
    /// <summary>The most proposals in one lookup.</summary>
    public const int MaxProposals = 8;
}
