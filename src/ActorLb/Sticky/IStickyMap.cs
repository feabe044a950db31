namespace ActorLb.Sticky;

/// <summary>
/// A backend as the sticky map names it: a slot, and the generation of what lives in the slot. Removing a backend or flushing its
/// stickiness raises the generation, so every entry that names the old one is invalid at once and nothing has to be scanned.
/// Generation 0 is never given out: <c>default</c> is no backend.
/// </summary>
public readonly record struct BackendRef(ushort Slot, ushort Gen)
{
    public static readonly BackendRef None;

    /// <summary>The largest generation; 1 follows it. The two bits above it are an entry's own.</summary>
    public const ushort MaxGen = 0x3FFF;

    public bool IsNone => Gen == 0;

    /// <summary>Slot in the high, generation in the low half; 0 is no backend.</summary>
    public uint Value => ((uint)Slot << 16) | Gen;

    public static BackendRef FromValue(uint value) => new((ushort)(value >> 16), (ushort)value);

    public override string ToString() => IsNone ? "none" : $"{Slot}.{Gen}";
}

/// <summary>Who answered a lookup.</summary>
public enum StickyOutcome : byte
{
    /// <summary>This node owns the client's shard.</summary>
    Local = 0,

    /// <summary>The owner on another node.</summary>
    Remote = 1,

    /// <summary>The shard's replica, because the owner kept silent.</summary>
    Hedge = 2,

    /// <summary>Nobody who could know. The backend is the last one this node saw for the client, or none.</summary>
    Fallback = 3,
}

/// <param name="Backend">
/// None only with <see cref="StickyOutcome.Fallback"/>, or when a lookup without proposals found no entry: the caller then takes
/// the first eligible backend of the weighted rendezvous ranking of the hash, so that every node chooses alike.
/// </param>
/// <param name="IsNew">The entry was made or moved by this lookup.</param>
public readonly record struct StickyAnswer(BackendRef Backend, StickyOutcome Outcome, bool IsNew);

/// <summary>Hears the answer of a lookup that another node has to give.</summary>
public interface IStickyWaiter
{
    /// <summary>Called once for each lookup that did not answer at once, on any thread, within about 100 ms; must not block.</summary>
    void Complete(ulong ticket, in StickyAnswer answer);
}

/// <summary>The client-to-backend map of the fleet. Every member may be called by any thread; none blocks, none allocates.</summary>
public interface IStickyMap
{
    /// <summary>
    /// The key of a client in a pool: SipHash-2-4 of the client id under the cluster's secret, exclusive-or a hash of the pool's name
    /// under another key, so that one id in two pools has two entries. An empty pool name leaves the plain hash.
    /// </summary>
    ulong Hash(ReadOnlySpan<byte> pool, ReadOnlySpan<byte> clientId);

    /// <summary>
    /// The client's backend; without a valid entry the first valid proposal becomes it.
    /// </summary>
    /// <param name="proposals">Ranked, best first; at most <see cref="StickyLimits.MaxProposals"/> are looked at. Empty only reads.</param>
    /// <returns>True when <paramref name="answer"/> is the answer; false when the waiter will hear it.</returns>
    bool GetOrAssign(ulong h, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer);

    /// <summary>
    /// Moves the client away from <paramref name="expected"/> to the first other valid proposal. When the entry names another valid
    /// backend already, that one is the answer: clients of a dead broker move once, whichever node notices first.
    /// </summary>
    bool Reassign(
        ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, IStickyWaiter waiter, ulong ticket, out StickyAnswer answer);

    /// <summary>
    /// A session of the client was accepted by <paramref name="backend"/>. The map keeps the entry alive until <see cref="Closed"/>
    /// and tells it to whoever owns the shard, should the entry be lost or should the lookup have fallen back.
    /// </summary>
    /// <returns>The session's number, for <see cref="Closed"/>.</returns>
    uint Opened(ulong h, BackendRef backend, StickyOutcome outcome);

    /// <summary>
    /// The client was not accepted by <paramref name="backend"/>, or is gone before it was: an entry that was made for it is taken back.
    /// One that a session of the client has confirmed before stays.
    /// </summary>
    /// <param name="sinceMade">Milliseconds since the answer that the entry was made or moved; negative when it was there before.</param>
    void Abandoned(ulong h, BackendRef backend, long sinceMade);

    /// <summary>The session ended: the entry's time to live counts from now.</summary>
    void Closed(ulong h, BackendRef backend, uint session);
}

public static class StickyLimits
{
    /// <summary>Proposals sent with a lookup.</summary>
    public const int MaxProposals = 8;
}
