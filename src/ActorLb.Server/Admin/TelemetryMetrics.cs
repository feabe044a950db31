using ActorLb.Hosting;
using ActorLb.Server.Otlp;
using ActorLb.Telemetry;

namespace ActorLb.Server.Admin;

/// <summary>The node's own telemetry: log, events, export.</summary>
internal static class TelemetryMetrics
{
    /// <param name="otlp">Null when nothing is exported: the series exist all the same.</param>
    public static void Write(MetricsWriter w, Node node, OtlpCounters? otlp)
    {
        w.Single("actorlb_log_lines_left_out_total", "counter", "Repeated lines of the node's log that were counted in a summary line instead.", LogLimit.LeftOut);
        w.Single("actorlb_events_total", "counter", "Events of the node, as shown by pbm cluster tail.", node.Events.Published);
        w.Single("actorlb_events_missed_total", "counter", "Events that watchers missed because they were too slow.", node.Events.Missed);
        w.Family("actorlb_otlp_exports_total", "counter", "Messages to the collector of telemetry.otlp, by signal and outcome.");
        foreach (var signal in Enum.GetValues<OtlpSignal>())
        {
            string word = signal == OtlpSignal.Metrics ? "metrics" : "traces";
            w.Sample("actorlb_otlp_exports_total", otlp?.Of(signal, taken: true) ?? 0, ("signal", word), ("result", "taken"));
            w.Sample("actorlb_otlp_exports_total", otlp?.Of(signal, taken: false) ?? 0, ("signal", word), ("result", "failed"));
        }
        w.Single("actorlb_otlp_spans_lost_total", "counter", "Spans that did not reach the collector, or that found its queue full.", node.Traces?.Lost ?? 0);
    }
}
