using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace ActorLb.Cluster;

/// <param name="Id">Host and port as configured or discovered.</param>
internal readonly record struct BackendKey(string Pool, string Id)
{
    public string StoreKey => StoreKeys.Backend(Pool, Id);
}

/// <summary>
/// Gives every backend its slot and generation, and keeps what operators did to it. The first node that wants a backend writes its
/// record; a slot is claimed by a key of its own, so no two backends ever share one. A backend's first choice of slot comes from its
/// name: nodes that cannot reach the store still agree. After the store was wiped the nodes write back what they know.
/// </summary>
internal sealed class BackendRegistry(StoreView view, StoreCalls calls, List<ClusterEffect> effects)
{
    public const string Up = "up";
    public const string Drain = "drain";
    public const string Down = "down";
    public const string Removed = "removed";

    private const string Slots = "slots/";
    private const long EndAgain = 1000;

    private readonly StoreErrand _errand = new();
    private readonly Dictionary<BackendKey, string> _wanted = [];
    private readonly Dictionary<BackendKey, BackendRecord> _records = [];
    private readonly Dictionary<BackendKey, long> _writtenAt = [];

    // Drains with a deadline: which order it is, and since when this node knows of it.
    private readonly Dictionary<BackendKey, (uint Ordered, long Since)> _drains = [];
    private bool _settled;

    /// <summary>What is known of every backend, of other nodes' too. Revision 0 is this node's guess until the store has a record.</summary>
    public IReadOnlyDictionary<BackendKey, BackendRecord> Records => _records;

    /// <summary>The backends of this node's pools.</summary>
    public void Want(IEnumerable<(BackendKey Key, string Address)> backends)
    {
        _wanted.Clear();
        foreach (var (key, address) in backends)
        {
            _wanted[key] = address;
            if (!_records.ContainsKey(key))
            {
                _records[key] = new BackendRecord(FreeSlot(key), 1, address, null, Up, 0);
            }
        }

        _settled = false;
        effects.Add(new BackendsChanged());
    }

    /// <summary>Keys below <c>backends/</c> changed in the view.</summary>
    public void OnChanged()
    {
        var changed = false;
        foreach (var entry in view.Below(StoreKeys.Backends))
        {
            var at = entry.Key.IndexOf('/', StoreKeys.Backends.Length);
            if (at < 0 || StoreJson.ReadBackend(entry.Value.Span) is not { Gen: > 0 } record)
            {
                continue;
            }

            var key = new BackendKey(entry.Key[StoreKeys.Backends.Length..at], entry.Key[(at + 1)..]);
            if (!_records.TryGetValue(key, out var known) || (record != known && record.Revision >= known.Revision))
            {
                _records[key] = record;
                changed = true;
            }
        }

        _settled = false;
        if (changed)
        {
            effects.Add(new BackendsChanged());
        }
    }

    /// <summary>Writes one record that the store lacks, if there is one.</summary>
    public void Reconcile(long now)
    {
        EndDrains(now);
        if (_settled || !view.IsCurrent || !_errand.IsDue(now))
        {
            return;
        }

        var waiting = false;
        foreach (var (key, record) in _records)
        {
            // Written, and the watch has not shown it yet.
            if (_writtenAt.TryGetValue(key, out var at) && now - at < 500)
            {
                waiting = true;
                continue;
            }

            var stored = view.Entry(key.StoreKey);
            var storedRecord = stored is null ? null : StoreJson.ReadBackend(stored.Value.Span);
            var returns = storedRecord?.State == Removed && _wanted.ContainsKey(key) && record.State == Removed;
            if (storedRecord is not null && storedRecord.Revision >= record.Revision && !returns)
            {
                continue;
            }

            if (record.Revision == 0 && !_wanted.ContainsKey(key))
            {
                continue;
            }

            Write(key, record, stored, returns, now);
            return;
        }

        _settled = !waiting;
    }

    /// <summary>An operator's change: it holds on all nodes once the store has it.</summary>
    public void Change(BackendKey key, Func<BackendRecord, BackendRecord> change, Action<string?> done)
    {
        var entry = view.Entry(key.StoreKey);
        if (entry is null || StoreJson.ReadBackend(entry.Value.Span) is not { } record)
        {
            done($"the cluster store has no backend {key.Id} of pool {key.Pool}");
            return;
        }

        var changed = change(record) with { Revision = record.Revision + 1 };
        if (changed.State != Drain)
        {
            changed = changed with { Deadline = null };
        }

        var put = StoreWrite.Put(key.StoreKey, StoreJson.Write(changed));
        calls.Issue(
            StoreCallKind.Commit, 0, new StoreTransaction([StoreCompare.Unchanged(key.StoreKey, entry.ModRevision)], [put]),
            reply =>
            {
                if (reply.IsOk && reply.Commit.Succeeded)
                {
                    effects.Add(new Announce(
                        ClusterEventKind.BackendChanged,
                        $"backend {key.Id} of pool {key.Pool}: {changed.State}, generation {changed.Gen}"
                        + (changed.Deadline is { } deadline ? $" and down after {deadline.Seconds} s" : "")
                        + (changed.Weight is { } weight ? $", weight {weight}" : "")));
                }

                done(!reply.IsOk ? $"the cluster store fails ({reply.Error}): {reply.Detail}"
                    : reply.Commit.Succeeded ? null : "the backend changed meanwhile; try again");
            });
    }

