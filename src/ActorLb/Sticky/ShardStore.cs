using System.Runtime.CompilerServices;

namespace ActorLb.Sticky;

/// <summary>
/// The entries of a shard, or of a part of it, and what may be done to them: the rules of the map, without lock, owner or network. Every
/// change goes to the log, so that a copy which applies the log holds the same entries.
/// </summary>
internal sealed class ShardStore
{
    private readonly BackendSlots _slots;
    private readonly StickyRules _rules;
    private readonly StoreGroup _group;

    /// <param name="log">That of the shard.</param>
    /// <param name="group">The stores of the shard, under one lock and one cap.</param>
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

    /// <summary>Several stores may share one.</summary>
    public ReplicationLog Log { get; }

    /// <summary>Keeps the shard within its cap.</summary>
    public ShardEviction Eviction { get; }

    /// <summary>The valid entry of a key, or none. Changes nothing.</summary>
    public BackendRef Peek(ulong h, uint now)
    {
        ref var entry = ref Table.Find(h);
        return Unsafe.IsNullRef(ref entry) || !IsValid(entry, now) ? BackendRef.None : entry.Backend;
    }

    /// <param name="provisional">The caller will <see cref="Accept"/> the entry that is made, or <see cref="TakeBack"/> it.</param>
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

    /// <summary>Compare and set; see <see cref="IStickyMap.Reassign"/>. With <paramref name="force"/> whatever is there gives way.</summary>
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

    /// <summary>The backend accepted the client, whose session lives on this node.</summary>
    /// <param name="add">Make the entry when it was pushed out or has expired meanwhile: this is its owner's.</param>
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

    /// <summary>The client's session on this node is over.</summary>
    public void Leave(ulong h, BackendRef backend)
    {
        ref var entry = ref Table.Find(h);
        if (!Unsafe.IsNullRef(ref entry) && entry.Backend == backend && entry.IsConnected)
        {
            Table.SetState(ref entry, EntryState.None);
        }
    }

    /// <summary>The backend did not accept the client: an entry that was made for it goes.</summary>
    public bool TakeBack(ulong h, BackendRef backend)
    {
        ref var entry = ref Table.Find(h);
        return !Unsafe.IsNullRef(ref entry) && entry.IsProvisional && entry.Backend == backend && Remove(h);
    }

    /// <summary>Likewise of a client of another node, whose entry is not marked: it goes unless somebody has asked for it since.</summary>
    /// <param name="made">When it was made, or a little later.</param>
    public bool TakeBack(ulong h, BackendRef backend, uint made)
    {
        ref var entry = ref Table.Find(h);
        return !Unsafe.IsNullRef(ref entry) && entry.Backend == backend && entry is { IsConnected: false, IsRefreshed: false }
            && entry.Ticks <= made && Remove(h);
    }

    /// <summary>
    /// A session's end or sign of life: keeps the entry from expiring, if it is still this backend's. An end in the tick of the beginning
    /// counts, too: of two sessions begun at once the one that lasts must win.
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
    /// A live connection's claim. The newest session wins. A time that a session's end or sign of life left behind says nothing about
    /// when that session began, so it yields to a session that was opened without the owner's word.
    /// </summary>
    /// <returns>Whether the entry now names the backend.</returns>
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

            var newer = opened > entry.Ticks || (entry.IsRefreshed && fellBack)
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
    /// What a backend's own list of clients says: it counts only where nothing else is known, and later gives way to every session that
    /// began after the list was made.
    /// </summary>
    /// <param name="listed">When the list was asked for, or earlier.</param>
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
            // What clients themselves brought does not go for it.
            return SeedResult.NoRoom;
        }

        Put(h, backend, listed);
        return SeedResult.Added;
    }

    public bool Remove(ulong h)
    {
        var removed = Table.Remove(h);
        if (removed)
        {
            Log.Append(new LogOp(LogOpKind.Remove, ShardTable.Key(h), default, 0));
        }

        return removed;
    }

    /// <summary>What the owner did, done to a copy.</summary>
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

    /// <summary>A complete snapshot takes the place of what was there.</summary>
    public void Replace(ShardTable table)
    {
        Table.Dispose();
        Table = table;
        _group.Recount();
    }

    /// <summary>
    /// Sixteen exclusive-ors over who has which backend, by the low bits of the key: equal in two copies of one content, whatever the
    /// places and times of the entries.
    /// </summary>
    public void Digest(Span<ulong> lanes)
    {
        lanes.Clear();
        for (var i = 0; i < Table.Capacity; i++)
        {
            ref var entry = ref Table.At(i);
            if (!Unsafe.IsNullRef(ref entry))
            {
                lanes[(int)(entry.H & 15)] ^= Map.Rendezvous.Mix(entry.H ^ Map.Rendezvous.Mix(entry.Backend.Value));
            }
        }
    }

    /// <summary>Removes entries that are invalid for good: expired, or of a backend that no longer exists.</summary>
    /// <param name="from">Place to begin at, kept by the caller.</param>
    /// <returns>Place to go on at, 0 when the end was reached.</returns>
    public int Sweep(int from, int places, int removals, uint now)
    {
        var i = from;
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
        var key = ShardTable.Key(h);
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

    /// <summary>A copy hears of a touch only when it moves the entry's end by a noticeable part: most reconnects cost no frame.</summary>
    private void Touch(ref ShardEntry entry, uint touch)
    {
        var step = (touch & ~ShardEntry.RefreshedBit) - entry.Ticks;
        var told = (entry.Touch ^ touch) >= ShardEntry.RefreshedBit || step > _rules.TtlTicks / 32;
        entry.Touch = touch;
        if (told)
        {
            Log.Append(new LogOp(LogOpKind.Put, entry.H, entry.Backend, touch));
        }
    }
}
