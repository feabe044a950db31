using System.Collections.Immutable;

namespace ActorLb.Fleet.Spread;

/// <summary>One node's report of one backend.</summary>
/// <param name="Backend">The value of a <see cref="Sticky.BackendRef"/>.</param>
/// <param name="Connections">The current number, not a change.</param>
/// <param name="IsDown">According to the node's own probes.</param>
internal readonly record struct BackendReport(uint Backend, int Connections, bool IsDown);

/// <summary>A node's connection counts and health verdicts, complete, so that a lost message does no harm.</summary>
/// <param name="Incarnation">The number of the node's fleet system; reports of earlier ones no longer count.</param>
/// <param name="Number">Increases by one with each message; an older one that arrives late is ignored.</param>
internal sealed record CountsMessage(long Incarnation, uint Number, ImmutableArray<BackendReport> Reports)
{
    /// <summary>The number of slots in the sticky map.</summary>
    public const int MaxReports = 1 << 16;

    /// <summary>
    /// Sessions closed by drains and rebalances on all nodes that the sender knows of. Earlier releases neither send nor read it.
    /// </summary>
    public ImmutableArray<ClosedReport> Closed { get; init; } = [];
}

/// <summary>The sums over the other nodes. Immutable, swapped as a whole.</summary>
/// <param name="Connections">The other live nodes' connections to each backend.</param>
/// <param name="Down">Backends that a majority of the live nodes reports as down.</param>
/// <param name="LiveNodes">Nodes that reported recently, including this one.</param>
internal sealed record FleetReport(IReadOnlyDictionary<uint, int> Connections, IReadOnlySet<uint> Down, int LiveNodes)
{
    public static readonly FleetReport Alone = new(new Dictionary<uint, int>(), new HashSet<uint>(), 1);

    public int ConnectionsOf(uint backend) => Connections.GetValueOrDefault(backend);
}

/// <summary>
/// Sums the nodes' reports. A node that is silent or no longer a member contributes neither connections nor a vote.
/// Single-threaded, except that any thread may read the report.
/// </summary>
internal sealed class FleetCounts(TimeProvider time)
{
    /// <summary>The interval between a node's messages.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(250);

    /// <summary>A node counts as silent after four missed messages.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(1);

    private readonly Dictionary<long, Heard> _heard = [];
    private ImmutableArray<BackendReport> _own = [];
    private FleetReport _report = FleetReport.Alone;

    /// <summary>Sessions closed by drains and rebalances.</summary>
    public ClosingCounts Closings { get; } = new(time);

    public FleetReport Report => Volatile.Read(ref _report);

    /// <summary>Sets this node's reports, for its own vote.</summary>
    public void SetOwn(ImmutableArray<BackendReport> reports) => _own = reports;

    public void On(CountsMessage message)
    {
        Closings.Merge(message.Closed);
        if (_heard.TryGetValue(message.Incarnation, out var known) && unchecked((int)(message.Number - known.Number)) <= 0) return;
        _heard[message.Incarnation] = new Heard(message.Number, message.Reports, time.GetTimestamp());
    }

    /// <summary>Sums the reports of these members.</summary>
    public FleetReport Sum(IReadOnlySet<long> members)
    {
        var connections = new Dictionary<uint, int>();
        var votes = new Dictionary<uint, int>();
        long now = time.GetTimestamp();
        foreach ((long incarnation, var heard) in _heard)
        {
            if (!members.Contains(incarnation) || time.GetElapsedTime(heard.At, now) > Silence)
            {
                // Removal does not disturb the enumeration.
                _heard.Remove(incarnation);
                continue;
            }
            foreach (var report in heard.Reports)
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
        foreach (var report in reports)
        {
            if (report.IsDown) votes[report.Backend] = votes.GetValueOrDefault(report.Backend) + 1;
        }
    }

    private sealed record Heard(uint Number, ImmutableArray<BackendReport> Reports, long At);
}
