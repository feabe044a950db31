using System.Text;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Effective;

/// <param name="Value">As HOCON, the secret itself included.</param>
/// <param name="IsSecret">Whether the value may be shown.</param>
internal readonly record struct ConfigurationEntry(string Path, string Value, bool IsSecret)
{
    public const string Mask = "\"******\"";

    public string Shown => IsSecret ? Mask : Value;
}

/// <summary>Writes HOCON, and beside it the flat list of all values by path, which a comparison reads.</summary>
internal sealed class ConfigurationWriter(bool showSecrets)
{
    private readonly StringBuilder text = new();
    private readonly Stack<string> paths = new([""]);
    private int depth;

    public List<ConfigurationEntry> Entries { get; } = [];

    public override string ToString() => text.ToString();

    public void Begin(string key)
    {
        Indent().Append(HoconPath.Quote(key)).Append(" {\n");
        depth++;
        paths.Push(HoconPath.Child(paths.Peek(), key));
    }

    public void End()
    {
        paths.Pop();
        depth--;
        Indent().Append("}\n");
    }

    public void BeginArray(string key)
    {
        Indent().Append(HoconPath.Quote(key)).Append(" = [\n");
        depth++;
    }

    public void BeginElement(string key, int index)
    {
        Indent().Append("{\n");
        depth++;
        paths.Push(HoconPath.Element(HoconPath.Child(paths.Peek(), key), index));
    }

    public void EndElement()
    {
        paths.Pop();
        depth--;
        Indent().Append("}\n");
    }

    public void EndArray()
    {
        depth--;
        // Nothing came since it began: both brackets go on one line.
        if (text[^2] == '[') text.Length--;
        else Indent();
        text.Append("]\n");
    }

    /// <param name="value">Valid HOCON.</param>
    public void Raw(string key, string value, bool secret = false)
    {
        var entry = new ConfigurationEntry(HoconPath.Child(paths.Peek(), key), value, secret);
        Entries.Add(entry);
        Indent().Append(HoconPath.Quote(key)).Append(" = ").Append(showSecrets ? entry.Value : entry.Shown).Append('\n');
    }

    public void Comment(string words) => Indent().Append("# ").Append(words).Append('\n');

    /// <summary>Null is written as such.</summary>
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

    private StringBuilder Indent() => text.Append(' ', 2 * depth);
}
