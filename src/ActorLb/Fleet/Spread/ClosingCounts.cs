using System.Collections.Immutable;

namespace ActorLb.Fleet.Spread;

/// <summary>The sessions that one process has closed for one drain or rebalance.</summary>
/// <param name="Closing">See <see cref="ClosingCounts.IdOf"/>.</param>
/// <param name="Process">A random number that identifies the process.</param>
internal readonly record struct ClosedReport(long Closing, long Process, int Sessions);

/// <summary>
/// The sessions closed by drains and rebalances on all nodes. Each node sends everything it knows, and a process's highest count
/// wins, so counts of dead nodes are kept and nodes that join later learn them. Thread-safe.
/// </summary>
internal sealed class ClosingCounts(TimeProvider time)
{
    /// <summary>The most reports in one message.</summary>
    public const int MaxReports = 1024;

    /// <summary>Counts without an active order that no node has reported for this long are dropped.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly long _process = Random.Shared.NextInt64();
    private readonly Dictionary<(long Closing, long Process), (int Sessions, long HeardAt)> _known = [];
    private readonly HashSet<long> _active = [];

    /// <summary>The id of an order by its name and time, the same on all nodes.</summary>
    public static long IdOf(string name, long ordered) => (long)Balancing.KeyHash.Of(System.Text.Encoding.UTF8.GetBytes($"{name} {ordered}"));

    /// <summary>Sets the ids of the orders that this node knows.</summary>
    public void SetActive(IEnumerable<long> closings)
    {
        lock (_gate)
        {
            _active.Clear();
            _active.UnionWith(closings);
            long now = time.GetTimestamp();
            foreach (((long closing, long process), (_, long heard)) in _known)
            {
                // Removing during enumeration is allowed.
                if (!_active.Contains(closing) && time.GetElapsedTime(heard, now) > Silence) _known.Remove((closing, process));
            }
        }
    }

    /// <summary>This node has closed more sessions.</summary>
    public void Add(long closing, int sessions)
    {
        lock (_gate) _known[(closing, _process)] = (_known.GetValueOrDefault((closing, _process)).Sessions + sessions, time.GetTimestamp());
    }

    /// <summary>Sessions that all nodes have closed so far.</summary>
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
            foreach (var report in reports)
            {
                if (!_known.TryGetValue((report.Closing, report.Process), out var known) && _known.Count >= MaxReports) continue;
                _known[(report.Closing, report.Process)] = (Math.Max(known.Sessions, report.Sessions), now);
            }
        }
    }
}
