using System.Text.RegularExpressions;

namespace ActorLb.Protocol.CommandLine;

/// <summary>Rewrites the parser's messages about a command line without the .NET type names in them.</summary>
public static partial class UsageText
{
    /// <param name="message">The parser's message.</param>
    public static string Of(string message)
    {
        var match = Conversion().Match(message);
        if (!match.Success) return Blanks().Replace(message, " ");
        string value = match.Groups["value"].Value, name = match.Groups["name"].Value, type = match.Groups["type"].Value;
        string option = name.StartsWith('-') ? $"{name}: " : "";
        bool tooLarge = type.Contains("Int", StringComparison.Ordinal) && value.Length > 9 && value.TrimStart('-', '+').All(char.IsAsciiDigit);
        return tooLarge ? $"{option}'{value}' is too large a number" : $"{option}'{value}' is not {Expected(type)}";
    }

    private static string Expected(string type) => type switch
    {
        _ when type.Contains("Int", StringComparison.Ordinal) || type.Contains("Byte", StringComparison.Ordinal) => "a whole number",
        _ when type.Contains("Double", StringComparison.Ordinal) || type.Contains("Single", StringComparison.Ordinal) || type.Contains("Decimal", StringComparison.Ordinal) => "a number such as 10 or 0.5",
        _ when type.Contains("Boolean", StringComparison.Ordinal) => "true or false",
        _ when type.Contains("Uri", StringComparison.Ordinal) => "an address such as http://127.0.0.1:8888",
        _ when type.Contains("TimeSpan", StringComparison.Ordinal) => "a duration such as 500ms, 10s, 5m or 1h",
        _ => "a valid value",
    };

    [GeneratedRegex("^Cannot parse argument '(?<value>.*)' for (option|command) '(?<name>.*)' as expected type '(?<type>.*)'\\.$", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Conversion();

    /// <summary>The parser lists values on separate lines.</summary>
    [GeneratedRegex(@"[\t\r\n]+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Blanks();
}
