using System.Globalization;

namespace ActorLb.Server.Commands;

/// <summary>Durations on the command line: a number with ms, s, m or h; without a unit, seconds.</summary>
internal static class BenchDuration
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(49); // what a timer can wait for

    /// <returns>Null when the text is no duration from 0 to 49 days.</returns>
    public static TimeSpan? Parse(string text)
    {
        string number = text.TrimEnd('m', 's', 'h');
        double? unit = text[number.Length..] switch { "ms" => 0.001, "" or "s" => 1, "m" => 60, "h" => 3600, _ => null };
        if (unit is null) return null;
        if (!double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)) return null;
        double seconds = value * unit.Value;
        return seconds <= Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }
}
