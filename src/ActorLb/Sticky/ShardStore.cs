using System.Runtime.CompilerServices;

namespace ActorLb.Sticky;

/// <summary>
/// The entries of a partition and the map's rules for changing them, without locking, ownership or network. Every change is
/// logged, so that a copy that applies the log holds the same entries.
/// </summary>
internal sealed class ShardStore
{
    private readonly BackendSlots _slots;
    private readonly StickyRules _rules;
    private readonly StoreGroup _group;

    /// <param name="log">The shard's log.</param>
    /// <param name="group">The shard's stores, which share one lock and one cap.</param>
    public ShardStore(int skipBits, BackendSlots slots, StickyRules rules, ReplicationLog? log = null, StoreGroup? group = null)
    {
        _slots = slots;
        _rules = rules;
        Table = new ShardTable(skipBits);
        Log = log ?? new ReplicationLog(rules.LogOps);
        _group = group ?? new StoreGroup();
        _group.Add(this);
        Eviction = new ShardEviction(this, rules, _group);
    }

    public ShardTable Table { get; private set; }

    /// <summary>Shared by the stores of a shard.</summary>
    public ReplicationLog Log { get; }

    /// <summary>Keeps the shard within its cap.</summary>
    public ShardEviction Eviction { get; }

    /// <summary>Returns the valid entry of a key, or none. Read-only.</summary>
    public BackendRef Peek(ulong h, uint now)
    {
        ref var entry = ref Table.Find(h);
        return Unsafe.IsNullRef(ref entry) || !IsValid(entry, now) ? BackendRef.None : entry.Backend;
    }

    /// <param name="provisional">
    /// The caller will <see cref="Accept"/> a new entry, or <see cref="TakeBack(ulong, BackendRef)"/> it.
    /// </param>
    public LookupResult GetOrAssign(ulong h, ReadOnlySpan<BackendRef> proposals, uint now, bool provisional = false)
    {
        ref var entry = ref Table.Find(h);
        if (!Unsafe.IsNullRef(ref entry) && IsValid(entry, now))
        {
            if (proposals.Length > 0 && entry.Touch != now)
            {
                Touch(ref entry, now);
            }

            return new LookupResult(LookupStatus.Found, entry.Backend);
        }

        return Assign(h, _slots.FirstEligible(proposals, BackendRef.None), now, provisional);
    }

    /// <summary>Compare and set, see <see cref="IStickyMap.Reassign"/>. <paramref name="force"/> replaces any entry.</summary>
    public LookupResult Reassign(
        ulong h, BackendRef expected, ReadOnlySpan<BackendRef> proposals, bool force, uint now, bool provisional = false)
    {
        if (!force)
        {
            ref var entry = ref Table.Find(h);
            if (!Unsafe.IsNullRef(ref entry) && entry.Backend != expected && IsValid(entry, now))
            {
                return new LookupResult(LookupStatus.Found, entry.Backend);
            }
        }

        return Assign(h, _slots.FirstEligible(proposals, expected), now, provisional && !force);
    }

    /// <summary>The backend accepted the client, whose session is on this node.</summary>
    /// <param name="add">Recreate the entry if it was evicted or expired meanwhile. Only for the shard's owner.</param>
    public void Accept(ulong h, BackendRef backend, uint now, bool add)
    {
        ref var entry = ref Table.Find(h);
        if (!Unsafe.IsNullRef(ref entry) && entry.Backend == backend)
        {
            Table.SetState(ref entry, EntryState.Connected);
        }
        else if (add && (Unsafe.IsNullRef(ref entry) || !IsValid(entry, now)) && _slots.IsKept(backend))
        {
            Put(h, backend, now, EntryState.Connected);
        }
    }

    /// <summary>The client's session on this node ended.</summary>
    public void Leave(ulong h, BackendRef backend)
    {
        ref var entry = ref Table.Find(h);
        if (!Unsafe.IsNullRef(ref entry) && entry.Backend == backend && entry.IsConnected)
        {
            Table.SetState(ref entry, EntryState.None);
        }
    }

