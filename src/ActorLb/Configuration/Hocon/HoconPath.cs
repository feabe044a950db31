using System.Globalization;
using System.Text;
using ActorLb.Protocol.Text;

namespace ActorLb.Configuration.Hocon;

/// <summary>Paths as text, for messages and rendered keys.</summary>
internal static class HoconPath
{
    public static string Child(string path, string key) => path.Length == 0 ? Quote(key) : $"{path}.{Quote(key)}";

    public static string Element(string path, int index) => $"{path}[{index}]";

    public static string Render(IEnumerable<string> elements) => string.Join('.', elements.Select(Quote));

    /// <summary>The key as it can be written in a file: quoted unless it has only letters, digits, hyphens and underscores.</summary>
    public static string Quote(string key) =>
        key.Length > 0 && key != "include" && key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') ? key : QuoteText(key);

    /// <summary>A JSON string ("Unchanged from JSON").</summary>
    public static string QuoteText(string text)
    {
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                _ when char.IsControl(c) => quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => quoted.Append(c),
            };
        }
        return SafeText.OfDocument(quoted.Append('"').ToString());
    }

    public static bool TryIndex(string key, out int index) =>
        int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out index);
}
