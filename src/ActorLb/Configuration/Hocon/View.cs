namespace ActorLb.Configuration.Hocon;

/// <summary>A value whose kind is known but whose inner values are not resolved yet: objects may refer to parts of themselves.</summary>
internal abstract class View
{
    public abstract string Kind { get; }
}

internal sealed class ScalarView(HoconScalar value) : View
{
    public HoconScalar Value { get; } = value;

    public override string Kind => Value.Kind;
}

internal sealed class ArrayView(SourcePosition position, List<Syntax> elements) : View
{
    public SourcePosition Position { get; } = position;

    public List<Syntax> Elements { get; } = elements;

    public override string Kind => "an array";
}

/// <param name="layers">Objects to merge, lowest first, never empty.</param>
internal sealed class ObjectView(List<ObjectSyntax> layers) : View
{
    public List<ObjectSyntax> Layers { get; } = layers;

    public override string Kind => "an object";
}
