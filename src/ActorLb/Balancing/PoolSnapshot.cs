using ActorLb.Balancing.Policies;
using ActorLb.Configuration;

namespace ActorLb.Balancing;

/// <summary>A pool at one moment. Immutable; the backends' own states keep changing.</summary>
public sealed class PoolSnapshot
{
    private readonly Backend[] _backends;
    private readonly Backend[] _primaries;
    private readonly Backend[] _backups;

    internal PoolSnapshot(PoolOptions options, Backend[] backends, IBalancingPolicy policy)
    {
        Options = options;
        Policy = policy;
        _backends = backends;
        _primaries = [.. backends.Where(b => !b.Backup)];
        _backups = [.. backends.Where(b => b.Backup)];
    }

    public PoolOptions Options { get; }

    /// <summary>The policy of <c>balance</c>, or of <c>place</c> if the pool is sticky.</summary>
    public IBalancingPolicy Policy { get; }

    public bool IsSticky => Options.Balance == BalanceKind.Sticky;

    /// <summary>In the order of the configuration.</summary>
    public ReadOnlySpan<Backend> Backends => _backends;

    public ReadOnlySpan<Backend> Primaries => _primaries;

    public ReadOnlySpan<Backend> Backups => _backups;

    /// <summary>Null when no backend has this "host:port".</summary>
    public Backend? Find(string id)
    {
        foreach (var backend in _backends)
        {
            if (string.Equals(backend.Id, id, StringComparison.OrdinalIgnoreCase))
            {
                return backend;
            }
        }

        return null;
    }

    /// <summary>
    /// Fills <paramref name="into"/> with eligible backends in rendezvous order of the hash, all primaries before any backup: a
    /// placement on which nodes agree without communicating. Meant for a few entries, not for the whole of a large pool.
    /// </summary>
    /// <returns>How many were filled in.</returns>
    public int Rank(ulong hash, long now, bool newClient, Span<Backend> into)
    {
        int count = Rank(_primaries, hash, now, newClient, into);
        return count + Rank(_backups, hash, now, newClient, into[count..]);
    }

    private static int Rank(Backend[] candidates, ulong hash, long now, bool newClient, Span<Backend> into)
    {
        int count = 0;
        foreach (var backend in candidates)
        {
            if (!backend.IsEligible(now, newClient))
            {
                continue;
            }

            int place = count;
            while (place > 0 && Rendezvous.Precedes(hash, backend, into[place - 1]))
            {
                place--;
            }

            if (place < into.Length)
            {
                count = Math.Min(count + 1, into.Length);
                into[place..(count - 1)].CopyTo(into[(place + 1)..]);
                into[place] = backend;
            }
        }

        return count;
    }
}
