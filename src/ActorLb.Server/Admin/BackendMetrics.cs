using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Proxying.Routing;
using ActorLb.Telemetry;

namespace ActorLb.Server.Admin;

/// <summary>The pools and their backends. A backend's series exist from the moment it is added.</summary>
internal static class BackendMetrics
{
    public static void Write(MetricsWriter w, Node node)
    {
        Pools(w, node);
        var rows = Rows(node);
        States(w, rows);
        Traffic(w, rows);
        Times(w, rows);
    }

    private readonly record struct Row(UpstreamPool Pool, Backend Backend, BackendTraffic Traffic);

    private static Row[] Rows(Node node)
    {
        var traffic = new Dictionary<Backend, BackendTraffic>();
        foreach ((var backend, var part) in node.Reactors.SelectMany(r => r.TrafficSnapshot()))
        {
            if (!traffic.TryGetValue(backend, out var sum)) traffic.Add(backend, sum = new BackendTraffic());
            sum.BytesToBackend += Volatile.Read(ref part.BytesToBackend);
            sum.BytesFromBackend += Volatile.Read(ref part.BytesFromBackend);
            sum.ConnectFailures += Volatile.Read(ref part.ConnectFailures);
            sum.Refusals += Volatile.Read(ref part.Refusals);
            sum.Connects += Volatile.Read(ref part.Connects);
            sum.DialTime.Add(part.DialTime);
            sum.ConnackTime.Add(part.ConnackTime);
        }
        var none = new BackendTraffic();
        return
        [
            .. from pool in node.Pools
               from backend in pool.Pool.Snapshot.Backends.ToArray()
               select new Row(pool, backend, traffic.GetValueOrDefault(backend) ?? none),
        ];
    }

    private static void Pools(MetricsWriter w, Node node)
    {
        w.Family("actorlb_pool_backends", "gauge", "Backends of the pool.");
        foreach (var pool in node.Pools) w.Sample("actorlb_pool_backends", pool.Pool.Snapshot.Backends.Length, ("pool", pool.Name));
        w.Family("actorlb_pool_eligible_backends", "gauge", "Backends of the pool that accept new clients; 0 when none is left.");
        foreach (var pool in node.Pools) w.Sample("actorlb_pool_eligible_backends", EmptyPools.Eligible(pool.Pool), ("pool", pool.Name));
    }

    private static void States(MetricsWriter w, Row[] rows)
    {
        Each(w, rows, "actorlb_backend_up", "gauge", "1 when nothing keeps the backend from getting new clients.", r => r.Backend.Blocks == BackendBlocks.None ? 1 : 0);
        w.Family("actorlb_backend_admin_state", "gauge", "Admin state set by the operator or the file: 1 for the state that the backend is in.");
        foreach (var row in rows) OneOf(w, "actorlb_backend_admin_state", row, Enum.GetValues<AdminState>(), row.Backend.AdminState, BackendWords.Of);
        w.Family("actorlb_backend_health", "gauge", "Result of this node's own probes: 1 for the state that the backend is in.");
        foreach (var row in rows)
        {
            string health = BackendWords.HealthOf(row.Backend);
            foreach (string state in BackendWords.HealthStates)
                w.Sample("actorlb_backend_health", state == health ? 1 : 0, ("pool", row.Pool.Name), ("backend", row.Backend.Id), ("state", state));
        }
        Each(w, rows, "actorlb_backend_state_since_timestamp_seconds", "gauge", "Unix time of the backend's last change of state.", r => r.Backend.History.Since.ToUnixTimeMilliseconds() / 1000.0);
        Each(w, rows, "actorlb_backend_weight", "gauge", "The backend's weight.", r => r.Backend.Weight);
    }

    private static void Traffic(MetricsWriter w, Row[] rows)
    {
        Each(w, rows, "actorlb_backend_connections", "gauge", "This node's connections to the backend.", r => r.Backend.Active);
        Each(w, rows, "actorlb_backend_fleet_connections", "gauge", "The fleet's connections to the backend, as far as known.", r => r.Backend.Load);
        Each(w, rows, "actorlb_backend_connects_total", "counter", "Connections begun to the backend.", r => r.Traffic.Connects);
        Each(w, rows, "actorlb_backend_failures_total", "counter", "Connections that failed before the backend's CONNACK.", r => r.Traffic.ConnectFailures);
        Each(w, rows, "actorlb_backend_refusals_total", "counter", "CONNECTs refused by the backend.", r => r.Traffic.Refusals);
        w.Family("actorlb_backend_sessions_lost_total", "counter", "Established sessions that the backend ended: it closed or reset the connection, or they were closed because it was down.");
        foreach (var row in rows)
        {
            foreach (var loss in Enum.GetValues<SessionLoss>())
            {
                w.Sample("actorlb_backend_sessions_lost_total", row.Backend.History.Lost(loss), ("pool", row.Pool.Name), ("backend", row.Backend.Id), ("reason", BackendWords.Of(loss)));
            }
        }
        Each(w, rows, "actorlb_backend_sent_bytes_total", "counter", "Bytes sent to the backend.", r => r.Traffic.BytesToBackend);
        Each(w, rows, "actorlb_backend_received_bytes_total", "counter", "Bytes received from the backend.", r => r.Traffic.BytesFromBackend);
    }

    private static void Times(MetricsWriter w, Row[] rows)
    {
        Each(w, rows, "actorlb_dial_seconds", "Time from dialling the backend to its accept.", r => r.Traffic.DialTime);
        Each(w, [.. rows.Where(r => r.Pool.Options.Health.Probe != ProbeKind.None)], "actorlb_probe_seconds", "Duration of the backend's probes, successful or not.", r => r.Backend.History.ProbeTime);
        Each(w, rows, "actorlb_connack_seconds", "Time from dialling the backend to its CONNACK, accepting or not.", r => r.Traffic.ConnackTime);
    }

    private static void Each(MetricsWriter w, Row[] rows, string name, string type, string help, Func<Row, double> value)
    {
        w.Family(name, type, help);
        foreach (var row in rows) w.Sample(name, value(row), ("pool", row.Pool.Name), ("backend", row.Backend.Id));
    }

    private static void Each(MetricsWriter w, Row[] rows, string name, string help, Func<Row, Histogram> value)
    {
        w.Family(name, "histogram", help);
        foreach (var row in rows) w.Histogram(name, value(row), ("pool", row.Pool.Name), ("backend", row.Backend.Id));
    }

    private static void OneOf<T>(MetricsWriter w, string name, Row row, T[] states, T state, Func<T, string> word)
        where T : struct, Enum
    {
        foreach (var each in states)
        {
            w.Sample(name, EqualityComparer<T>.Default.Equals(each, state) ? 1 : 0, ("pool", row.Pool.Name), ("backend", row.Backend.Id), ("state", word(each)));
        }
    }
}
