using ActorLb.Balancing;
using ActorLb.Hosting;
using ActorLb.Operations;
using ActorLb.Proxying.Routing;

namespace ActorLb.Server.Admin;

/// <summary>Drains and rebalances at a rate, of the fleet as this node knows: every node says the same, so they are not to be added up.</summary>
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
        Each(w, "actorlb_drain", "the drain of the backend at a rate", [.. drains.Select(d => (Labels(d), d.Progress))]);
        Each(w, "actorlb_rebalance", "the pool's rebalance",
        [
            .. from pool in node.Pools
               where node.ProgressOf(pool.Pool) is not null
               select (new[] { ("pool", pool.Name) }, node.ProgressOf(pool.Pool)!),
        ]);
    }

    private static void Each(MetricsWriter w, string name, string what, ((string Name, string Value)[] Labels, ClosingProgress Progress)[] all)
    {
        w.Family($"{name}_state", "gauge", $"1 for the state that {what} is in.");
        foreach (var (labels, progress) in all)
        {
            foreach (string state in States) w.Sample($"{name}_state", progress.State == state ? 1 : 0, [.. labels, ("state", state)]);
        }
        Gauge("rate", $"Sessions a second that {what} asks for, over the fleet.", p => p.Rate);
        Gauge("closed_sessions", $"Sessions that {what} has closed so far, over the fleet.", p => p.Closed);
        Gauge("left_sessions", $"Sessions that {what} has still to close, over the fleet.", p => p.Left);

        void Gauge(string suffix, string help, Func<ClosingProgress, double> value)
        {
            w.Family($"{name}_{suffix}", "gauge", help);
            foreach (var (labels, progress) in all) w.Sample($"{name}_{suffix}", value(progress), labels);
        }
    }
}
