using System.Collections.Immutable;

namespace ActorLb.Configuration.Hocon;

/// <summary>The content of a file before substitutions are resolved.</summary>
internal abstract class Syntax(SourcePosition position)
{
    public SourcePosition Position { get; } = position;

    /// <summary>Contains no substitution.</summary>
    public abstract bool IsKnown { get; }
}

internal sealed class ScalarSyntax(HoconScalar value) : Syntax(value.Position)
{
    public HoconScalar Value { get; } = value;

    public override bool IsKnown => true;
}

internal sealed class ArraySyntax(SourcePosition position) : Syntax(position)
{
    public List<Syntax> Elements { get; } = [];

    public override bool IsKnown => Elements.TrueForAll(e => e.IsKnown);
}

internal sealed class ObjectSyntax(SourcePosition position) : Syntax(position)
{
    public OrderedDictionary<string, FieldSyntax> Fields { get; } = [];

    public override bool IsKnown => Fields.Values.All(f => f.Layers.TrueForAll(l => l.IsKnown));

    public void Add(string key, SourcePosition keyPosition, Syntax value)
    {
        if (!Fields.TryGetValue(key, out var field)) Fields.Add(key, field = new FieldSyntax(keyPosition));
        field.Add(value);
    }

    /// <summary>The other's fields override or merge ("Duplicate keys and object merging").</summary>
    public void Merge(ObjectSyntax other)
    {
        foreach ((string key, var field) in other.Fields)
        {
            foreach (var layer in field.Layers) Add(key, field.KeyPosition, layer);
        }
    }
}

/// <summary>
/// All definitions of one key that may still matter, in order. Objects merge at once; a substitution keeps its place between its
/// neighbours, since only its value decides whether it merges with what is below.
/// </summary>
internal sealed class FieldSyntax(SourcePosition keyPosition)
{
    public SourcePosition KeyPosition { get; } = keyPosition;

    public List<Syntax> Layers { get; } = [];

    public void Add(Syntax value)
    {
        var last = Layers.Count > 0 ? Layers[^1] : null;
        switch (value, last)
        {
            case (ScalarSyntax or ArraySyntax, _):
            case (ObjectSyntax, ScalarSyntax or ArraySyntax):
                Layers.Clear();
                Layers.Add(value);
                break;
            case (ObjectSyntax upper, ObjectSyntax lower): lower.Merge(upper); break;
            // An element that waits for a substitution may refer to the definitions below it, so it keeps its layer.
            case (AppendSyntax { IsKnown: true } append, ArraySyntax array): array.Elements.AddRange(append.Elements); break;
            case (AppendSyntax { IsKnown: true } append, AppendSyntax before): before.Elements.AddRange(append.Elements); break;
            default: Layers.Add(value); break;
        }
    }
}

/// <summary>Several definitions of one element, lowest first.</summary>
internal sealed class LayeredSyntax(SourcePosition position, List<Syntax> layers) : Syntax(position)
{
    public List<Syntax> Layers { get; } = layers;

    public override bool IsKnown => Layers.TrueForAll(l => l.IsKnown);
}

/// <summary><c>key += value</c>: elements appended to what the definitions below give.</summary>
internal sealed class AppendSyntax(SourcePosition position, string path) : Syntax(position)
{
    public string Path { get; } = path;

    public List<Syntax> Elements { get; } = [];

    /// <summary>One of its elements is being built: a look-up from there continues below it.</summary>
    public bool IsBuilding { get; set; }

    public override bool IsKnown => Elements.TrueForAll(e => e.IsKnown);
}

/// <summary>An element of <c>key += value</c>, in the array that this makes.</summary>
internal sealed class AppendedSyntax(AppendSyntax append, Syntax element) : Syntax(element.Position)
{
    public AppendSyntax Append { get; } = append;

    public Syntax Element { get; } = element;

    public override bool IsKnown => Element.IsKnown;
}

/// <summary>
/// A value that is known only when all files are read. It is resolved once and the result is kept, keyed by its occurrence, as the
/// specification requires ("Self-Referential Substitutions").
/// </summary>
internal abstract class DeferredSyntax(SourcePosition position, string path) : Syntax(position)
{
    /// <summary>Path of the value that contains it, for messages.</summary>
    public string Path { get; } = path;

    public bool IsResolved { get; set; }

    /// <summary>Null when undefined.</summary>
    public View? Resolved { get; set; }

    /// <summary>It is being looked up: a second look-up continues below it.</summary>
    public bool IsBusy { get; set; }

    /// <summary>Its value is being built: a second attempt means that it contains itself.</summary>
    public bool IsBuilding { get; set; }

    public override bool IsKnown => false;

    /// <summary>
    /// Removes an optional part by which the value would contain itself ("Self-Referential Substitutions": an optional
    /// substitution that cannot be resolved is like one to a missing value). False when there is none.
    /// </summary>
    public abstract bool TryWithdraw();
}

/// <param name="prefix">Where the root of the file is included; null within an array, which no path can address.</param>
/// <param name="list"><c>${NAME[]}</c>: the environment's NAME_0, NAME_1 and so on.</param>
internal sealed class SubstitutionSyntax(
    SourcePosition position, string path, ImmutableArray<string> target, ImmutableArray<string>? prefix, bool optional, bool list)
    : DeferredSyntax(position, path)
{
    public ImmutableArray<string> Target { get; } = target;

    public ImmutableArray<string>? Prefix { get; } = prefix;

    public bool IsOptional { get; } = optional;

    public bool IsList { get; } = list;

    public override bool TryWithdraw()
    {
        if (!IsOptional) return false;
        Resolved = null;
        IsResolved = true;
        return true;
    }

    public string Text => $"${{{(IsOptional ? "?" : "")}{HoconPath.Render(Target)}{(IsList ? "[]" : "")}}}";
}

/// <summary>Values on one line that are joined into one ("Value concatenation").</summary>
internal sealed class ConcatenationSyntax(SourcePosition position, string path, List<Syntax> parts, List<string> spaces)
    : DeferredSyntax(position, path)
{
    public List<Syntax> Parts { get; } = parts;

    /// <summary>The whitespace before each part, which strings keep.</summary>
    public List<string> Spaces { get; } = spaces;

    public override bool TryWithdraw()
    {
        bool any = false;
        foreach (var part in Parts)
        {
            if (part is SubstitutionSyntax { Resolved: ObjectView or ArrayView } substitution) any |= substitution.TryWithdraw();
        }
        IsResolved = !any;
        return any;
    }
}
