using System.Buffers.Binary;
using System.Diagnostics;
using ActorLb.Balancing;
using ActorLb.Telemetry;

namespace ActorLb.Server.Otlp;

/// <summary>Connection set-ups as spans: each is its own trace, with the steps as events.</summary>
internal static class OtlpSpans
{
    // trace.proto: ExportTraceServiceRequest, ResourceSpans, ScopeSpans.
    private const int ResourceSpans = 1, Resource = 1, ScopeSpans = 2, Scope = 1, Spans = 2;

    // Span.
    private const int TraceId = 1, SpanId = 2, Name = 5, Kind = 6, Start = 7, End = 8, Attributes = 9, Events = 11, Status = 15;
    private const int Server = 2;

    // Event and Status.
    private const int EventTime = 1, EventName = 2, EventAttributes = 3, StatusCode = 3, Error = 2;

    public static void Write(ProtobufWriter w, OtlpResource resource, IReadOnlyList<SetupTrace> traces)
    {
        int request = w.Begin(ResourceSpans);
        resource.WriteResource(w, Resource);
        int scope = w.Begin(ScopeSpans);
        resource.WriteScope(w, Scope);
        foreach (var trace in traces) Write(w, trace);
        w.End(scope);
        w.End(request);
    }

    private static void Write(ProtobufWriter w, SetupTrace trace)
    {
        int span = w.Begin(Spans);
        Span<byte> id = stackalloc byte[24];
        // All zeros would be invalid as an id; these never are.
        for (int i = 0; i < id.Length; i += sizeof(ulong)) BinaryPrimitives.WriteUInt64LittleEndian(id[i..], ThreadRandom.Next() | 1);
        w.Bytes(TraceId, id[..16]);
        w.Bytes(SpanId, id[16..]);
        w.Text(Name, "connection set-up");
        w.Integer(Kind, Server);
        w.Fixed(Start, At(trace, trace.BeganStamp));
        w.Fixed(End, At(trace, trace.EndedStamp));
        OtlpResource.Attribute(w, Attributes, "actorlb.listener", trace.Listener);
        OtlpResource.Attribute(w, Attributes, "actorlb.pool", trace.Pool);
        if (trace.Backend is { } backend) OtlpResource.Attribute(w, Attributes, "actorlb.backend", backend);
        OtlpResource.Attribute(w, Attributes, "actorlb.tries", trace.Tries);
        if (trace.Mqtt is { } version) OtlpResource.Attribute(w, Attributes, "mqtt.version", version);
        OtlpResource.Attribute(w, Attributes, "actorlb.outcome", trace.Refusal is null ? "established" : "refused");
        if (trace.Refusal is { } reason) OtlpResource.Attribute(w, Attributes, "actorlb.reason", reason);
        foreach (var step in trace.Steps)
        {
            int e = w.Begin(Events);
            w.Fixed(EventTime, At(trace, step.Stamp));
            w.Text(EventName, step.Name);
            if (step.Detail is { } detail) OtlpResource.Attribute(w, EventAttributes, step.Name == "dial" ? "actorlb.backend" : "actorlb.reason", detail);
            w.End(e);
        }
        if (trace.Refusal is not null)
        {
            int status = w.Begin(Status);
            w.Integer(StatusCode, Error);
            w.End(status);
        }
        w.End(span);
    }

    private static ulong At(SetupTrace trace, long stamp) =>
        OtlpResource.Nanoseconds(trace.BeganAt) + (ulong)Stopwatch.GetElapsedTime(trace.BeganStamp, stamp).TotalNanoseconds;
}
