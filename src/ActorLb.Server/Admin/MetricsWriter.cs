using System.Globalization;
using System.Text;
using ActorLb.Telemetry;

namespace ActorLb.Server.Admin;

/// <summary>Writes Prometheus' text exposition format, version 0.0.4.</summary>
internal sealed class MetricsWriter
{
    private readonly StringBuilder _text = new();

    public void Family(string name, string type, string help) =>
        _text.Append("# HELP ").Append(name).Append(' ').Append(help).Append("\n# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    public void Sample(string name, double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _text.Append(name);
        if (labels.Length > 0)
        {
            _text.Append('{');
            for (int i = 0; i < labels.Length; i++)
            {
                if (i > 0) _text.Append(',');
                _text.Append(labels[i].Name).Append("=\"");
                Escape(labels[i].Value);
                _text.Append('"');
            }
            _text.Append('}');
        }
        _text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
    }

    public void Single(string name, string type, string help, double value)
    {
        Family(name, type, help);
        Sample(name, value);
    }

    /// <summary>One series of a family of histograms.</summary>
    public void Histogram(string name, Histogram histogram, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        (string, string)[] withBound = [.. labels, ("le", "")];
        long total = 0;
        for (int i = 0; i <= Telemetry.Histogram.Bounds.Length; i++)
        {
            total += histogram.CountAt(i);
            withBound[^1] = ("le", i < Telemetry.Histogram.Bounds.Length ? Telemetry.Histogram.Bounds[i].ToString("R", CultureInfo.InvariantCulture) : "+Inf");
            Sample(name + "_bucket", total, withBound);
        }
        Sample(name + "_sum", histogram.Sum, labels);
        Sample(name + "_count", total, labels);
    }

    public override string ToString() => _text.ToString();

    private void Escape(string value)
    {
        foreach (char c in value)
        {
            switch (c)
            {
                case '\\': _text.Append("\\\\"); break;
                case '"': _text.Append("\\\""); break;
                case '\n': _text.Append("\\n"); break;
                default: _text.Append(c); break;
            }
        }
    }
}
