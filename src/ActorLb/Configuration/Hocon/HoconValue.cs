using System.Collections.Immutable;

namespace ActorLb.Configuration.Hocon;

internal enum ScalarKind { Null, Boolean, Number, String }

/// <summary>A resolved value and where it was written.</summary>
internal abstract class HoconValue(SourcePosition position)
{
    public SourcePosition Position { get; } = position;

    /// <summary>Its kind, for messages: "a string", "an object".</summary>
    public abstract string Kind { get; }
}

/// <summary>Anything but an array or an object; a number keeps its text.</summary>
internal sealed class HoconScalar(SourcePosition position, ScalarKind kind, string text) : HoconValue(position)
{
    public ScalarKind ScalarKind { get; } = kind;

    public string Text { get; } = text;

    /// <summary>Whether its first and last parts are written without quotes.</summary>
    public (bool First, bool Last) Unquoted { get; init; }

    public bool IsNull => ScalarKind == ScalarKind.Null;

    public override string Kind => ScalarKind switch
    {
        ScalarKind.Null => "null",
        ScalarKind.Boolean => "a boolean",
        ScalarKind.Number => "a number",
        _ => "a string",
    };
}

internal sealed class HoconArray(SourcePosition position, ImmutableArray<HoconValue> elements) : HoconValue(position)
{
    public ImmutableArray<HoconValue> Elements { get; } = elements;

    public override string Kind => "an array";
}

internal sealed record HoconField(string Key, SourcePosition KeyPosition, HoconValue Value);

/// <summary>Fields in the order of their first occurrence.</summary>
internal sealed class HoconObject : HoconValue
{
    private readonly Dictionary<string, HoconField> _byKey = [];

    public HoconObject(SourcePosition position, ImmutableArray<HoconField> fields) : base(position)
    {
        Fields = fields;
        foreach (var field in fields) _byKey.Add(field.Key, field);
    }

    public ImmutableArray<HoconField> Fields { get; }

    public override string Kind => "an object";

    public HoconField? Find(string key) => _byKey.GetValueOrDefault(key);

    /// <summary>
    /// The values of the keys that are numbers, in numeric order ("Conversion of numerically-indexed objects to arrays");
    /// null when there is none.
    /// </summary>
    public HoconArray? ToArray()
    {
        var elements = Fields.Where(f => HoconPath.TryIndex(f.Key, out _))
            .OrderBy(f => HoconPath.TryIndex(f.Key, out int i) ? i : 0)
            .Select(f => f.Value)
            .ToImmutableArray();
        return elements.IsEmpty ? null : new HoconArray(Position, elements);
    }
}
