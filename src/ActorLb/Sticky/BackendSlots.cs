using ActorLb.Balancing;

namespace ActorLb.Sticky;

/// <summary>
/// The existing backends by slot. Each slot is one word, written by the control plane and read by every thread without a lock, so
/// a reader sees a consistent generation and state.
/// </summary>
internal sealed class BackendSlots
{
    public const int Count = ushort.MaxValue + 1;

    private readonly int[] _slots = new int[Count];

    /// <param name="isPaced">
    /// The drain closes the backend's clients. The map must not keep them there, or they would return at once, so it treats the
    /// backend as down.
    /// </param>
    public void Set(BackendRef backend, AdminState state, bool isPaced = false)
    {
        var effective = isPaced && state == AdminState.Drain ? AdminState.Down : state;
        Volatile.Write(ref _slots[backend.Slot], (backend.Gen << 8) | (int)effective);
    }

    public void Clear(ushort slot) => Volatile.Write(ref _slots[slot], 0);

    /// <summary>The slot's current backend, or none.</summary>
    public BackendRef Current(ushort slot) => new(slot, (ushort)(Volatile.Read(ref _slots[slot]) >> 8));

    /// <summary>The state of a backend in the slot; null if it is gone. Entries that name it are invalid then.</summary>
    public AdminState? StateOf(BackendRef backend)
    {
        int word = Volatile.Read(ref _slots[backend.Slot]);
        return word != 0 && (ushort)(word >> 8) == backend.Gen ? (AdminState)(word & 0xff) : null;
    }

    /// <summary>A mapped client may stay there.</summary>
    public bool IsKept(BackendRef backend) => StateOf(backend) is AdminState.Up or AdminState.Drain;

    /// <summary>A new client may be assigned there.</summary>
    public bool IsEligible(BackendRef backend) => StateOf(backend) == AdminState.Up;

    /// <summary>The first eligible proposal other than <paramref name="except"/>, or none.</summary>
    public BackendRef FirstEligible(ReadOnlySpan<BackendRef> proposals, BackendRef except)
    {
        for (int i = 0; i < proposals.Length && i < StickyLimits.MaxProposals; i++)
        {
            if (proposals[i] != except && IsEligible(proposals[i]))
            {
                return proposals[i];
            }
        }

        return BackendRef.None;
    }
}
