using System.Text;

namespace ActorLb.Configuration.Hocon;

/// <summary>Joins strings, arrays or objects ("Value concatenation").</summary>
internal static class HoconConcatenation
{
    public static ScalarSyntax JoinLiterals(SourcePosition position, string path, List<Syntax> parts, List<string> spaces)
    {
        var text = new StringBuilder();
        for (int i = 0; i < parts.Count; i++)
        {
            AppendText(text, i == 0 ? "" : spaces[i], ((ScalarSyntax)parts[i]).Value.Text, position, path);
        }
        return new ScalarSyntax(new HoconScalar(position, ScalarKind.String, text.ToString())
        {
            Unquoted = (((ScalarSyntax)parts[0]).Value.Unquoted.First, ((ScalarSyntax)parts[^1]).Value.Unquoted.Last),
        });
    }

    /// <param name="views">One per part; null for an undefined one.</param>
    public static View? Join(ConcatenationSyntax concatenation, View?[] views)
    {
        if (Array.TrueForAll(views, v => v is null)) return null;
        if (Array.Exists(views, v => v is ScalarView)) return JoinText(concatenation, views);
        return Array.Exists(views, v => v is ArrayView) ? JoinArrays(concatenation, views) : JoinObjects(views);
    }

    private static ScalarView JoinText(ConcatenationSyntax concatenation, View?[] views)
    {
        var text = new StringBuilder();
        for (int i = 0; i < views.Length; i++)
        {
            if (views[i] is not (null or ScalarView))
            {
                throw new HoconException(
                    concatenation.Parts[i].Position, concatenation.Path, $"{views[i]!.Kind} cannot be joined with a string");
            }
            string part = views[i] is ScalarView scalar ? scalar.Value.Text : "";
            AppendText(text, i == 0 ? "" : concatenation.Spaces[i], part, concatenation.Position, concatenation.Path);
        }
        return new ScalarView(new HoconScalar(concatenation.Position, ScalarKind.String, text.ToString())
        {
            Unquoted = (concatenation.Parts[0] is ScalarSyntax { Value.Unquoted.First: true }, concatenation.Parts[^1] is ScalarSyntax { Value.Unquoted.Last: true }),
        });
    }

    private static ArrayView JoinArrays(ConcatenationSyntax concatenation, View?[] views)
    {
        var elements = new List<Syntax>();
        for (int i = 0; i < views.Length; i++)
        {
            if (views[i] is null) continue;
            var array = AsArray(views[i]!)
                ?? throw new HoconException(
                    concatenation.Parts[i].Position, concatenation.Path, $"{views[i]!.Kind} cannot be joined with an array");
            elements.AddRange(array.Elements);
        }
        return new ArrayView(concatenation.Position, elements);
    }

    private static ObjectView JoinObjects(View?[] views) =>
        new([.. views.OfType<ObjectView>().SelectMany(v => v.Layers)]);

    /// <summary>An object with numeric keys converts to an array where one is needed; null when the view is neither.</summary>
    public static ArrayView? AsArray(View view)
    {
        if (view is ArrayView array) return array;
        if (view is not ObjectView objects) return null;
        var byIndex = new SortedDictionary<int, List<Syntax>>();
        foreach (var layer in objects.Layers)
        {
            foreach ((string key, var field) in layer.Fields)
            {
                if (!HoconPath.TryIndex(key, out int index)) continue;
                if (!byIndex.TryGetValue(index, out var layers)) byIndex.Add(index, layers = []);
                layers.AddRange(field.Layers);
            }
        }
        if (byIndex.Count == 0) return null;
        var position = objects.Layers[0].Position;
        return new ArrayView(position, [.. byIndex.Values.Select(l => new LayeredSyntax(l[^1].Position, l))]);
    }

    private static void AppendText(StringBuilder text, string space, string part, SourcePosition position, string path)
    {
        if (text.Length + space.Length + part.Length > HoconLimits.StringLength)
        {
            throw new HoconException(position, path, $"the string is longer than {HoconLimits.StringLength} characters");
        }
        text.Append(space).Append(part);
    }
}
