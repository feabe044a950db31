using System.Globalization;
using System.Text;

namespace ActorLb.Cli.Output;

/// <summary>Text that came from elsewhere, made safe for a terminal: a client chooses its id, and must not write escape sequences.</summary>
internal static class Printable
{
    public static string Of(string? text)
    {
        if (text is null) return "-";
        if (text.AsSpan().IndexOfAnyInRange('\0', '\u001f') < 0 && text.All(IsHarmless)) return text;
        var clean = new StringBuilder(text.Length + 16);
        foreach (char c in text)
        {
            if (IsHarmless(c)) clean.Append(c);
            else clean.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }
        return clean.ToString();
    }

    /// <summary>Neither a control nor one of the marks that turn the direction of writing around.</summary>
    private static bool IsHarmless(char c) =>
        !char.IsControl(c) && c is not ((>= '\u200b' and <= '\u200f') or (>= '\u2028' and <= '\u202e') or (>= '\u2066' and <= '\u2069') or '\ufeff');

    public static string Of(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Such as 1.5 MB: powers of 1,000.</summary>
    public static string Bytes(long bytes)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB"];
        double value = bytes;
        int unit = 0;
        while (value >= 999.95 && unit < units.Length - 1)
        {
            value /= 1000;
            unit++;
        }
        return unit == 0 ? $"{bytes} B" : string.Create(CultureInfo.InvariantCulture, $"{value:0.0} {units[unit]}");
    }

    /// <summary>Such as 2d 3h, 5m 12s or 1.5s: the two largest units.</summary>
    public static string Time(double seconds)
    {
        if (seconds < 60) return string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, seconds):0.#}s");
        TimeSpan time = TimeSpan.FromSeconds(seconds);
        return time switch
        {
            { TotalDays: >= 1 } => $"{(int)time.TotalDays}d {time.Hours}h",
            { TotalHours: >= 1 } => $"{time.Hours}h {time.Minutes}m",
            _ => $"{time.Minutes}m {time.Seconds}s",
        };
    }
}
