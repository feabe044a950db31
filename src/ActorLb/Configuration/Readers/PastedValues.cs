using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>Finds values that are valid HOCON but probably not meant: with another format's quotes, line ends or list marks.</summary>
internal static class PastedValues
{
    public static void Check(HoconValue value, string path, ConfigurationReport report)
    {
        switch (value)
        {
            case HoconObject fields:
                foreach (var field in fields.Fields) Check(field.Value, HoconPath.Child(path, field.Key), report);
                break;
            case HoconArray array:
                for (int i = 0; i < array.Elements.Length; i++) Check(array.Elements[i], HoconPath.Element(path, i), report);
                break;
            case HoconScalar scalar when Problem(scalar) is { } problem:
                report.Spoil(scalar.Position, path, problem);
                break;
        }
    }

    /// <summary>Without the value, which could be a secret.</summary>
    private static string? Problem(HoconScalar scalar)
    {
        (bool first, bool last) = scalar.Unquoted;
        string text = scalar.Text;
        string bare = last ? text.TrimEnd(';') : text;
        if (first && last && bare is ['\'', _, .., '\'']) return "is in single quotes, which HOCON does not have: use double quotes";
        if (last && text.EndsWith(';')) return "ends with ';', which HOCON reads as part of the value: leave it out";
        return first && text.StartsWith("- ", StringComparison.Ordinal) ? "starts with '- ', as in YAML: write a list as [ \"a\", \"b\" ]" : null;
    }
}