    /// <summary>A record in the wished state.</summary>
    /// <param name="deadline">Seconds after which a drain becomes down; null for never.</param>
    public static BackendRecord InState(BackendRecord record, string state, uint? deadline) => record with
    {
        State = state, Deadline = state == Drain && deadline is { } seconds ? new DrainDeadline(seconds, record.Revision + 1) : null,
    };

    /// <summary>After what time a backend's drain becomes down; null for never. Not below 0.</summary>
    public TimeSpan? DrainLeft(BackendKey key, long now)
    {
        if (!_records.TryGetValue(key, out var record) || record is not { State: Drain, Deadline: { } deadline })
        {
            return null;
        }

        var since = _drains.TryGetValue(key, out var known) && known.Ordered == deadline.Ordered ? known.Since : now;
        return TimeSpan.FromMilliseconds(Math.Max(0, since + (deadline.Seconds * 1000L) - now));
    }

    /// <summary>The next generation: 0 is never given out, and the sticky map's entries have 14 bits for it.</summary>
    public static ushort NextGen(ushort gen) => gen >= 0x3FFF ? (ushort)1 : (ushort)(gen + 1);

    /// <summary>A drain whose deadline has passed becomes down. The first node that counts to the end writes it, the others read it.</summary>
    private void EndDrains(long now)
    {
        foreach (var (key, record) in _records)
        {
            if (record is not { State: Drain, Deadline: { } deadline })
            {
                _drains.Remove(key);
                continue;
            }

            if (!_drains.TryGetValue(key, out var known) || known.Ordered != deadline.Ordered)
            {
                _drains[key] = (deadline.Ordered, now);
            }

            if (DrainLeft(key, now) > TimeSpan.Zero || !view.IsCurrent || view.Entry(key.StoreKey) is not { } entry
                || StoreJson.ReadBackend(entry.Value.Span) != record)
            {
                continue;
            }

            // Should it not be written: again soon.
            _drains[key] = (deadline.Ordered, now - (deadline.Seconds * 1000L) + EndAgain);
            Change(key, r => InState(r, Down, null), _ => { });
        }
    }

    private static string SlotKey(ushort slot) => Slots + slot.ToString(CultureInfo.InvariantCulture);

    private void Write(BackendKey key, BackendRecord record, StoreEntry? stored, bool returns, long now)
    {
        var name = Encoding.UTF8.GetBytes(key.Pool + "/" + key.Id);
        var claim = view.Entry(SlotKey(record.Slot));
        var conditions = ImmutableArray.CreateBuilder<StoreCompare>();
        var writes = ImmutableArray.CreateBuilder<StoreWrite>();
        conditions.Add(stored is null ? StoreCompare.Absent(key.StoreKey) : StoreCompare.Unchanged(key.StoreKey, stored.ModRevision));
        if (claim is not null && !claim.Value.Span.SequenceEqual(name))
        {
            // Another backend has the slot: this one begins anew elsewhere.
            record = record with { Slot = FreeSlot(key), Gen = 1 };
            claim = null;
        }

        if (claim is null)
        {
            conditions.Add(StoreCompare.Absent(SlotKey(record.Slot)));
            writes.Add(StoreWrite.Put(SlotKey(record.Slot), name));
        }

        if (returns)
        {
            record = record with { State = Up, Gen = NextGen(record.Gen), Revision = record.Revision + 1, Address = _wanted[key] };
        }

        record = record with { Revision = Math.Max(1, record.Revision) };
        writes.Add(StoreWrite.Put(key.StoreKey, StoreJson.Write(record)));
        calls.Issue(_errand, now, StoreCallKind.Commit, 0, new StoreTransaction(conditions.ToImmutable(), writes.ToImmutable()), (reply, then) =>
        {
            // The watch brings what was written, or what stood in the way.
            _errand.NotBefore = reply.IsOk && reply.Commit.Succeeded ? 0 : then + 100;
            if (reply.IsOk && reply.Commit.Succeeded)
            {
                _writtenAt[key] = then;
                var changed = _records[key] != record;
                _records[key] = record;
                if (changed)
                {
                    effects.Add(new BackendsChanged());
                }
            }
        });
    }

    private ushort FreeSlot(BackendKey key)
    {
        var taken = _records.Where(r => r.Key != key).Select(r => r.Value.Slot).ToHashSet();
        foreach (var claim in view.Below(Slots))
        {
            if (ushort.TryParse(claim.Key.AsSpan(Slots.Length), CultureInfo.InvariantCulture, out var slot)
                && Encoding.UTF8.GetString(claim.Value.Span) != key.Pool + "/" + key.Id)
            {
                taken.Add(slot);
            }
        }

        var choice = (ushort)Rendezvous.NumberOf(key.Pool + "/" + key.Id);
        while (taken.Contains(choice) && taken.Count <= ushort.MaxValue)
        {
            choice++;
        }

        return choice;
    }
}
