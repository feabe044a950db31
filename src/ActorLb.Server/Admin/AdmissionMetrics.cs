using ActorLb.Balancing;
using ActorLb.Hosting;
using ActorLb.Proxying.Routing;

namespace ActorLb.Server.Admin;

/// <summary>Clients waiting because of connects-per-second, and client ids that several devices fight over. Refusals are counted by reason
/// with the others.</summary>
internal static class AdmissionMetrics
{
    public static void Write(MetricsWriter w, Node node)
    {
        w.Family("actorlb_connect_queue_length", "gauge", "Clients waiting on this node because of connects-per-second: for their own backend, or (backend \"any\") for the first one with room.");
        foreach (var pool in node.Pools)
        {
            w.Sample("actorlb_connect_queue_length", pool.Pool.Line.Count, ("pool", pool.Name), ("backend", "any"));
            foreach (var backend in pool.Pool.Snapshot.Backends.ToArray())
                w.Sample("actorlb_connect_queue_length", backend.Pace.Line.Count, ("pool", pool.Name), ("backend", backend.Id));
        }
        w.Single("actorlb_connect_queue_entered_total", "counter", "Times a client began to wait because of connects-per-second.", node.Reactors.Sum(r => r.Queue.Entered));
        w.Family("actorlb_connect_rate_limit", "gauge", "Maximum CONNECTs per second from this node to the backend: its share of connects-per-second; 0 is no limit.");
        foreach (var pool in node.Pools)
        {
            foreach (var backend in pool.Pool.Snapshot.Backends.ToArray())
                w.Sample("actorlb_connect_rate_limit", backend.Pace.Share, ("pool", pool.Name), ("backend", backend.Id));
        }
        w.Single("actorlb_bans", "gauge", "Bans in force.", node.Bans.All().Length);
        w.Family("actorlb_banned_total", "counter", "Clients refused because of a ban, by the kind of ban.");
        w.Sample("actorlb_banned_total", node.Places.BannedAddresses, ("by", "address"));
        w.Sample("actorlb_banned_total", node.Places.BannedNames, ("by", "name"));
        w.Single("actorlb_damped_ids_total", "counter", "Times a client id's CONNECTs began to be refused because several devices fight over it (sticky.damping).", node.Damping?.Found ?? 0);
        w.Single("actorlb_damped_connects_total", "counter", "CONNECTs refused because several devices fight over the client id.", node.Damping?.Refused ?? 0);
    }
}
