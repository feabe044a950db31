using System.Globalization;
using ActorLb.Protocol.Text;

namespace ActorLb.Cli.Output;

/// <summary>Formats values for tables: text from clients, numbers, sizes, times.</summary>
internal static class Printable
{
    /// <summary>Safe for a terminal, since clients choose their ids. A dash for null.</summary>
    public static string Of(string? text) => text is null ? "-" : SafeText.Of(text);

    public static string Of(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Such as 1.5 MB, in powers of 1,000.</summary>
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
        var time = TimeSpan.FromSeconds(seconds);
        return time switch
        {
            { TotalDays: >= 1 } => $"{(int)time.TotalDays}d {time.Hours}h",
            { TotalHours: >= 1 } => $"{time.Hours}h {time.Minutes}m",
            _ => $"{time.Minutes}m {time.Seconds}s",
        };
    }
}