    /// <summary>The backend did not accept the client: removes the entry created for it.</summary>
    public bool TakeBack(ulong h, BackendRef backend)
    {
        ref var entry = ref Table.Find(h);
        return !Unsafe.IsNullRef(ref entry) && entry.IsProvisional && entry.Backend == backend && Remove(h);
    }

    /// <summary>
    /// The same for a client of another node, whose entry isn't marked provisional: removes it unless a later lookup has used it.
    /// </summary>
    /// <param name="made">When the entry was created, or slightly later.</param>
    public bool TakeBack(ulong h, BackendRef backend, uint made)
    {
        ref var entry = ref Table.Find(h);
        return !Unsafe.IsNullRef(ref entry) && entry.Backend == backend && entry is { IsConnected: false, IsRefreshed: false }
            && entry.Ticks <= made && Remove(h);
    }

    /// <summary>
    /// A session ended or is still alive: renews the entry if it still names this backend. An end in the tick of the beginning
    /// counts too: of two sessions that began in the same tick, the one that lasts must win.
    /// </summary>
    public void Refresh(ulong h, BackendRef backend, uint ticks)
    {
        ref var entry = ref Table.Find(h);
        if (!Unsafe.IsNullRef(ref entry) && entry.Backend == backend
            && (ticks > entry.Ticks || (ticks == entry.Ticks && !entry.IsRefreshed)))
        {
            if (entry.IsProvisional)
            {
                Table.SetState(ref entry, EntryState.None);
            }

            Touch(ref entry, ticks | ShardEntry.RefreshedBit);
        }
    }

    /// <summary>
    /// A live session's claim to its entry. The newest session wins. A time that comes from a session's end or keep-alive doesn't
    /// show when that session began, so it yields to a session that was opened without the owner's answer.
    /// </summary>
    /// <returns>Whether the entry names the backend afterwards.</returns>
    public bool Learn(ulong h, BackendRef backend, uint opened, bool fellBack, uint now)
    {
        if (!_slots.IsKept(backend))
        {
            return false;
        }

        ref var entry = ref Table.Find(h);
        if (!Unsafe.IsNullRef(ref entry) && IsValid(entry, now))
        {
            if (entry.Backend == backend)
            {
                return true;
            }

            bool newer = opened > entry.Ticks || (entry.IsRefreshed && fellBack)
                || (opened == entry.Ticks && (entry.IsRefreshed || fellBack));
            if (!newer)
            {
                return false;
            }
        }

        Put(h, backend, opened);
        return true;
    }

    /// <summary>
    /// An entry from a backend's own list of clients. It is added only if nothing else is known, and later yields to any session
    /// that began after the list was made.
    /// </summary>
    /// <param name="listed">When the list was requested, or earlier.</param>
    public SeedResult Seed(ulong h, BackendRef backend, uint listed, uint now)
    {
        if (!_slots.IsKept(backend))
        {
            return SeedResult.NoBackend;
        }

        ref var entry = ref Table.Find(h);
        if (!Unsafe.IsNullRef(ref entry))
        {
            if (IsValid(entry, now))
            {
                return SeedResult.Known;
            }
        }
        else if (_group.Count >= _rules.MaxPerShard || _rules.Room.IsOverCap)
        {
            // Don't evict entries that clients created.
            return SeedResult.NoRoom;
        }

        Put(h, backend, listed);
        return SeedResult.Added;
    }

    public bool Remove(ulong h)
    {
        bool removed = Table.Remove(h);
        if (removed)
        {
            Log.Append(new LogOp(LogOpKind.Remove, ShardTable.Key(h), default, 0));
        }

        return removed;
    }

