using ActorLb.Balancing;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Proxying.Routing;

namespace ActorLb.Server.Admin;

/// <summary>Drains and rebalances with a rate, for the whole fleet as this node knows it: every node reports the same, so do not sum
/// them.</summary>
internal static class ClosingMetrics
{
    private static readonly string[] States = ["running", "waiting", "paused", "done"];

    public static void Write(MetricsWriter w, Node node)
    {
        (UpstreamPool Pool, Backend Backend, ClosingProgress Progress)[] drains =
        [
            .. from pool in node.Pools
               from backend in pool.Pool.Snapshot.Backends.ToArray()
               where node.ProgressOf(pool.Pool, backend) is not null
               select (pool, backend, node.ProgressOf(pool.Pool, backend)!),
        ];
        (string Name, string Value)[] Labels((UpstreamPool Pool, Backend Backend, ClosingProgress) d) => [("pool", d.Pool.Name), ("backend", d.Backend.Id)];
        Each(w, "actorlb_drain", "the backend's drain", [.. drains.Select(d => (Labels(d), d.Progress))]);
        Each(w, "actorlb_rebalance", "the pool's rebalance",
        [
            .. from pool in node.Pools
               where node.ProgressOf(pool.Pool) is not null
               select (new[] { ("pool", pool.Name) }, node.ProgressOf(pool.Pool)!),
        ]);
    }

    private static void Each(MetricsWriter w, string name, string what, ((string Name, string Value)[] Labels, ClosingProgress Progress)[] all)
    {
        w.Family($"{name}_state", "gauge", $"1 for the state of {what}.");
        foreach (var (labels, progress) in all)
        {
            foreach (string state in States) w.Sample($"{name}_state", progress.State == state ? 1 : 0, [.. labels, ("state", state)]);
        }
        Gauge("rate", $"Rate of {what} in sessions per second, over the whole fleet.", p => p.Rate);
        Gauge("closed_sessions", $"Sessions closed so far by {what}, over the whole fleet.", p => p.Closed);
        Gauge("left_sessions", $"Sessions still to be closed by {what}, over the whole fleet.", p => p.Left);

        void Gauge(string suffix, string help, Func<ClosingProgress, double> value)
        {
            w.Family($"{name}_{suffix}", "gauge", help);
            foreach (var (labels, progress) in all) w.Sample($"{name}_{suffix}", value(progress), labels);
        }
    }
}
