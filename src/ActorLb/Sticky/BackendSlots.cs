namespace ActorLb.Sticky;

/// <summary>What the operator wants of a backend, as the map has to know it.</summary>
internal enum SlotState : byte
{
    /// <summary>No backend lives in the slot: nothing that names it is valid.</summary>
    Free = 0,

    /// <summary>Mapped clients keep it, new clients may get it.</summary>
    Up = 1,

    /// <summary>Mapped clients keep it, new clients do not get it.</summary>
    Drain = 2,

    /// <summary>Maintenance: nobody gets it, mapped clients move at their next CONNECT.</summary>
    Down = 3,
}

/// <summary>
/// Which backends exist, by slot. One word a slot, written by the control plane, read by every thread without a lock: a reader sees
/// generation and state of one moment.
/// </summary>
internal sealed class BackendSlots
{
    public const int Count = ushort.MaxValue + 1;

    private readonly int[] _slots = new int[Count];

    public void Set(BackendRef backend, SlotState state) =>
        Volatile.Write(ref _slots[backend.Slot], state == SlotState.Free ? 0 : (backend.Gen << 8) | (int)state);

    public void Clear(ushort slot) => Volatile.Write(ref _slots[slot], 0);

    /// <summary>The backend that lives in the slot now, or none.</summary>
    public BackendRef Current(ushort slot) => new(slot, (ushort)(Volatile.Read(ref _slots[slot]) >> 8));

    public SlotState StateOf(BackendRef backend)
    {
        var word = Volatile.Read(ref _slots[backend.Slot]);
        return word != 0 && (ushort)(word >> 8) == backend.Gen ? (SlotState)(word & 0xff) : SlotState.Free;
    }

    /// <summary>A mapped client may be sent there.</summary>
    public bool IsKept(BackendRef backend) => StateOf(backend) is SlotState.Up or SlotState.Drain;

    /// <summary>A new client may be sent there.</summary>
    public bool IsEligible(BackendRef backend) => StateOf(backend) == SlotState.Up;

    /// <summary>The first proposal that a new client may get, other than <paramref name="except"/>; none when there is none.</summary>
    public BackendRef FirstEligible(ReadOnlySpan<BackendRef> proposals, BackendRef except)
    {
        for (var i = 0; i < proposals.Length && i < StickyLimits.MaxProposals; i++)
        {
            if (proposals[i] != except && IsEligible(proposals[i]))
            {
                return proposals[i];
            }
        }

        return BackendRef.None;
    }
}
