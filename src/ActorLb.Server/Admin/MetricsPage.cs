using ActorLb.Hosting;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Server.Dashboard;
using ActorLb.Server.Hosting;
using ActorLb.Supervision;
using ActorLb.Telemetry;
using ActorLb.Tls;

namespace ActorLb.Server.Admin;

/// <summary>The node's metrics. No label names a client, since the number of series must not grow with the traffic.</summary>
internal static class MetricsPage
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private static int s_expected;

    /// <param name="admin">The endpoint that serves the page.</param>
    /// <param name="control">The process's.</param>
    /// <param name="feed">The dashboard's.</param>
    public static ReadOnlyMemory<byte> Render(Node node, ConnectionPlaces? admin = null, NodeControl? control = null, StatisticsFeed? feed = null)
    {
        var w = new PrometheusWriter(Volatile.Read(ref s_expected));
        Write(w, node, admin, control, feed);
        // The next page will have about the same length.
        Volatile.Write(ref s_expected, w.Written.Length + (w.Written.Length / 16));
        return w.Written;
    }

    /// <summary>Writes every metric of the node in any format.</summary>
    public static void Write(MetricsWriter w, Node node, ConnectionPlaces? admin = null, NodeControl? control = null, StatisticsFeed? feed = null)
    {
        ReactorCounters[] counters = [.. node.Reactors.Select(r => r.Counters)];
        Clients(w, node, counters);
        BackendMetrics.Write(w, node);
        AdmissionMetrics.Write(w, node);
        ClosingMetrics.Write(w, node);
        Tls(w, node);
        Times(w, counters);
        Reactors(w, node);
        Sources(w, node, counters);
        w.Single("actorlb_sticky_entries", "gauge", "Clients in this node's part of the sticky map.", node.Member?.Map.Measure() is { } map ? map.Entries - map.CopiedEntries : node.Sticky.Count);
        if (node.Member is { } member) FleetMetrics.Write(w, member, node.Fingerprint);
        AccessLog(w, node);
        if (admin is not null)
        {
            w.Single("actorlb_admin_connections", "gauge", "Connections of the admin endpoint.", admin.Count);
            w.Single("actorlb_admin_connections_closed_total", "counter", "Silent or slow connections of the admin endpoint closed to free a place for others.", admin.Closed);
        }
        if (feed is not null) DashboardMetrics.Write(w, feed);
        if (control is not null) Reloads(w, node, control);
        TelemetryMetrics.Write(w, node, control?.Otlp);
        Actors(w, node);
        Process(w, node);
    }

    private static void AccessLog(MetricsWriter w, Node node)
    {
        var counters = node.AccessLogCounters;
        w.Single("actorlb_access_log_failing", "gauge", "1 while the access log cannot be written.", node.AccessLog is { IsFailing: true } ? 1 : 0);
        w.Family("actorlb_access_log_dropped_total", "counter", "Access log lines lost, by cause: the writer fell behind (slow), or the error that prevented writing.");
        foreach (var cause in Enum.GetValues<AccessLogCause>())
        {
            w.Sample("actorlb_access_log_dropped_total", counters.LostBy(cause), ("cause", AccessLogCounters.Word(cause)));
        }
        w.Family("actorlb_access_log_failures_total", "counter", "Failed attempts to open or write the access log, by cause.");
        foreach (var cause in Enum.GetValues<AccessLogCause>())
        {
            if (cause != AccessLogCause.Slow) w.Sample("actorlb_access_log_failures_total", counters.FailuresBy(cause), ("cause", AccessLogCounters.Word(cause)));
        }
    }

    private static void Clients(MetricsWriter w, Node node, ReactorCounters[] all)
    {
        w.Single("actorlb_connections_accepted_total", "counter", "Client connections accepted.", all.Sum(c => Volatile.Read(ref c.Accepted)));
        w.Single("actorlb_connections_handled_total", "counter", "Client connections whose CONNECT was complete and admitted.", all.Sum(c => Volatile.Read(ref c.Handled)));
        w.Single("actorlb_connects_total", "counter", "CONNECTs, or plain TCP sessions, that were routed.", all.Sum(c => Volatile.Read(ref c.Requests)));
        w.Single("actorlb_retries_total", "counter", "Tries of another backend after one failed.", all.Sum(c => Volatile.Read(ref c.Retries)));
        w.Single("actorlb_accept_failures_total", "counter", "Accepts that failed for lack of descriptors or memory.", all.Sum(c => Volatile.Read(ref c.AcceptFailures)));
        w.Single("actorlb_dial_shortages_total", "counter", "Dials that this node could not make for lack of descriptors, memory or permission; no backend is blamed.", all.Sum(c => Volatile.Read(ref c.DialShortages)));
        w.Family("actorlb_probes_inconclusive_total", "counter", "Health probes that this node could not make; they say nothing about the backend.");
        foreach (var pool in node.Pools) w.Sample("actorlb_probes_inconclusive_total", pool.Pool.InconclusiveProbes, ("pool", pool.Name));
        w.Single("actorlb_setup_memory_bytes", "gauge", "Memory held by all clients without a CONNACK.", node.SetupBudget.Held);
        w.Single("actorlb_setup_memory_limit_bytes", "gauge", "Limit of the memory held by all clients without a CONNACK: node.setup-memory.", node.SetupBudget.Limit);
        w.Single("actorlb_connections_limit", "gauge", "Maximum number of client connections.", node.Capacity);
        w.Family("actorlb_connections_active", "gauge", "Client connections by state.");
        w.Sample("actorlb_connections_active", all.Sum(c => Volatile.Read(ref c.Reading)), ("state", "reading"));
        w.Sample("actorlb_connections_active", all.Sum(c => Volatile.Read(ref c.Connecting)), ("state", "connecting"));
        w.Sample("actorlb_connections_active", all.Sum(c => Volatile.Read(ref c.Relaying)), ("state", "established"));
        w.Sample("actorlb_connections_active", all.Sum(c => Volatile.Read(ref c.Lingering)), ("state", "closing"));
        w.Single("actorlb_connections_refused_open", "gauge", "Refused clients that are still receiving their answer; they do not count towards the limit.", all.Sum(c => Volatile.Read(ref c.Refused)));
        w.Family("actorlb_listener_connections", "gauge", "Client connections by listener.");
        foreach (var listener in node.Listeners) w.Sample("actorlb_listener_connections", listener.Active, ("listener", listener.Name));
        Rejections(w, node);
        w.Single("actorlb_bare_connects_total", "counter", "Connections to TLS listeners that ended before their first byte, such as health checks and port scans.", all.Sum(c => Volatile.Read(ref c.Closed[(int)CloseReason.BareConnect])));
        w.Family("actorlb_sessions_closed_total", "counter", "Established sessions ended, by reason.");
        foreach (var reason in Enum.GetValues<CloseReason>())
        {
            if (reason != CloseReason.None && !CloseReasons.IsRefusal(reason))
                w.Sample("actorlb_sessions_closed_total", all.Sum(c => Volatile.Read(ref c.Closed[(int)reason])), ("reason", CloseReasons.Text(reason)));
        }
        w.Family("actorlb_bytes_total", "counter", "MQTT bytes relayed, by direction.");
        w.Sample("actorlb_bytes_total", all.Sum(c => Volatile.Read(ref c.BytesFromClients)), ("direction", "from_clients"));
        w.Sample("actorlb_bytes_total", all.Sum(c => Volatile.Read(ref c.BytesFromBackends)), ("direction", "from_backends"));
        w.Family("actorlb_packets_total", "counter", "MQTT packets relayed, by direction.");
        w.Sample("actorlb_packets_total", all.Sum(c => Volatile.Read(ref c.PacketsFromClients)), ("direction", "from_clients"));
        w.Sample("actorlb_packets_total", all.Sum(c => Volatile.Read(ref c.PacketsFromBackends)), ("direction", "from_backends"));
        w.Family("actorlb_tls_handshakes_total", "counter", "TLS handshakes with clients, by outcome.");
        w.Sample("actorlb_tls_handshakes_total", all.Sum(c => Volatile.Read(ref c.TlsHandshakes) - Volatile.Read(ref c.TlsResumed)), ("outcome", "full"));
        w.Sample("actorlb_tls_handshakes_total", all.Sum(c => Volatile.Read(ref c.TlsResumed)), ("outcome", "resumed"));
        w.Sample("actorlb_tls_handshakes_total", all.Sum(c => Volatile.Read(ref c.TlsFailed)), ("outcome", "failed"));
    }

    private static void Rejections(MetricsWriter w, Node node)
    {
        w.Family("actorlb_connections_rejected_total", "counter", "Clients that were refused or got no backend, by listener and reason.");
        foreach (var listener in node.Listeners)
        {
            foreach (var reason in Enum.GetValues<CloseReason>())
            {
                if (reason != CloseReason.BareConnect && CloseReasons.IsRefusal(reason))
                    w.Sample("actorlb_connections_rejected_total", listener.RefusedFor(reason), ("listener", listener.Name), ("reason", CloseReasons.Text(reason)));
            }
        }
    }

    private static void Tls(MetricsWriter w, Node node)
    {
        w.Single("actorlb_tls_handshakes_running", "gauge", "TLS handshakes holding one of the max-handshakes slots: their first step is due.", node.Handshakes.Handshakes);
        w.Single("actorlb_tls_handshakes_waiting", "gauge", "TLS handshakes waiting for one of the max-handshakes slots.", node.Handshakes.Waiting);
        Dates(w, node, TlsSetting.Certificate, "actorlb_certificate_expiry_timestamp_seconds", "Unix time at which a certificate in use, or the first of its chain, expires.");
        Dates(w, node, TlsSetting.Ca, "actorlb_ca_expiry_timestamp_seconds", "Unix time at which the first authority of a CA file expires.");
        Dates(w, node, TlsSetting.Crl, "actorlb_crl_expiry_timestamp_seconds", "Unix time at which the first list of a CRL file is due for its next update.");
        w.Single("actorlb_certificate_failures_total", "counter", "Changed TLS files that could not be used; the previous ones stayed in use.", node.CertificateFailures);
    }

    private static void Dates(MetricsWriter w, Node node, TlsSetting setting, string name, string help)
    {
        w.Family(name, "gauge", help);
        var now = DateTimeOffset.UtcNow;
        foreach (var file in node.Certificates.Where(u => u.Certificate.Setting == setting).GroupBy(u => (u.Owner, u.Name, u.Certificate.Path)))
        {
            var first = DatedEntry.InForce(file.Select(u => u.Certificate), now).Min(e => e.NotAfter);
            if (first < DateTimeOffset.MaxValue) w.Sample(name, first.ToUnixTimeSeconds(), (file.Key.Owner, file.Key.Name), ("file", file.Key.Path));
        }
    }

    private static void Times(MetricsWriter w, ReactorCounters[] all)
    {
        Time(w, "actorlb_connect_seconds", "Time from a client's complete CONNECT to its answer, including all tries.", all.Select(c => c.ConnectTime));
        Time(w, "actorlb_tls_handshake_seconds", "Time from accept to the end of the TLS handshake.", all.Select(c => c.HandshakeTime));
    }

    private static void Time(MetricsWriter w, string name, string help, IEnumerable<Histogram> parts)
    {
        var sum = new Histogram();
        foreach (var part in parts) sum.Add(part);
        w.Family(name, "histogram", help);
        w.Histogram(name, sum);
    }

    private static void Reloads(MetricsWriter w, Node node, NodeControl control)
    {
        w.Family("actorlb_config_reloads_total", "counter", "Reloads of the configuration since the start, by result.");
        w.Sample("actorlb_config_reloads_total", control.Applied, ("result", "applied"));
        w.Sample("actorlb_config_reloads_total", control.Rejected, ("result", "rejected"));
        w.Single("actorlb_config_last_reload_successful", "gauge", "1 when the last reload was applied, or when there was none since the start.", control.LastReload is { Report.Accepted: false } ? 0 : 1);
        w.Single("actorlb_config_last_reload_timestamp_seconds", "gauge", "Unix time of the last reload, applied or rejected; of the start when there was none.", (control.LastReload?.At ?? node.StartedAt).ToUnixTimeMilliseconds() / 1000.0);
        w.Family("actorlb_config_info", "gauge", "Always 1; the label is the hash of the configuration in force, as in pbm node info.");
        w.Sample("actorlb_config_info", 1, ("hash", node.Fingerprint.Hash));
    }

    private static void Reactors(MetricsWriter w, Node node)
    {
        w.Family("actorlb_reactor_busy_seconds_total", "counter", "Time a reactor spent working; its rate is the reactor's load.");
        foreach (var r in node.Reactors) w.Sample("actorlb_reactor_busy_seconds_total", r.Counters.BusyNanoseconds / 1e9, ("reactor", r.Index.ToString()));
        w.Family("actorlb_reactor_sessions", "gauge", "Sessions on a reactor.");
        foreach (var r in node.Reactors) w.Sample("actorlb_reactor_sessions", r.SessionCount, ("reactor", r.Index.ToString()));
        w.Family("actorlb_reactor_events_total", "counter", "Events that a reactor handled.");
        foreach (var r in node.Reactors) w.Sample("actorlb_reactor_events_total", r.Counters.Events, ("reactor", r.Index.ToString()));
        w.Family("actorlb_reactor_buffer_bytes", "gauge", "Bytes in a reactor's buffers, waiting for slow receivers or the rest of a CONNECT.");
        foreach (var r in node.Reactors) w.Sample("actorlb_reactor_buffer_bytes", r.Buffers.Rented, ("reactor", r.Index.ToString()));
    }

    private static void Sources(MetricsWriter w, Node node, ReactorCounters[] all)
    {
        // A family's series must be contiguous, so each family has its own loop.
        UpstreamPool[] bound = [.. node.Pools.Where(p => p.Sources is not null)];
        w.Family("actorlb_source_connections", "gauge", "Connections by source address and destination.");
        foreach (var pool in bound)
        {
            foreach ((var source, var destination, int held) in pool.Sources!.Held())
            {
                w.Sample("actorlb_source_connections", held, ("pool", pool.Name), ("source", source.Address.ToString()), ("destination", destination.ToString()));
            }
        }
        w.Family("actorlb_source_ports", "gauge", "Ephemeral ports that a source address has for each destination.");
        foreach (var pool in bound) w.Sample("actorlb_source_ports", pool.Sources!.PortsPerPair, ("pool", pool.Name));
        w.Single("actorlb_source_exhausted_total", "counter", "Dials that found no source address with a free port.", all.Sum(c => Volatile.Read(ref c.SourceExhausted)));
        w.Single("actorlb_source_warnings_total", "counter", "Dials from a source address with over nine tenths of its ports in use.", all.Sum(c => Volatile.Read(ref c.SourceWarnings)));
    }

    private static void Actors(MetricsWriter w, Node node)
    {
        ActorState[] actors = [.. ActorTree.Read(node.ActorSystems)];
        w.Family("actorlb_actor_mailbox_messages", "gauge", "Messages waiting for an actor of the control plane.");
        foreach (var actor in actors) w.Sample("actorlb_actor_mailbox_messages", actor.Mailbox, ("actor", actor.Path));
        w.Family("actorlb_actor_restarts_total", "counter", "Restarts of an actor after failures, each a fault of the program; see the log for details.");
        foreach (var actor in actors) w.Sample("actorlb_actor_restarts_total", actor.Restarts, ("actor", actor.Path));
    }

    private static void Process(MetricsWriter w, Node node)
    {
        w.Single("process_resident_memory_bytes", "gauge", "Resident memory.", Environment.WorkingSet);
        w.Single("process_start_time_seconds", "gauge", "Start of the process, Unix time.", node.StartedAt.ToUnixTimeSeconds());
        w.Single("process_cpu_seconds_total", "counter", "Processor time used.", Environment.CpuUsage.TotalTime.TotalSeconds);
        w.Single("process_max_fds", "gauge", "Limit of open files.", OpenFiles.Limit);
        w.Single("process_open_fds", "gauge", "Open files.", OpenFiles.Count);
        w.Family("actorlb_build_info", "gauge", "Always 1; the labels are the release and the name of the node.");
        w.Sample("actorlb_build_info", 1, ("version", Program.Version), ("node", node.Options.Node.Name));
    }
}
