using System.Globalization;
using System.Text;

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

    /// <param name="bounds">Upper bounds; <paramref name="counts"/> has one more, for what is above all.</param>
    public void Histogram(string name, string help, ReadOnlySpan<double> bounds, ReadOnlySpan<long> counts, double sum)
    {
        Family(name, "histogram", help);
        long total = 0;
        for (int i = 0; i < bounds.Length; i++)
        {
            total += counts[i];
            Sample(name + "_bucket", total, ("le", bounds[i].ToString("R", CultureInfo.InvariantCulture)));
        }
        total += counts[bounds.Length];
        Sample(name + "_bucket", total, ("le", "+Inf"));
        Sample(name + "_sum", sum);
        Sample(name + "_count", total);
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
