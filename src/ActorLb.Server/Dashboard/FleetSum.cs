using ActorLb.Protocol.Admin;

namespace ActorLb.Server.Dashboard;

/// <summary>What is known about one node: its membership and its latest answers.</summary>
/// <param name="Age">Of the latest answer.</param>
/// <param name="Before">An older answer of the same process; null with the first one.</param>
internal sealed record NodeSample(ClusterMember Member, NodeStatistics? Newest, NodeStatistics? Before, TimeSpan? Age, string? Problem);

/// <summary>Adds up the nodes' statistics; pure, so that tests need no fleet.</summary>
internal static class FleetSum
{
    private const int MostEvents = 40;

    public static FleetNode NodeOf(NodeSample sample)
    {
        (var member, var now, var before) = (sample.Member, sample.Newest, sample.Before);
        // What a node reports about itself is newer than what the others know.
        string state = member.State == "up" && now is { State: not "ready" } ? now.State : member.State;
        return new FleetNode(
            member.Name, member.Address, member.Zone, state, member.Self, sample.Age is { } age ? Math.Round(age.TotalSeconds, 1) : null,
            sample.Problem, now?.Version, now is null ? null : Math.Round(now.Uptime), now?.Connections ?? 0, now?.Capacity ?? 0,
            Rate(now, before, s => s.Connects), Rate(now, before, s => s.Received), Rate(now, before, s => s.Sent),
            Rate(now, before, s => s.CpuSeconds), now?.Processors ?? 0, now?.Memory ?? 0, member.Shards, member.Differences, now?.Listeners ?? []);
    }

    public static FleetPool[] Pools(IReadOnlyList<NodeSample> samples)
    {
        var pools = new List<FleetPool>();
        foreach (var pool in Pairs(samples).GroupBy(p => p.Pool.Name, StringComparer.Ordinal).OrderBy(p => p.Key, StringComparer.Ordinal))
        {
            pools.Add(new FleetPool(
                pool.Key, pool.First().Pool.Balance,
                [
                    .. pool.SelectMany(p => p.Pool.Backends.Select(b => (p.Sample, Backend: b))).GroupBy(b => b.Backend.Backend, StringComparer.Ordinal)
                        .Select(backend => BackendOf(pool.Key, [.. backend])),
                ])
            {
                Rebalance = OwnOf(pool, p => p.Sample).Pool.Rebalance,
            });
        }
        return [.. pools];
    }

    public static NodeEvent[] Events(IEnumerable<NodeSample> samples) =>
    [
        .. samples.SelectMany(s => s.Newest?.Events ?? []).OrderBy(e => e.Time).ThenBy(e => e.Node, StringComparer.Ordinal).ThenBy(e => e.Number).TakeLast(MostEvents),
    ];

    public static FleetCertificate[] Certificates(IEnumerable<NodeSample> samples) =>
    [
        .. samples.SelectMany(s => (s.Newest?.Certificates ?? []).Select(c => new FleetCertificate(s.Member.Name, c, null))
            .Concat((s.Newest?.Problems ?? []).Select(p => new FleetCertificate(s.Member.Name, null, p)))),
    ];

    /// <summary>The backends' histories summed over all nodes, aligned at the newest sample.</summary>
    public static BackendHistoryInfo[] Backends(IEnumerable<NodeHistoryInfo> nodes) =>
    [
        .. nodes.SelectMany(n => n.Backends).GroupBy(b => (b.Pool, b.Backend)).Select(same =>
        {
            int length = same.Max(b => b.Connections.Length);
            int[] sum = new int[length];
            foreach (var part in same)
            {
                for (int i = 0; i < part.Connections.Length; i++) sum[length - part.Connections.Length + i] += part.Connections[i];
            }
            return new BackendHistoryInfo(same.Key.Pool, same.Key.Backend, sum);
        }),
    ];

    private static FleetBackend BackendOf(string pool, (NodeSample Sample, BackendStatistics Backend)[] all)
    {
        var own = OwnOf(all, b => b.Sample).Backend;
        long answers = all.Sum(b => b.Backend.Answers);
        double?[] rates = [.. all.Select(b => Rate(b.Sample.Newest, b.Sample.Before, s => Find(s, pool, own.Backend)?.Connects))];
        return new FleetBackend(
            own.Backend, own.Admin,
            [
                .. all.SelectMany(b => b.Backend.Blocks.Select(block => (block, b.Sample.Member.Name))).GroupBy(b => b.block, StringComparer.Ordinal)
                    .Select(b => new FleetBlock(b.Key, [.. b.Select(n => n.Name)])),
            ],
            own.Weight, own.Backup, all.Sum(b => b.Backend.Connections),
            [.. all.Select(b => new NamedCount(b.Sample.Member.Name, b.Backend.Connections))], own.Limit,
            rates.Any(r => r is not null) ? Math.Round(rates.Sum(r => r ?? 0), 1) : null,
            all.Sum(b => b.Backend.Failures), answers > 0 ? all.Sum(b => b.Backend.AnswerSeconds) / answers : null, own.Since,
            all.Select(b => b.Backend.LastError).OfType<BackendErrorInfo>().MaxBy(e => e.At), all.Max(b => b.Backend.DrainLeft),
            all.Any(b => b.Backend.DrainedFrom is not null) ? all.Sum(b => b.Backend.DrainedFrom ?? b.Backend.Connections) : null,
            all.Any(b => b.Backend.Local))
        {
            Drain = own.Drain,
            Added = own.Added,
        };
    }

    /// <summary>Where nodes differ in what they should have in common, the values of the node that answers are shown.</summary>
    private static T OwnOf<T>(IEnumerable<T> all, Func<T, NodeSample> sampleOf) => all.OrderByDescending(a => sampleOf(a).Member.Self).First();

    private static IEnumerable<(NodeSample Sample, PoolStatistics Pool)> Pairs(IEnumerable<NodeSample> samples) =>
        samples.SelectMany(s => (s.Newest?.Pools ?? []).Select(p => (s, p)));

    private static BackendStatistics? Find(NodeStatistics node, string pool, string backend) =>
        node.Pools.FirstOrDefault(p => p.Name == pool)?.Backends.FirstOrDefault(b => b.Backend == backend);

    /// <summary>Per second; null without two answers from the same process.</summary>
    private static double? Rate(NodeStatistics? now, NodeStatistics? before, Func<NodeStatistics, double?> counter)
    {
        if (now is null || before is null || now.Uptime <= before.Uptime) return null;
        return counter(now) is { } later && counter(before) is { } earlier
            ? Math.Round(Math.Max(0, later - earlier) / (now.Uptime - before.Uptime), 3) : null;
    }
}
