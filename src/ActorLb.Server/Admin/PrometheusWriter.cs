using System.Buffers;
using System.Text;
using ActorLb.Telemetry;

namespace ActorLb.Server.Admin;

/// <summary>
/// Writes Prometheus' text exposition format, version 0.0.4, directly as bytes. A library's collectors would keep a second copy of
/// everything that the reactors already count.
/// </summary>
/// <param name="expected">Expected length in bytes, if known, so that the buffer does not have to grow.</param>
internal sealed class PrometheusWriter(int expected = PrometheusWriter.Smallest) : MetricsWriter
{
    private const int Smallest = 16 * 1024;

    /// <summary>Upper bound for a number or the fixed parts of a line.</summary>
    private const int NumberLength = 32;

    private static readonly byte[][] Bounds = [.. Telemetry.Histogram.Bounds.Select(b => Encoding.ASCII.GetBytes(Invariant(b))), "+Inf"u8.ToArray()];

    private byte[] _bytes = new byte[Math.Max(Smallest, expected)];
    private int _length;

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);

    public override void Family(string name, string type, string help)
    {
        Add("# HELP "u8);
        Add(name);
        Add(" "u8);
        Escape(help, quoted: false);
        Add("\n# TYPE "u8);
        Add(name);
        Add(" "u8);
        Add(type);
        Add("\n"u8);
    }

    public override void Sample(string name, double value, params ReadOnlySpan<(string Name, string Value)> labels) => Line(name, default, value, labels, default);

    public override void Histogram(string name, Histogram histogram, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        long total = 0;
        for (int i = 0; i < Bounds.Length; i++)
        {
            total += histogram.CountAt(i);
            Line(name, "_bucket"u8, total, labels, Bounds[i]);
        }
        Line(name, "_sum"u8, histogram.Sum, labels, default);
        Line(name, "_count"u8, total, labels, default);
    }

    public override string ToString() => Encoding.UTF8.GetString(Written.Span);

    private static string Invariant(double value) => value.ToString("R", System.Globalization.CultureInfo.InvariantCulture);

    /// <param name="bound">A bucket's label le.</param>
    private void Line(string name, ReadOnlySpan<byte> suffix, double value, ReadOnlySpan<(string Name, string Value)> labels, ReadOnlySpan<byte> bound)
    {
        Add(name);
        Add(suffix);
        if (labels.Length > 0 || bound.Length > 0)
        {
            Add("{"u8);
            for (int i = 0; i < labels.Length; i++)
            {
                if (i > 0) Add(","u8);
                Add(labels[i].Name);
                Add("=\""u8);
                Escape(labels[i].Value, quoted: true);
                Add("\""u8);
            }
            if (bound.Length > 0)
            {
                Add(labels.Length > 0 ? ",le=\""u8 : "le=\""u8);
                Add(bound);
                Add("\""u8);
            }
            Add("}"u8);
        }
        Add(" "u8);
        Add(value);
        Add("\n"u8);
    }

    private void Add(double value)
    {
        var room = Room(NumberLength);
        // Prometheus has its own spelling of infinities and NaN.
        if (double.IsNaN(value)) Add("NaN"u8);
        else if (double.IsInfinity(value)) Add(value > 0 ? "+Inf"u8 : "-Inf"u8);
        else if (value.TryFormat(room, out int written, "R", System.Globalization.CultureInfo.InvariantCulture)) _length += written;
    }

    private void Add(ReadOnlySpan<byte> text)
    {
        text.CopyTo(Room(text.Length));
        _length += text.Length;
    }

    private void Add(string text) => _length += Encoding.UTF8.GetBytes(text, Room(Encoding.UTF8.GetMaxByteCount(text.Length)));

    private static readonly SearchValues<char> Special = SearchValues.Create("\\\"\n");

    private void Escape(string value, bool quoted)
    {
        if (!value.AsSpan().ContainsAny(Special))
        {
            Add(value);
            return;
        }
        Add(value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)
            .Replace("\"", quoted ? "\\\"" : "\"", StringComparison.Ordinal));
    }

    private Span<byte> Room(int needed)
    {
        if (_bytes.Length - _length < needed) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + needed));
        return _bytes.AsSpan(_length);
    }
}
