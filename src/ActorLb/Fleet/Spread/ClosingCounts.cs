using System.Collections.Immutable;

namespace ActorLb.Fleet.Spread;

/// <summary>How many sessions one process has closed for one drain or rebalance.</summary>
/// <param name="Closing">See <see cref="ClosingCounts.IdOf"/>.</param>
/// <param name="Process">A number that a process takes for itself when it starts.</param>
internal readonly record struct ClosedReport(long Closing, long Process, int Sessions);

/// <summary>
/// The sessions that drains and rebalances have closed, of all nodes: each tells the others all that it knows, the highest number of a process
/// counts. So those of a node that has died are not forgotten, and who joins later hears of them. Any thread.
/// </summary>
internal sealed class ClosingCounts(TimeProvider time)
{
    /// <summary>Reports in one message.</summary>
    public const int MaxReports = 1024;

    /// <summary>What this node has no order for, and nobody speaks of any more, is forgotten.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly long _process = Random.Shared.NextInt64();
    private readonly Dictionary<(long Closing, long Process), (int Sessions, long HeardAt)> _known = [];
    private readonly HashSet<long> _active = [];

    /// <summary>Of the order of this name that was given at that time: all nodes call it so.</summary>
    public static long IdOf(string name, long ordered) => (long)Balancing.KeyHash.Of(System.Text.Encoding.UTF8.GetBytes($"{name} {ordered}"));

    /// <summary>The orders that this node knows of.</summary>
    public void SetActive(IEnumerable<long> closings)
    {
        lock (_gate)
        {
            _active.Clear();
            _active.UnionWith(closings);
            long now = time.GetTimestamp();
            foreach (((long closing, long process), (_, long heard)) in _known)
            {
                // Removal does not disturb the enumeration.
                if (!_active.Contains(closing) && time.GetElapsedTime(heard, now) > Silence) _known.Remove((closing, process));
            }
        }
    }

    /// <summary>This node has closed some more.</summary>
    public void Add(long closing, int sessions)
    {
        lock (_gate) _known[(closing, _process)] = (_known.GetValueOrDefault((closing, _process)).Sessions + sessions, time.GetTimestamp());
    }

    /// <summary>Sessions closed so far, by all nodes.</summary>
    public int Of(long closing)
    {
        lock (_gate) return _known.Where(k => k.Key.Closing == closing).Sum(k => k.Value.Sessions);
    }

    public ImmutableArray<ClosedReport> ToReports()
    {
        lock (_gate)
        {
            return _known.Count == 0 ? [] :
            [
                .. _known.Where(k => _active.Contains(k.Key.Closing)).Take(MaxReports)
                    .Select(k => new ClosedReport(k.Key.Closing, k.Key.Process, k.Value.Sessions)),
            ];
        }
    }

    public void Merge(ImmutableArray<ClosedReport> reports)
    {
        if (reports.IsEmpty) return;
        lock (_gate)
        {
            long now = time.GetTimestamp();
            foreach (ClosedReport report in reports)
            {
                if (!_known.TryGetValue((report.Closing, report.Process), out var known) && _known.Count >= MaxReports) continue;
                _known[(report.Closing, report.Process)] = (Math.Max(known.Sessions, report.Sessions), now);
            }
        }
    }
}
