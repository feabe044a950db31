using System.CommandLine;
using System.Globalization;

namespace ActorLb.Cli;

/// <summary>Durations of the command line: a number with ms, s, m, h or d; without a unit, seconds.</summary>
internal static class Durations
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(365);

    public static Option<TimeSpan?> Option(string name, string description) => new(name)
    {
        Description = $"{description}; such as 90s, 10m, 1h, a plain number is seconds",
        HelpName = "DURATION",
        CustomParser = result =>
        {
            if (Parse(result.Tokens[0].Value) is { } duration) return duration;
            result.AddError($"{name}: '{result.Tokens[0].Value}' is no duration such as 90s, 10m or 1h");
            return null;
        },
    };

    /// <returns>Null when the text is no duration of at most a year.</returns>
    public static TimeSpan? Parse(string text)
    {
        string number = text.TrimEnd('m', 's', 'h', 'd');
        double? unit = text[number.Length..] switch { "ms" => 0.001, "" or "s" => 1, "m" => 60, "h" => 3600, "d" => 86_400, _ => null };
        if (unit is null || !double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)) return null;
        double seconds = value * unit.Value;
        return seconds <= Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }
}
