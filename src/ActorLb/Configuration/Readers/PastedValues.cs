using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>Values that are HOCON to the letter and hardly meant: with another format's quotes, ends of lines and marks of lists.</summary>
internal static class PastedValues
{
    public static void Check(HoconValue value, string path, ConfigurationReport report)
    {
        switch (value)
        {
            case HoconObject fields:
                foreach (HoconField field in fields.Fields) Check(field.Value, HoconPath.Child(path, field.Key), report);
                break;
            case HoconArray array:
                for (int i = 0; i < array.Elements.Length; i++) Check(array.Elements[i], HoconPath.Element(path, i), report);
                break;
            case HoconScalar scalar when Problem(scalar) is { } problem:
                report.Spoil(scalar.Position, path, problem);
                break;
        }
    }

    /// <summary>Without the value: it could be a secret.</summary>
    private static string? Problem(HoconScalar scalar)
    {
        (bool first, bool last) = scalar.Unquoted;
        string text = scalar.Text;
        string bare = last ? text.TrimEnd(';') : text;
        if (first && last && bare is ['\'', _, .., '\'']) return "is in single quotes, which HOCON has not: write it in double quotes";
        if (last && text.EndsWith(';')) return "ends with ';', which is a part of the value in HOCON: leave it out";
        return first && text.StartsWith("- ", StringComparison.Ordinal) ? "begins with '- ', as in YAML: write a list as [ \"a\", \"b\" ]" : null;
    }
}
