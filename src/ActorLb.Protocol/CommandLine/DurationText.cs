using System.Globalization;

namespace ActorLb.Protocol.CommandLine;

/// <summary>Durations on the command line of both programs: a number with ms, s, m, h or d; without a unit, seconds.</summary>
public static class DurationText
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(49); // the longest time a timer supports

    /// <returns>Null unless the text is a duration from 0 to 49 days.</returns>
    public static TimeSpan? Parse(string text)
    {
        string number = text.TrimEnd('m', 's', 'h', 'd');
        double? unit = text[number.Length..] switch { "ms" => 0.001, "" or "s" => 1, "m" => 60, "h" => 3600, "d" => 86_400, _ => null };
        if (unit is null) return null;
        if (!double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)) return null;
        double seconds = value * unit.Value;
        return seconds <= Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }
}
