using ActorLb.Balancing;
using ActorLb.Hosting;
using ActorLb.Proxying.Routing;

namespace ActorLb.Server.Admin;

/// <summary>Clients that wait for connects-per-second, and ids that devices fight over. Who was refused for it is counted by reason
/// with the other refusals.</summary>
internal static class AdmissionMetrics
{
    public static void Write(MetricsWriter w, Node node)
    {
        w.Family("actorlb_connect_queue_length", "gauge", "Clients that wait on this node because of connects-per-second: for a backend of their own, or (backend \"any\") for whichever has room.");
        foreach (UpstreamPool pool in node.Pools)
        {
            w.Sample("actorlb_connect_queue_length", pool.Pool.Line.Count, ("pool", pool.Name), ("backend", "any"));
            foreach (Backend backend in pool.Pool.Snapshot.Backends.ToArray())
                w.Sample("actorlb_connect_queue_length", backend.Pace.Line.Count, ("pool", pool.Name), ("backend", backend.Id));
        }
        w.Single("actorlb_connect_queue_entered_total", "counter", "Times that a client began to wait because of connects-per-second.", node.Reactors.Sum(r => r.Queue.Entered));
        w.Family("actorlb_connect_rate_limit", "gauge", "CONNECTs a second that a backend gets from this node at most: its part of connects-per-second; 0 is no limit.");
        foreach (UpstreamPool pool in node.Pools)
        {
            foreach (Backend backend in pool.Pool.Snapshot.Backends.ToArray())
                w.Sample("actorlb_connect_rate_limit", backend.Pace.Share, ("pool", pool.Name), ("backend", backend.Id));
        }
        w.Single("actorlb_bans", "gauge", "Bans in force.", node.Bans.All().Length);
        w.Family("actorlb_banned_total", "counter", "Clients turned away because of a ban, by what it names.");
        w.Sample("actorlb_banned_total", node.Places.BannedAddresses, ("by", "address"));
        w.Sample("actorlb_banned_total", node.Places.BannedNames, ("by", "name"));
        w.Single("actorlb_damped_ids_total", "counter", "Times that the CONNECTs of a client id began to be refused because devices fight over it (sticky.damping).", node.Damping?.Found ?? 0);
        w.Single("actorlb_damped_connects_total", "counter", "CONNECTs refused because devices fight over their client id.", node.Damping?.Refused ?? 0);
    }
}