    /// <summary>Applies a change of the owner to a copy.</summary>
    public void Apply(in LogOp op)
    {
        if (op.Kind == LogOpKind.Put)
        {
            Table.Set(op.H, op.Backend, op.Touch);
            _group.Recount();
        }
        else
        {
            Table.Remove(op.H);
        }
    }

    /// <summary>Replaces the content with a complete snapshot.</summary>
    public void Replace(ShardTable table)
    {
        Table.Dispose();
        Table = table;
        _group.Recount();
    }

    /// <summary>
    /// Sixteen XOR sums over keys and backends, one for each value of the key's low four bits: equal in two copies with the same
    /// content, whatever the positions and times of the entries.
    /// </summary>
    public void Digest(Span<ulong> lanes)
    {
        lanes.Clear();
        for (int i = 0; i < Table.Capacity; i++)
        {
            ref var entry = ref Table.At(i);
            if (!Unsafe.IsNullRef(ref entry))
            {
                lanes[(int)(entry.H & 15)] ^= Map.ShardRendezvous.Mix(entry.H ^ Map.ShardRendezvous.Mix(entry.Backend.Value));
            }
        }
    }

    /// <summary>
    /// Removes entries that can't become valid again: expired ones, and those of backends that no longer exist.
    /// </summary>
    /// <param name="from">Position to start at; the caller keeps it.</param>
    /// <returns>Position to continue at; 0 after the end.</returns>
    public int Sweep(int from, int places, int removals, uint now)
    {
        int i = from;
        for (; i < Table.Capacity && places > 0 && removals > 0; places--)
        {
            ref var entry = ref Table.At(i);
            if (Unsafe.IsNullRef(ref entry) || !IsDead(entry, now))
            {
                i++;
                continue;
            }

            Log.Append(new LogOp(LogOpKind.Remove, entry.H, default, 0));
            Table.RemoveAt(i);
            removals--;
        }

        if (i < Table.Capacity)
        {
            return i;
        }

        Eviction.EvictExcess(removals);
        Table.Shrink();
        return 0;
    }

    private bool IsValid(in ShardEntry entry, uint now) => _slots.IsKept(entry.Backend) && !IsExpired(entry, now);

    private bool IsExpired(in ShardEntry entry, uint now) =>
        now > entry.Ticks && now - entry.Ticks > (entry.IsProvisional ? _rules.ProvisionalTicks : _rules.TtlTicks);

    private bool IsDead(in ShardEntry entry, uint now) => _slots.StateOf(entry.Backend) is null || IsExpired(entry, now);

    private LookupResult Assign(ulong h, BackendRef pick, uint now, bool provisional)
    {
        if (pick.IsNone)
        {
            return default;
        }

        Put(h, pick, now, provisional ? EntryState.Provisional : EntryState.None);
        return new LookupResult(LookupStatus.Assigned, pick);
    }

    private void Put(ulong h, BackendRef backend, uint touch, ushort state = EntryState.None)
    {
        ulong key = ShardTable.Key(h);
        if (Table.Set(h, backend, touch, state)
            && (!_group.HadRoom(_rules.MaxPerShard) || (state != EntryState.Connected && _rules.Room.TryClaimEviction())))
        {
            if (!Eviction.MakeRoom(key, state))
            {
                return;
            }

            Eviction.Trim(key);
        }

        Log.Append(new LogOp(LogOpKind.Put, key, backend, touch));
    }

    /// <summary>
    /// Logs a touch only if it moves the expiry noticeably, so that most reconnects send nothing to the copies.
    /// </summary>
    private void Touch(ref ShardEntry entry, uint touch)
    {
        uint step = (touch & ~ShardEntry.RefreshedBit) - entry.Ticks;
        bool told = (entry.Touch ^ touch) >= ShardEntry.RefreshedBit || step > _rules.TtlTicks / 32;
        entry.Touch = touch;
        if (told)
        {
            Log.Append(new LogOp(LogOpKind.Put, entry.H, entry.Backend, touch));
        }
    }
}
