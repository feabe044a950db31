using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ActorLb.Sticky;

/// <summary>State bits of an entry, stored above its generation.</summary>
internal static class EntryState
{
    public const ushort None = 0;

    /// <summary>No backend has accepted the client since the entry was created or moved; such an entry is short-lived.</summary>
    public const ushort Provisional = 0x4000;

    /// <summary>The client has a session on this node.</summary>
    public const ushort Connected = 0x8000;
}

/// <summary>One client of a shard, 16 bytes. <see cref="H"/> is never 0, which marks a free position.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct ShardEntry
{
    /// <summary>Bit 31 of <see cref="Touch"/>: the last touch was a session's end or keep-alive, not its opening.</summary>
    public const uint RefreshedBit = 0x8000_0000;

    public ulong H;
    public ushort Slot;

    /// <summary>The generation, with <see cref="EntryState"/> in the bits above it.</summary>
    public ushort GenAndState;

    /// <summary>
    /// Monotonic time of the node that holds the entry (<see cref="StickyClock"/>), 31 bits; bit 31 is <see
    /// cref="RefreshedBit"/>.
    /// </summary>
    public uint Touch;

    public readonly ushort Gen => (ushort)(GenAndState & BackendRef.MaxGen);

    public readonly BackendRef Backend => new(Slot, Gen);

    public readonly bool IsProvisional => (GenAndState & EntryState.Provisional) != 0;

    public readonly bool IsConnected => (GenAndState & EntryState.Connected) != 0;

    public readonly uint Ticks => Touch & ~RefreshedBit;

    public readonly bool IsRefreshed => (Touch & RefreshedBit) != 0;
}

/// <summary>
/// A hash table with open addressing and linear probing in native memory, invisible to the garbage collector. A key's home
/// position follows the order of hashes (multiply and shift), so the capacity can be any number and growing by a quarter wastes
/// little. Removal shifts the following entries back, so there are no tombstones. Not thread-safe: guarded by the shard's lock.
/// </summary>
internal sealed unsafe class ShardTable : IDisposable
{
    private const int MinCapacity = 8;

    /// <summary>
    /// Maximum load. After growing by a quarter the table is 64 % full, which is 25 bytes an entry in the worst case.
    /// </summary>
    private const int MaxLoadPercent = 80;

    private readonly int _skipBits;
    private ShardEntry* _entries;
    private int _capacity;
    private int _count;
    private int _limit;

    /// <param name="skipBits">High bits of the hash that all keys of the table share, because they select the shard.</param>
    public ShardTable(int skipBits) => _skipBits = skipBits;

    public int Count => _count;

    /// <summary>Entries whose client has a session on this node.</summary>
    public int Connected { get; private set; }

    /// <summary>Entries that no backend has confirmed.</summary>
    public int Provisional { get; private set; }

    public int Capacity => _capacity;

    /// <summary>Native memory in use.</summary>
    public long Bytes => (long)_capacity * sizeof(ShardEntry);

    /// <summary>Maps hash 0 to 1, because 0 marks a free position.</summary>
    public static ulong Key(ulong h) => h == 0 ? 1UL : h;

    /// <summary>Returns the entry, valid until the table changes, or a null reference.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref ShardEntry Find(ulong h)
    {
        if (_count == 0)
        {
            return ref Unsafe.NullRef<ShardEntry>();
        }

        h = Key(h);
        int i = Home(h);
        while (true)
        {
            var entry = _entries + i;
            if (entry->H == h)
            {
                return ref *entry;
            }

            if (entry->H == 0)
            {
                return ref Unsafe.NullRef<ShardEntry>();
            }

            if (++i == _capacity)
            {
                i = 0;
            }
        }
    }

    /// <summary>Sets the entry of a key; adds it if missing.</summary>
    /// <param name="state">An <see cref="EntryState"/>.</param>
    /// <returns>Whether it was added.</returns>
    public bool Set(ulong h, BackendRef backend, uint touch, ushort state = EntryState.None)
    {
        h = Key(h);
        if (_count >= _limit)
        {
            // An update needs no room. The second search costs something only when the table grows, which is rare.
            ref var present = ref Find(h);
            if (!Unsafe.IsNullRef(ref present))
            {
                Write(ref present, h, backend, touch, state);
                return false;
            }

            Resize(Math.Max(MinCapacity, _capacity + (_capacity >> 2)));
        }

        int i = Home(h);
        while (true)
        {
            var entry = _entries + i;
            if (entry->H == h || entry->H == 0)
            {
                bool added = entry->H == 0;
                Write(ref *entry, h, backend, touch, state);
                _count += added ? 1 : 0;
                return added;
            }

            if (++i == _capacity)
            {
                i = 0;
            }
        }
    }

