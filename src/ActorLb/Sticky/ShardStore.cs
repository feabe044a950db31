using System.Runtime.CompilerServices;

namespace ActorLb.Sticky;

internal enum LookupStatus : byte
{
    /// <summary>No valid entry, and no proposal that could become one.</summary>
    None,

    /// <summary>The entry was there.</summary>
    Found,

    /// <summary>The entry was made or moved.</summary>
    Assigned,
}

internal readonly record struct LookupResult(LookupStatus Status, BackendRef Backend);

/// <param name="TtlTicks">Life of an entry since its last touch.</param>
/// <param name="MaxPerShard">Entries a shard holds at most.</param>
internal sealed record StickyRules(uint TtlTicks, int MaxPerShard)
{
    /// <summary>
    /// Life of an entry that no backend has confirmed: longer than tries and a CONNACK take by default. It is taken back when its session
    /// fails; this is for those of which nothing is heard any more.
    /// </summary>
    public uint ProvisionalTicks => Math.Min(TtlTicks, 30_000 / StickyClock.TickMilliseconds);

    /// <summary>Changes that a shard keeps for its copies at most.</summary>
    public int LogOps { get; init; } = ReplicationLog.MaxOps;

    /// <summary>
    /// The hash spreads the clients evenly (over 1,024 partitions the fullest of ten million entries has 3 % more than the mean), so a
    /// bound on each shard bounds the whole without a counter that all threads share. It costs the last few percent of the cap.
    /// </summary>
    public static StickyRules From(TimeSpan ttl, int maxEntries, int shards) => new(
        (uint)Math.Clamp(ttl.TotalMilliseconds / StickyClock.TickMilliseconds, 1, 1 << 29), Math.Max(1, maxEntries / shards));
}

/// <summary>
/// The entries of one shard and what may be done to them: the rules of the map, without lock, owner or network. Every change goes to
/// the log, so that a copy which applies the log holds the same entries.
/// </summary>
internal sealed class ShardStore(int skipBits, BackendSlots slots, StickyRules rules, ReplicationLog? log = null)
{
    private uint _random = 0x9E3779B9;

    public ShardTable Table { get; private set; } = new(skipBits);

    /// <summary>Several stores may share one.</summary>
    public ReplicationLog Log { get; } = log ?? new(rules.LogOps);

    /// <summary>Entries pushed out by the cap.</summary>
    public long Evicted { get; private set; }

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

        return Assign(h, slots.FirstEligible(proposals, BackendRef.None), now, provisional);
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

        return Assign(h, slots.FirstEligible(proposals, expected), now, provisional && !force);
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
        else if (add && (Unsafe.IsNullRef(ref entry) || !IsValid(entry, now)) && slots.IsKept(backend))
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
        if (!slots.IsKept(backend))
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

        Table.Shrink();
        return 0;
    }

    private bool IsValid(in ShardEntry entry, uint now) => slots.IsKept(entry.Backend) && !IsExpired(entry, now);

    private bool IsExpired(in ShardEntry entry, uint now) =>
        now > entry.Ticks && now - entry.Ticks > (entry.IsProvisional ? rules.ProvisionalTicks : rules.TtlTicks);

    private bool IsDead(in ShardEntry entry, uint now) => slots.StateOf(entry.Backend) == SlotState.Free || IsExpired(entry, now);

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
        if (!Table.Set(h, backend, touch, state) || Table.Count <= rules.MaxPerShard || Evict(ShardTable.Key(h), state))
        {
            Log.Append(new LogOp(LogOpKind.Put, ShardTable.Key(h), backend, touch));
        }
    }

    /// <summary>A copy hears of a touch only when it moves the entry's end by a noticeable part: most reconnects cost no frame.</summary>
    private void Touch(ref ShardEntry entry, uint touch)
    {
        var step = (touch & ~ShardEntry.RefreshedBit) - entry.Ticks;
        var told = (entry.Touch ^ touch) >= ShardEntry.RefreshedBit || step > rules.TtlTicks / 32;
        entry.Touch = touch;
        if (told)
        {
            Log.Append(new LogOp(LogOpKind.Put, entry.H, entry.Backend, touch));
        }
    }

    /// <summary>
    /// Makes room for a new entry: one goes that no backend has confirmed, else the oldest of eight neighbours without a session here.
    /// Places follow the order of hashes, so neighbours are a random sample. A connected one goes for another connected one only: whoever
    /// may invent client ids must not have the entries of those who are there.
    /// </summary>
    /// <returns>False when it is the new one that goes.</returns>
    private bool Evict(ulong added, ushort state)
    {
        var isConnected = state == EntryState.Connected;
        var others = Table.Count - Table.Connected - (isConnected ? 0 : 1);
        var unconfirmed = Table.Provisional - (state == EntryState.Provisional ? 1 : 0);
        var victim = unconfirmed > 0 ? Oldest(added, EntryState.Provisional, EntryState.Provisional, Math.Min(8, unconfirmed))
            : others > 0 ? Oldest(added, EntryState.Connected, EntryState.None, Math.Min(8, others))
            : isConnected ? Oldest(added, EntryState.Connected, EntryState.Connected, 8) : -1;
        Evicted++;
        if (victim < 0)
        {
            Table.Remove(added);
            return false;
        }

        Log.Append(new LogOp(LogOpKind.Remove, Table.At(victim).H, default, 0));
        Table.RemoveAt(victim);
        return true;
    }

    /// <summary>Place of the oldest among so many of a kind, from a random place on; -1 when there is none.</summary>
    /// <param name="kind">The bits of <paramref name="mask"/> that an entry's state has.</param>
    private int Oldest(ulong except, ushort mask, ushort kind, int sample)
    {
        _random ^= _random << 13;
        _random ^= _random >> 17;
        _random ^= _random << 5;
        var i = (int)(((ulong)_random * (uint)Table.Capacity) >> 32);
        var oldest = -1;
        var ticks = uint.MaxValue;
        for (var looked = 0; looked < Table.Capacity && sample > 0; looked++, i = i + 1 == Table.Capacity ? 0 : i + 1)
        {
            ref var entry = ref Table.At(i);
            if (Unsafe.IsNullRef(ref entry) || entry.H == except || (entry.GenAndState & mask) != kind)
            {
                continue;
            }

            sample--;
            if (entry.Ticks < ticks)
            {
                ticks = entry.Ticks;
                oldest = i;
            }
        }

        return oldest;
    }
}
