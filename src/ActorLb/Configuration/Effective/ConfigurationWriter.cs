using System.Text;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Effective;

/// <param name="Value">As HOCON, including a secret.</param>
/// <param name="IsSecret">Whether the value may be shown.</param>
internal sealed record ConfigurationEntry(string Path, string Value, bool IsSecret)
{
    public const string Mask = "\"******\"";

    public string Shown => IsSecret ? Mask : Value;
}

/// <summary>Writes HOCON, and a flat list of all values by path for comparisons.</summary>
internal sealed class ConfigurationWriter(bool showSecrets)
{
    private readonly StringBuilder _text = new();
    private readonly Stack<string> _paths = new([""]);
    private int _depth;

    public List<ConfigurationEntry> Entries { get; } = [];

    public override string ToString() => _text.ToString();

    public void Begin(string key)
    {
        Indent().Append(HoconPath.Quote(key)).Append(" {\n");
        _depth++;
        _paths.Push(HoconPath.Child(_paths.Peek(), key));
    }

    public void End()
    {
        _paths.Pop();
        _depth--;
        Indent().Append("}\n");
    }

    public void BeginArray(string key)
    {
        Indent().Append(HoconPath.Quote(key)).Append(" = [\n");
        _depth++;
    }

    public void BeginElement(string key, int index)
    {
        Indent().Append("{\n");
        _depth++;
        _paths.Push(HoconPath.Element(HoconPath.Child(_paths.Peek(), key), index));
    }

    public void EndElement()
    {
        _paths.Pop();
        _depth--;
        Indent().Append("}\n");
    }

    public void EndArray()
    {
        _depth--;
        // The list is empty: both brackets go on one line.
        if (_text[^2] == '[') _text.Length--;
        else Indent();
        _text.Append("]\n");
    }

    /// <param name="value">Valid HOCON.</param>
    public void Raw(string key, string value, bool secret = false)
    {
        var entry = new ConfigurationEntry(HoconPath.Child(_paths.Peek(), key), value, secret);
        Entries.Add(entry);
        Indent().Append(HoconPath.Quote(key)).Append(" = ").Append(showSecrets ? entry.Value : entry.Shown).Append('\n');
    }

    public void Comment(string words) => Indent().Append("# ").Append(words).Append('\n');

    /// <summary>Null is written as null.</summary>
    public void Text(string key, string? value) => Raw(key, Quoted(value));

    public void Flag(string key, bool value) => Raw(key, value ? "on" : "off");

    public void Number(string key, long value) => Raw(key, value.ToString(System.Globalization.CultureInfo.InvariantCulture));

    public void Duration(string key, TimeSpan value) => Raw(key, HoconUnits.FormatDuration(value));

    public void Size(string key, long value) => Raw(key, HoconUnits.FormatSize(value));

    public void Name<T>(string key, T value, (string Name, T Value)[] names) where T : struct, Enum =>
        Raw(key, ConfigurationNames.NameOf(names, value));

    public void Texts(string key, IEnumerable<string> values) => Raw(key, $"[{string.Join(", ", values.Select(Quoted))}]");

    public void Template(string key, Template? value, bool secret = false) => Raw(key, Quoted(value?.Text), secret && value is not null);

    private static string Quoted(string? value) => value is null ? "null" : HoconPath.QuoteText(value);

    private StringBuilder Indent() => _text.Append(' ', 2 * _depth);
}
