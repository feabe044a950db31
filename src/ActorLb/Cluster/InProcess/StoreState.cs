using System.Collections.Immutable;

namespace ActorLb.Cluster.InProcess;

/// <summary>
/// What a store holds and how it changes: keys with revisions, leases with ends, and the history that a watch resumes from. Pure: the
/// caller brings the time and the lock. Revisions begin at 1 as etcd's do, so the first write has revision 2.
/// </summary>
/// <param name="firstLease">Leases of two lives of a store must not share numbers.</param>
internal sealed class StoreState(long firstLease = 1)
{
    private const int MaxHistory = 10_000;

    private readonly SortedDictionary<string, StoreEntry> _entries = new(StringComparer.Ordinal);
    private readonly SortedDictionary<long, Lease> _leases = [];
    private readonly Queue<(long Revision, ImmutableArray<StoreEvent> Events)> _history = new();
    private long _nextLease = firstLease;

    /// <summary>Hears every change, in order.</summary>
    public Action<long, ImmutableArray<StoreEvent>>? Changed { get; set; }

    public long Revision { get; private set; } = 1;

    /// <summary>Changes up to this revision are forgotten.</summary>
    public long Compacted { get; private set; } = 1;

    public long Grant(TimeSpan ttl, long now)
    {
        var id = _nextLease++;
        _leases[id] = new Lease((long)ttl.TotalMilliseconds, now + (long)ttl.TotalMilliseconds, []);
        return id;
    }

    public bool KeepAlive(long lease, long now)
    {
        if (!_leases.TryGetValue(lease, out var held))
        {
            return false;
        }

        _leases[lease] = held with { End = now + held.Ttl };
        return true;
    }

    public bool Revoke(long lease)
    {
        if (!_leases.Remove(lease, out var held))
        {
            return false;
        }

        Write([.. held.Keys.Order(StringComparer.Ordinal).Select(StoreWrite.Delete)]);
        return true;
    }

    /// <summary>Every lease begins its life anew: what etcd does when a new leader takes over.</summary>
    public void ExtendLeases(long now)
    {
        foreach (var (id, lease) in _leases.ToArray())
        {
            _leases[id] = lease with { End = now + lease.Ttl };
        }
    }

    /// <summary>Revokes every lease whose time is over.</summary>
    public void Expire(long now)
    {
        List<long>? over = null;
        foreach (var (id, lease) in _leases)
        {
            if (lease.End <= now)
            {
                (over ??= []).Add(id);
            }
        }

        over?.ForEach(id => Revoke(id));
    }

    /// <summary>When the next lease ends, or null.</summary>
    public long? NextEnd => _leases.Count == 0 ? null : _leases.Values.Min(l => l.End);

    public StoreRange Range(string prefix) => new(
        Revision, [.. _entries.Values.Where(e => e.Key.StartsWith(prefix, StringComparison.Ordinal))]);

    public StoreCommit Commit(StoreTransaction transaction)
    {
        if (transaction.If.Length > StoreTransaction.MaxOperations || transaction.Then.Length > StoreTransaction.MaxOperations)
        {
            throw new ArgumentException($"More than {StoreTransaction.MaxOperations} operations in a transaction.", nameof(transaction));
        }

        if (transaction.Then.DistinctBy(w => w.Key).Count() != transaction.Then.Length)
        {
            throw new ArgumentException("A key is written twice in one transaction.", nameof(transaction));
        }

        if (!transaction.If.All(Holds) || transaction.Then.Any(w => w.Value is not null && w.Lease != 0 && !_leases.ContainsKey(w.Lease)))
        {
            return new StoreCommit(false, Revision);
        }

        Write(transaction.Then);
        return new StoreCommit(true, Revision);
    }

    /// <summary>Changes since a revision, inclusive; null when they are compacted away.</summary>
    public List<(long Revision, ImmutableArray<StoreEvent> Events)>? Since(long revision) =>
        revision <= Compacted ? null : [.. _history.Where(h => h.Revision >= revision)];

    /// <summary>Forgets the changes up to a revision.</summary>
    public void Compact(long revision)
    {
        Compacted = Math.Max(Compacted, Math.Min(revision, Revision));
        while (_history.Count > 0 && _history.Peek().Revision <= Compacted)
        {
            _history.Dequeue();
        }
    }

    private bool Holds(StoreCompare compare)
    {
        var entry = _entries.GetValueOrDefault(compare.Key);
        return compare.Target switch
        {
            CompareTarget.CreateRevision => (entry?.CreateRevision ?? 0) == compare.Revision,
            CompareTarget.ModRevision => (entry?.ModRevision ?? 0) == compare.Revision,
            _ => entry is not null && entry.Value.Span.SequenceEqual(compare.Value.Span),
        };
    }

    private void Write(ImmutableArray<StoreWrite> writes)
    {
        var events = ImmutableArray.CreateBuilder<StoreEvent>();
        foreach (var write in writes)
        {
            var old = _entries.GetValueOrDefault(write.Key);
            if (old is null && write.Value is null)
            {
                continue;
            }

            if (old is { Lease: not 0 } && _leases.TryGetValue(old.Lease, out var left))
            {
                left.Keys.Remove(write.Key);
            }

            var revision = Revision + 1;
            if (write.Value is { } value)
            {
                var entry = new StoreEntry(write.Key, value.ToArray(), old?.CreateRevision ?? revision, revision, write.Lease);
                _entries[write.Key] = entry;
                if (write.Lease != 0)
                {
                    _leases[write.Lease].Keys.Add(write.Key);
                }

                events.Add(new StoreEvent(false, entry));
            }
            else
            {
                _entries.Remove(write.Key);
                events.Add(new StoreEvent(true, new StoreEntry(write.Key, default, 0, revision, 0)));
            }
        }

        if (events.Count == 0)
        {
            return;
        }

        Revision++;
        var all = events.ToImmutable();
        _history.Enqueue((Revision, all));
        if (_history.Count > MaxHistory)
        {
            Compact(_history.Peek().Revision);
        }

        Changed?.Invoke(Revision, all);
    }

    private sealed record Lease(long Ttl, long End, HashSet<string> Keys);
}