    /// <summary>Changes the state of an entry of this table.</summary>
    public void SetState(ref ShardEntry entry, ushort state)
    {
        CountState(entry.GenAndState, -1);
        CountState(state, 1);
        entry.GenAndState = (ushort)(entry.Gen | state);
    }

    public bool Remove(ulong h)
    {
        ref var entry = ref Find(h);
        if (Unsafe.IsNullRef(ref entry))
        {
            return false;
        }

        RemoveAt((int)((ShardEntry*)Unsafe.AsPointer(ref entry) - _entries));
        return true;
    }

    /// <summary>
    /// Returns the entry at a position, or a null reference if the position is free. For sweeps, samples and copies.
    /// </summary>
    public ref ShardEntry At(int index)
    {
        if ((uint)index >= (uint)_capacity)
        {
            throw new ArgumentOutOfRangeException(nameof(index));
        }

        var entry = _entries + index;
        return ref entry->H == 0 ? ref Unsafe.NullRef<ShardEntry>() : ref *entry;
    }

    /// <summary>
    /// Frees a position and closes the gap: moves back each following entry whose home is not behind the gap. Afterwards the
    /// position may hold another entry, so a sweep must look at it again.
    /// </summary>
    public void RemoveAt(int index)
    {
        CountState(_entries[index].GenAndState, -1);
        int gap = index;
        int i = index;
        while (true)
        {
            if (++i == _capacity)
            {
                i = 0;
            }

            ulong h = _entries[i].H;
            if (h == 0)
            {
                break;
            }

            int home = Home(h);

            // True if the home is in (gap, i], cyclically: the entry must not move before its home.
            bool stays = gap < i ? home > gap && home <= i : home > gap || home <= i;
            if (!stays)
            {
                _entries[gap] = _entries[i];
                gap = i;
            }
        }

        _entries[gap] = default;
        _count--;
    }

    /// <summary>Copies every entry.</summary>
    /// <returns>How many; the span must have room for <see cref="Count"/>.</returns>
    public int CopyTo(Span<ShardEntry> into)
    {
        int n = 0;
        for (int i = 0; i < _capacity; i++)
        {
            if (_entries[i].H != 0)
            {
                into[n++] = _entries[i];
            }
        }

        return n;
    }

    /// <summary>Removes all entries and frees the memory.</summary>
    public void Clear()
    {
        NativeMemory.Free(_entries);
        _entries = null;
        _capacity = 0;
        _count = 0;
        _limit = 0;
        Connected = Provisional = 0;
    }

    /// <summary>Makes room for that many entries, so that adding them doesn't resize the table.</summary>
    public void EnsureRoom(int entries)
    {
        if (entries > _limit)
        {
            Resize((int)Math.Max(MinCapacity, ((long)entries * 100 / MaxLoadPercent) + 1));
        }
    }

    /// <summary>Frees memory if less than a quarter is used.</summary>
    public void Shrink()
    {
        if (_count == 0)
        {
            Clear();
        }
        else if (_capacity > 4 * MinCapacity && _count < _limit / 4)
        {
            Resize((int)Math.Max(MinCapacity, ((long)_count * 100 / 64) + 1));
        }
    }

    public void Dispose() => Clear();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Write(ref ShardEntry entry, ulong h, BackendRef backend, uint touch, ushort state)
    {
        SetState(ref entry, state);
        entry.H = h;
        entry.Slot = backend.Slot;
        entry.GenAndState = (ushort)((backend.Gen & BackendRef.MaxGen) | state);
        entry.Touch = touch;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void CountState(ushort state, int step)
    {
        Connected += step * (state >> 15);
        Provisional += step * ((state >> 14) & 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Home(ulong h) => (int)Math.BigMul(h << _skipBits, (ulong)_capacity, out _);

    private void Resize(int capacity)
    {
        var old = _entries;
        int oldCapacity = _capacity;
        _entries = (ShardEntry*)NativeMemory.AllocZeroed((nuint)capacity, (nuint)sizeof(ShardEntry));
        _capacity = capacity;

        // At least one position must stay free, or the search for a missing key wouldn't end.
        _limit = Math.Min((int)((long)capacity * MaxLoadPercent / 100), capacity - 1);
        for (int i = 0; i < oldCapacity; i++)
        {
            if (old[i].H != 0)
            {
                int to = Home(old[i].H);
                while (_entries[to].H != 0)
                {
                    if (++to == capacity)
                    {
                        to = 0;
                    }
                }

                _entries[to] = old[i];
            }
        }

        NativeMemory.Free(old);
    }
}
