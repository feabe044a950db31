using System.Collections.Immutable;
using ActorLb.Balancing;
using ActorLb.Sticky;

namespace ActorLb.Fleet.Spread;

/// <summary>The fleet's state of a backend at one moment.</summary>
/// <param name="Reference">The backend's reference in the sticky map.</param>
/// <param name="State">Null if the backend was removed.</param>
/// <param name="Weight">The operator's weight; null for the configured one.</param>
/// <param name="DrainLeft">Time until a drain ends, from the moment of this snapshot; null without a deadline.</param>
/// <param name="IsDrainOver">The backend is down because the deadline of its drain has passed.</param>
/// <param name="IsLocal">Changed on this node and not yet confirmed by the fleet.</param>
/// <param name="Pacing">The pace at which a drain closes sessions; null if it closes none.</param>
internal sealed record SpreadBackend(
    BackendKey Key, BackendRef Reference, AdminState? State, int? Weight, TimeSpan? DrainLeft, bool IsDrainOver, bool IsLocal, PacedDrain? Pacing);

/// <summary>
/// Slots, generations and operators' changes of all backends, as this node knows them. It lives as long as the process: a change
/// applies here at once, in a fleet or detached, and the fleet's state is merged in, newest stamp first. Thread-safe.
/// </summary>
internal sealed class BackendRegistry(SpreadClock clock, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<BackendKey, (BackendRecord Record, long Stamp)> _records = [];
    private readonly HashSet<BackendKey> _wanted = [];

    // Stamps of changes made here that the fleet has not confirmed yet.
    private readonly Dictionary<BackendKey, long> _unconfirmed = [];

    // Drains with a deadline: the order's stamp, and when this node learned of it.
    private readonly Dictionary<BackendKey, (long Ordered, long Since)> _drains = [];

    /// <summary>Sets the backends of this node's pools. Creates missing records, and restores removed ones.</summary>
    /// <returns>Whether a record was added or changed.</returns>
    public bool Want(IEnumerable<BackendKey> keys)
    {
        lock (_gate)
        {
            _wanted.Clear();
            _wanted.UnionWith(keys);
            return Settle();
        }
    }

    /// <summary>Applies an operator's change on this node at once.</summary>
    /// <returns>The new record; null if the backend is unknown.</returns>
    public BackendRecord? Change(BackendKey key, Func<BackendRecord, long, BackendRecord> change)
    {
        lock (_gate)
        {
            if (!_records.TryGetValue(key, out var known)) return null;
            long stamp = clock.Next();
            var changed = change(known.Record, stamp);
            if (changed.State is not (AdminState.Drain or AdminState.Down)) changed = changed with { Deadline = null };
            if (changed.State != AdminState.Drain) changed = changed with { Pacing = null };
            Put(key, changed, stamp);
            return changed;
        }
    }

    /// <summary>
    /// Merges what another node, an earlier run or the fleet's store knows. Invalid names and values are ignored.
    /// </summary>
    /// <returns>Whether anything changed.</returns>
    public bool Merge(Registers registers)
    {
        lock (_gate)
        {
            bool changed = false;
            foreach ((string name, var register) in registers.Items)
            {
                clock.Saw(register.Stamp);
                if (BackendKey.TryParse(name) is not { } key || BackendRecord.TryDecode(register.Value.Span) is not { } record) continue;
                if (_records.TryGetValue(key, out var known))
                {
                    if (!register.Supersedes(new Register(known.Stamp, known.Record.Encode()))) continue;
                    if (_unconfirmed.TryGetValue(key, out long mine) && mine < register.Stamp) _unconfirmed.Remove(key);
                }
                _records[key] = (record, register.Stamp);
                changed = true;
            }
            return changed | Settle();
        }
    }

    public Registers ToRegisters()
    {
        lock (_gate)
        {
            var all = Registers.Empty;
            foreach ((var key, (var record, long stamp)) in _records) all = all.With(key.Name, new Register(stamp, record.Encode()));
            return all;
        }
    }

    /// <summary>The fleet has confirmed everything in <paramref name="written"/>.</summary>
    public bool Confirm(Registers written)
    {
        lock (_gate)
        {
            bool any = false;
            foreach (var key in _unconfirmed.Keys.ToArray())
            {
                if (written.Items.TryGetValue(key.Name, out var register) && register.Stamp >= _unconfirmed[key]) any |= _unconfirmed.Remove(key);
            }
            return any;
        }
    }

    public bool HasUnconfirmed
    {
        get
        {
            lock (_gate) return _unconfirmed.Count > 0;
        }
    }

    /// <summary>
    /// Takes down backends whose drain's deadline has passed. Each node does so by itself, with the same result.
    /// </summary>
    public bool EndDrains()
    {
        lock (_gate)
        {
            bool any = false;
            foreach ((var key, (var record, _)) in _records.ToArray())
            {
                if (DrainLeft(key, record) is not { } left || left > TimeSpan.Zero) continue;
                Put(key, record with { State = AdminState.Down, Pacing = null }, clock.Next());
                any = true;
            }
            return any;
        }
    }

    public ImmutableArray<SpreadBackend> Snapshot()
    {
        lock (_gate)
        {
            return
            [
                .. _records.Select(r => new SpreadBackend(
                    r.Key, r.Value.Record.Reference, r.Value.Record.State, r.Value.Record.Weight, DrainLeft(r.Key, r.Value.Record),
                    r.Value.Record is { State: AdminState.Down, Deadline: not null }, _unconfirmed.ContainsKey(r.Key), r.Value.Record.Pacing)),
            ];
        }
    }

    /// <summary>
    /// Ensures that every wanted backend has a record and is not removed, and that no two share a slot. Under the lock.
    /// </summary>
    private bool Settle()
    {
        bool changed = false;
        foreach (var key in _wanted.Order(Comparer<BackendKey>.Create(static (a, b) => string.CompareOrdinal(a.Name, b.Name))))
        {
            if (!_records.TryGetValue(key, out var known))
            {
                _records[key] = (BackendRecord.Default(key), BackendRecord.DefaultStamp);
                changed = true;
            }
            else if (known.Record.State is null)
            {
                Put(key, known.Record.WithNextGeneration() with { State = AdminState.Up }, clock.Next());
                changed = true;
            }
        }
        return changed | Separate();
    }

    /// <summary>Resolves shared slots: the first backend by name keeps it. Under the lock.</summary>
    private bool Separate()
    {
        var taken = new Dictionary<ushort, BackendKey>();
        List<BackendKey>? moving = null;
        foreach ((var key, (var record, _)) in _records)
        {
            ushort slot = record.Reference.Slot;
            if (!taken.TryGetValue(slot, out var other))
            {
                taken[slot] = key;
                continue;
            }
            bool first = string.CompareOrdinal(key.Name, other.Name) < 0;
            if (first) taken[slot] = key;
            (moving ??= []).Add(first ? other : key);
        }
        if (moving is null || taken.Count > ushort.MaxValue) return false;
        foreach (var key in moving.OrderBy(k => k.Name, StringComparer.Ordinal))
        {
            (var record, long stamp) = _records[key];
            ushort slot = record.Reference.Slot;
            while (taken.ContainsKey(slot)) slot++;
            taken[slot] = key;
            // The stamp increases by only one: every node that sees the collision writes the same record, and an operator's next
            // change still supersedes it.
            _records[key] = (record with { Reference = record.Reference with { Slot = slot } }, stamp + 1);
            clock.Saw(stamp + 1);
        }
        return true;
    }

    private void Put(BackendKey key, BackendRecord record, long stamp)
    {
        _records[key] = (record, stamp);
        _unconfirmed[key] = stamp;
    }

    private TimeSpan? DrainLeft(BackendKey key, BackendRecord record)
    {
        if (record is not { State: AdminState.Drain, Deadline: { } deadline })
        {
            _drains.Remove(key);
            return null;
        }
        if (record.Pacing is { IsPaused: true })
        {
            // Counting restarts when the drain is resumed.
            _drains.Remove(key);
            return TimeSpan.FromSeconds(deadline.Seconds);
        }
        long now = time.GetTimestamp();
        if (!_drains.TryGetValue(key, out var known) || known.Ordered != deadline.Ordered) _drains[key] = known = (deadline.Ordered, now);
        var left = TimeSpan.FromSeconds(deadline.Seconds) - time.GetElapsedTime(known.Since, now);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
