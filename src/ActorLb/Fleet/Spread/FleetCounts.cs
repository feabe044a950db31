using System.Collections.Immutable;

namespace ActorLb.Fleet.Spread;

/// <summary>What one node says of one backend.</summary>
/// <param name="Backend">A <see cref="Sticky.BackendRef"/> as a number.</param>
/// <param name="Connections">Absolute.</param>
/// <param name="IsDown">By the node's own probes.</param>
internal readonly record struct BackendReport(uint Backend, int Connections, bool IsDown);

/// <summary>A node's connections and verdicts, complete: a lost message costs nothing.</summary>
/// <param name="Incarnation">Of the node's fleet system: what an earlier one said counts no longer.</param>
/// <param name="Number">Rises by one with each message: an older one that comes late is left out.</param>
internal sealed record CountsMessage(long Incarnation, uint Number, ImmutableArray<BackendReport> Reports)
{
    /// <summary>As many as the sticky map has slots.</summary>
    public const int MaxReports = 1 << 16;

    /// <summary>What drains and rebalances have closed, of all nodes that the sender knows of. An earlier release neither sends nor reads it.</summary>
    public ImmutableArray<ClosedReport> Closed { get; init; } = [];
}

/// <summary>What the rest of the fleet says of the backends: immutable, swapped as a whole.</summary>
/// <param name="Connections">By backend: connections of the other live nodes.</param>
/// <param name="Down">Backends that a majority of the live nodes calls down.</param>
/// <param name="LiveNodes">Nodes heard of lately, this one included.</param>
internal sealed record FleetReport(IReadOnlyDictionary<uint, int> Connections, IReadOnlySet<uint> Down, int LiveNodes)
{
    public static readonly FleetReport Alone = new(new Dictionary<uint, int>(), new HashSet<uint>(), 1);

    public int ConnectionsOf(uint backend) => Connections.GetValueOrDefault(backend);
}

/// <summary>
/// Adds up what the nodes say. A node that falls silent, or is no member any more, has no connections and no vote. One owner; the report may be
/// read by any thread.
/// </summary>
internal sealed class FleetCounts(TimeProvider time)
{
    /// <summary>Every node speaks so often.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(250);

    /// <summary>Four missed messages.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(1);

    private readonly Dictionary<long, Heard> _heard = [];
    private ImmutableArray<BackendReport> _own = [];
    private FleetReport _report = FleetReport.Alone;

    /// <summary>The sessions that drains and rebalances have closed.</summary>
    public ClosingCounts Closings { get; } = new(time);

    public FleetReport Report => Volatile.Read(ref _report);

    /// <summary>This node's reports, for its own vote.</summary>
    public void SetOwn(ImmutableArray<BackendReport> reports) => _own = reports;

    public void On(CountsMessage message)
    {
        Closings.Merge(message.Closed);
        if (_heard.TryGetValue(message.Incarnation, out Heard? known) && unchecked((int)(message.Number - known.Number)) <= 0) return;
        _heard[message.Incarnation] = new Heard(message.Number, message.Reports, time.GetTimestamp());
    }

    /// <summary>Only these members count.</summary>
    public FleetReport Sum(IReadOnlySet<long> members)
    {
        var connections = new Dictionary<uint, int>();
        var votes = new Dictionary<uint, int>();
        long now = time.GetTimestamp();
        foreach ((long incarnation, Heard heard) in _heard)
        {
            if (!members.Contains(incarnation) || time.GetElapsedTime(heard.At, now) > Silence)
            {
                // Removal does not disturb the enumeration.
                _heard.Remove(incarnation);
                continue;
            }
            foreach (BackendReport report in heard.Reports)
            {
                connections[report.Backend] = connections.GetValueOrDefault(report.Backend) + Math.Clamp(report.Connections, 0, int.MaxValue / 1024);
            }
            Vote(votes, heard.Reports);
        }
        Vote(votes, _own);
        int live = _heard.Count + 1;
        var sum = new FleetReport(connections, votes.Where(v => v.Value * 2 > live).Select(v => v.Key).ToHashSet(), live);
        Volatile.Write(ref _report, sum);
        return sum;
    }

    private static void Vote(Dictionary<uint, int> votes, ImmutableArray<BackendReport> reports)
    {
        foreach (BackendReport report in reports)
        {
            if (report.IsDown) votes[report.Backend] = votes.GetValueOrDefault(report.Backend) + 1;
        }
    }

    private sealed record Heard(uint Number, ImmutableArray<BackendReport> Reports, long At);
}
