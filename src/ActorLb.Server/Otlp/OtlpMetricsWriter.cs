using ActorLb.Server.Admin;
using ActorLb.Telemetry;

namespace ActorLb.Server.Otlp;

/// <summary>
/// Exports the node's metrics as OpenTelemetry's: counters become cumulative monotonic sums, the others gauges and histograms, with
/// the names and labels that they have on the page. The SDK of .NET cannot be given a histogram that is already counted:
/// it must see each value itself, on the reactor that measures it. Messages are split, since a collector accepts at most 4 MiB.
/// </summary>
/// <param name="started">Start time of the counters.</param>
/// <param name="full">Called with each complete message.</param>
internal sealed class OtlpMetricsWriter(OtlpResource resource, DateTimeOffset started, DateTimeOffset now, Action<ReadOnlyMemory<byte>> full) : MetricsWriter
{
    private const int MostBytes = 1 << 20;

    // metrics.proto: ExportMetricsServiceRequest, ResourceMetrics, ScopeMetrics.
    private const int ResourceMetrics = 1, Resource = 1, ScopeMetrics = 2, Scope = 1, Metrics = 2;

    // Metric, and its data.
    private const int Name = 1, Description = 2, Unit = 3, Gauge = 5, Sum = 7, HistogramData = 9;
    private const int DataPoints = 1, Temporality = 2, IsMonotonic = 3, Cumulative = 2;

    // NumberDataPoint and HistogramDataPoint.
    private const int Start = 2, Time = 3, AsDouble = 4, NumberAttributes = 7;
    private const int Count = 4, SumOf = 5, BucketCounts = 6, ExplicitBounds = 7, HistogramAttributes = 9;

    private readonly ProtobufWriter _w = new();
    private readonly ulong _start = OtlpResource.Nanoseconds(started), _now = OtlpResource.Nanoseconds(now);
    private int _request, _scope;
    private int _metric = -1, _data, _before;
    private bool _any, _isCounter;

    public override void Family(string name, string type, string help)
    {
        EndFamily();
        if (_w.Length > MostBytes) EndMessage();
        if (_w.Length == 0) BeginMessage();
        _before = _w.Length;
        _any = false;
        _isCounter = type == "counter";
        _metric = _w.Begin(Metrics);
        _w.Text(Name, name);
        _w.Text(Description, help);
        _w.Text(Unit, UnitOf(name));
        _data = _w.Begin(type switch { "counter" => Sum, "histogram" => HistogramData, _ => Gauge });
        if (type == "gauge") return;
        _w.Integer(Temporality, Cumulative);
        if (_isCounter) _w.Integer(IsMonotonic, 1);
    }

    public override void Sample(string name, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _any = true;
        int point = _w.Begin(DataPoints);
        if (_isCounter) _w.Fixed(Start, _start);
        _w.Fixed(Time, _now);
        _w.Double(AsDouble, value);
        foreach ((string label, string text) in labels) OtlpResource.Attribute(_w, NumberAttributes, label, text);
        _w.End(point);
    }

    public override void Histogram(string name, Histogram histogram, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _any = true;
        int point = _w.Begin(DataPoints);
        _w.Fixed(Start, _start);
        _w.Fixed(Time, _now);
        double[] bounds = Telemetry.Histogram.Bounds;
        // Its counts may grow while they are read, so the total is the sum of what was read.
        ulong total = 0;
        _w.BeginPacked(BucketCounts, bounds.Length + 1);
        for (int i = 0; i <= bounds.Length; i++)
        {
            ulong count = (ulong)histogram.CountAt(i);
            total += count;
            _w.Packed(count);
        }
        _w.BeginPacked(ExplicitBounds, bounds.Length);
        foreach (double bound in bounds) _w.Packed(bound);
        _w.Fixed(Count, total);
        _w.Double(SumOf, histogram.Sum);
        foreach ((string label, string text) in labels) OtlpResource.Attribute(_w, HistogramAttributes, label, text);
        _w.End(point);
    }

    /// <summary>Flushes the last message.</summary>
    public void Complete()
    {
        EndFamily();
        if (_w.Length > 0) EndMessage();
    }

    /// <summary>In UCUM, as OpenTelemetry requires.</summary>
    private static string UnitOf(string name)
    {
        string bare = name.EndsWith("_total", StringComparison.Ordinal) ? name[..^"_total".Length] : name;
        return bare.EndsWith("_seconds", StringComparison.Ordinal) ? "s" : bare.EndsWith("bytes", StringComparison.Ordinal) ? "By" : "1";
    }

    private void BeginMessage()
    {
        _request = _w.Begin(ResourceMetrics);
        resource.WriteResource(_w, Resource);
        _scope = _w.Begin(ScopeMetrics);
        resource.WriteScope(_w, Scope);
    }

    private void EndMessage()
    {
        _w.End(_scope);
        _w.End(_request);
        full(_w.Written);
        _w.Clear();
    }

    private void EndFamily()
    {
        if (_metric < 0) return;
        _w.End(_data);
        _w.End(_metric);
        // A metric without series is invalid.
        if (!_any) _w.CutTo(_before);
        _metric = -1;
    }
}
