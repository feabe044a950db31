using ActorLb.Configuration.Hocon;

namespace ActorLb.Tests.Configuration.Hocon;

/// <summary>Reads HOCON and shows it as compact JSON; numbers keep the text of the file.</summary>
internal static class HoconText
{
    public static string Json(string text, params ReadOnlySpan<(string Name, string Value)> environment) =>
        Json(Read(text, environment));

    public static string Json(HoconValue value) => value switch
    {
        HoconObject fields => "{" + string.Join(",", fields.Fields.Select(f => $"{HoconPath.QuoteText(f.Key)}:{Json(f.Value)}")) + "}",
        HoconArray array => "[" + string.Join(",", array.Elements.Select(Json)) + "]",
        HoconScalar { ScalarKind: ScalarKind.String } scalar => HoconPath.QuoteText(scalar.Text),
        HoconScalar scalar => scalar.Text,
        _ => throw new InvalidOperationException(),
    };

    public static HoconObject Read(string text, params ReadOnlySpan<(string Name, string Value)> environment)
    {
        var result = HoconReader.ReadText(text, "test.conf", Environment(environment));
        Assert.Null(result.Error);
        return result.Root!;
    }

    public static string Error(string text)
    {
        var result = HoconReader.ReadText(text, "test.conf", Environment([]));
        Assert.Null(result.Root);
        return result.Error!.ToString();
    }

    private static Dictionary<string, string> Environment(ReadOnlySpan<(string Name, string Value)> environment)
    {
        var result = new Dictionary<string, string>();
        foreach ((string name, string value) in environment) result.Add(name, value);
        return result;
    }
}
