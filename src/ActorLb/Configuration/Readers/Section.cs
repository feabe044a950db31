using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>
/// One object of the configuration being read. Each key that is looked up counts as known; <see cref="Close"/> reports the others.
/// A null value counts as absent. Errors go to the report and a default is returned, so that all errors are found at once.
/// </summary>
internal sealed class Section(HoconObject fields, string path, ConfigurationReport report)
{
    private readonly List<string> _known = [];
    private readonly List<string> _gone = [];

    public string Path => path;

    public SourcePosition Position => fields.Position;

    public ConfigurationReport Report => report;

    public string PathOf(string key) => HoconPath.Child(path, key);

    /// <summary>The value of a key; null when absent.</summary>
    public HoconValue? Get(string key)
    {
        Know(key);
        return fields.Find(key)?.Value is { } value and not HoconScalar { IsNull: true } ? value : null;
    }

    public bool Has(string key) => Get(key) is not null;

    /// <summary>Where a key's value is written, or the section's own position when absent.</summary>
    public SourcePosition PositionOf(string key) => Get(key)?.Position ?? Position;

    /// <summary>An inner object; empty when absent, so that its defaults apply.</summary>
    public Section Child(string key)
    {
        switch (Get(key))
        {
            case null: return Empty(key);
            case HoconObject inner: return new Section(inner, PathOf(key), report);
            case { } other:
                WrongKind(PathOf(key), other, "{ ... }");
                return Empty(key);
        }
    }

    /// <summary>An inner object that may be off: null when absent or off, empty for <c>on</c>.</summary>
    public Section? OptionalChild(string key)
    {
        switch (Get(key))
        {
            case null: return null;
            case HoconScalar scalar when ConfigurationNames.TryFlag(scalar.Text, out bool on): return on ? Empty(key) : null;
            case HoconObject: return Child(key);
            case { } other:
                WrongKind(PathOf(key), other, "off or { ... }");
                return null;
        }
    }

    /// <summary>The entries of an object whose keys are names.</summary>
    public IEnumerable<(string Name, SourcePosition Position, Section Entry)> Named(string key)
    {
        if (Get(key) is not { } value) yield break;
        if (value is not HoconObject named)
        {
            WrongKind(PathOf(key), value, "{ name { ... } }");
            yield break;
        }
        foreach (var field in named.Fields)
        {
            string child = HoconPath.Child(PathOf(key), field.Key);
            if (field.Value is HoconScalar { IsNull: true }) continue;
            if (field.Value is HoconObject inner)
            {
                yield return (field.Key, field.KeyPosition, new Section(inner, child, report));
                continue;
            }
            WrongKind(child, field.Value, "{ ... }");
        }
    }

    /// <summary>
    /// The elements of an array, without nulls; a single scalar is an array of one, and numeric keys make an array. Null when absent.
    /// </summary>
    public List<(string Path, HoconValue Value)>? Elements(string key)
    {
        var value = Get(key);
        if (value is null) return null;
        var array = value as HoconArray ?? (value as HoconObject)?.ToArray();
        if (array is null && value is HoconScalar) return [(PathOf(key), value)];
        if (array is null)
        {
            WrongKind(PathOf(key), value, "[ ... ]");
            return [];
        }
        var result = new List<(string, HoconValue)>(array.Elements.Length);
        for (int i = 0; i < array.Elements.Length; i++)
        {
            if (array.Elements[i] is HoconScalar { IsNull: true }) continue;
            result.Add((HoconPath.Element(PathOf(key), i), array.Elements[i]));
        }
        return result;
    }

    public void Error(string key, HoconValue value, string reason) => report.Error(value, PathOf(key), reason);

    /// <summary>Reports a missing key at the section's position, unless it may be in what could not be read.</summary>
    public void Missing(string key, string reason = "is required")
    {
        if (!report.Incomplete) report.Error(Position, PathOf(key), null, reason);
    }

    /// <summary>Reports keys of earlier releases, with what to write instead.</summary>
    public void Gone(string reason, params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
        {
            if (fields.Find(key) is not { } field) continue;
            _gone.Add(key);
            report.Error(field.KeyPosition, PathOf(key), null, reason);
        }
    }

    /// <summary>Reports the keys that were never looked up, each with the nearest known one.</summary>
    public void Close()
    {
        foreach (var field in fields.Fields)
        {
            if (_known.Contains(field.Key) || _gone.Contains(field.Key)) continue;
            report.Error(field.KeyPosition, PathOf(field.Key), null, $"unknown key; {KeyHints.Of(field.Key, _known)}");
        }
    }

    /// <summary>Without the value, which could be a secret of the block that belongs there.</summary>
    private void WrongKind(string at, HoconValue value, string expected) =>
        report.Error(value.Position, at, null, $"is {value.Kind}, but {expected} is expected");

    private Section Empty(string key) => new(new HoconObject(PositionOf(key), []), PathOf(key), report);

    private void Know(string key)
    {
        if (_known.Contains(key)) return;
        _known.Add(key);
        report.Know(PathOf(key), fields.Find(key)?.Value.Position);
    }
}
