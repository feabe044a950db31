namespace ActorLb.SystemTests.Fleet;

/// <summary>
/// Where clients were found, and what may send one elsewhere: a lookup whose owner and replica both kept silent for 100 ms falls back,
/// and the client's new session moves its mapping with it. That is counted by the nodes, so every move must be paid for by a fall-back,
/// and fall-backs must be rare: a fault that makes them common is a fault of the fleet.
/// </summary>
internal sealed class KnownPlaces
{
    /// <summary>Of the lookups made; a node whose share is a third of the map and that nobody stands in for would cost far more.</summary>
    private const double LargestShareOfFallbacks = 0.05;

    private readonly Dictionary<string, HashSet<int>> _places;
    private readonly TestFleet _fleet;
    private readonly Dictionary<FleetNodeProcess, double> _before;
    private int _visits;
    private int _moves;

    private KnownPlaces(TestFleet fleet, Dictionary<string, int> placed, Dictionary<FleetNodeProcess, double> before)
    {
        _fleet = fleet;
        _before = before;
        _places = placed.ToDictionary(p => p.Key, p => new HashSet<int> { p.Value }, StringComparer.Ordinal);
    }

    public static async Task<KnownPlaces> SinceNowAsync(TestFleet fleet, Dictionary<string, int> placed)
    {
        var before = new Dictionary<FleetNodeProcess, double>();
        foreach (var node in fleet.Nodes.Where(n => n.IsRunning))
            before[node] = await FallbacksAsync(node);
        return new KnownPlaces(fleet, placed, before);
    }

    /// <summary>Has a node's count begin at nothing: it was started anew.</summary>
    public void Restarted(FleetNodeProcess node) => _before[node] = 0;

    /// <summary>All clients come once; whoever is somewhere new must have a fall-back to blame.</summary>
    /// <returns>The longest that a CONNECT took.</returns>
    public async Task<TimeSpan> VisitAsync(IReadOnlyList<FleetNodeProcess> through)
    {
        var (found, longest) = await TestFleet.VisitAsync(through, _places.Keys);
        var moved = found.Where(f => _places[f.Key].Add(f.Value)).Select(f => $"{f.Key} -> {f.Value}").ToArray();
        _visits += found.Count;
        _moves += moved.Length;
        if (_moves == 0)
            return longest;
        double fallbacks = 0;
        foreach (var (node, before) in _before)
        {
            if (node.IsRunning)
                fallbacks += await FallbacksAsync(node) - before;
        }

        if (_moves > fallbacks || fallbacks > LargestShareOfFallbacks * _visits)
        {
            Assert.Fail($"{_moves} clients moved in {_visits} visits, {fallbacks} lookups fell back; of late: {string.Join(", ", moved.Take(10))}\n"
                + string.Join("\n\n", _fleet.Nodes.Where(n => n.IsRunning).Select(n => $"{n.Name}\n{n.Process.Output}")));
        }

        return longest;
    }

    /// <summary>Goes on visiting until something has come to its end, and once more.</summary>
    /// <returns>The longest that a CONNECT took.</returns>
    public async Task<TimeSpan> WatchAsync(IReadOnlyList<FleetNodeProcess> through, Task until)
    {
        var longest = TimeSpan.Zero;
        var turn = 0;
        bool ended;
        do
        {
            ended = until.IsCompleted;
            turn++;
            var took = await VisitAsync([.. through.Skip(turn % through.Count), .. through.Take(turn % through.Count)]);
            longest = took > longest ? took : longest;
        }
        while (!ended);
        await until;
        return longest;
    }

    /// <summary>What there is to tell of the moves.</summary>
    public override string ToString() => $"{_moves} of {_places.Count} clients moved in {_visits} visits";

    private static async Task<double> FallbacksAsync(FleetNodeProcess node) =>
        (await node.MetricsAsync())["actorlb_sticky_lookups_total{outcome=\"fallback\"}"];
}
