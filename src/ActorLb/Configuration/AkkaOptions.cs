using ActorLb.Configuration.Effective;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration;

/// <summary>
/// The file's top-level block <c>akka</c>, resolved. Akka's own parser never sees what the user wrote: it crashes the process on a cyclic
/// substitution and silently accepts an unclosed brace.
/// </summary>
public sealed class AkkaOptions
{
    internal static readonly AkkaOptions None = new(null);

    private readonly HoconObject? _fields;

    internal AkkaOptions(HoconObject? _fields)
    {
        this._fields = _fields;
    }

    internal bool IsEmpty => _fields is null;

    /// <summary>Plain HOCON for Akka: no substitutions, no includes, all texts quoted.</summary>
    internal string ToHocon()
    {
        var writer = new ConfigurationWriter(showSecrets: true);
        Write(writer);
        return writer.ToString();
    }

    internal void Write(ConfigurationWriter writer)
    {
        if (_fields is not null) WriteObject(writer, "akka", _fields);
    }

    private static void WriteObject(ConfigurationWriter writer, string key, HoconObject value)
    {
        writer.Begin(key);
        foreach (var field in value.Fields)
        {
            if (field.Value is HoconObject { Fields.IsEmpty: false } inner) WriteObject(writer, field.Key, inner);
            else writer.Raw(field.Key, Inline(field.Value), IsSecret(field.Key));
        }
        writer.End();
    }

    private static string Inline(HoconValue value) => value switch
    {
        HoconArray array => $"[{string.Join(", ", array.Elements.Select(Inline))}]",
        HoconObject inner => $"{{{string.Join(", ", inner.Fields.Select(f => $"{HoconPath.Quote(f.Key)} = {Inline(f.Value)}"))}}}",
        HoconScalar { IsNull: false } scalar => HoconPath.QuoteText(scalar.Text),
        _ => "null",
    };

    private static bool IsSecret(string key) =>
        key.Contains("password", StringComparison.OrdinalIgnoreCase) || key.Contains("secret", StringComparison.OrdinalIgnoreCase);
}
