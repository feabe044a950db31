using System.Globalization;

namespace ActorLb.Configuration.Hocon;

/// <summary>"Units format", "Duration format" and "Size in bytes format".</summary>
internal static class HoconUnits
{
    private const long Day = 24L * 3600 * 1_000_000_000;

    /// <summary>Nanoseconds of a duration unit, zero when unknown; units are lower case.</summary>
    private static long NanosecondsOf(string unit) => unit switch
    {
        "ns" or "nano" or "nanos" or "nanosecond" or "nanoseconds" => 1,
        "us" or "micro" or "micros" or "microsecond" or "microseconds" => 1_000,
        "" or "ms" or "milli" or "millis" or "millisecond" or "milliseconds" => 1_000_000,
        "s" or "second" or "seconds" => 1_000_000_000,
        "m" or "minute" or "minutes" => 60L * 1_000_000_000,
        "h" or "hour" or "hours" => 3600L * 1_000_000_000,
        "d" or "day" or "days" => Day,
        _ => 0,
    };

    /// <summary>Bytes of a size unit, zero when unknown. One letter is a power of two; <c>kB</c> and the like are powers of ten.</summary>
    private static decimal BytesOf(string unit)
    {
        if (unit is "" or "B" or "b" or "byte" or "bytes") return 1;
        (string Letter, string Ten, string Two)[] prefixes =
        [
            ("k", "kilo", "kibi"), ("m", "mega", "mebi"), ("g", "giga", "gibi"), ("t", "tera", "tebi"),
            ("p", "peta", "pebi"), ("e", "exa", "exbi"), ("z", "zetta", "zebi"), ("y", "yotta", "yobi"),
        ];
        decimal two = 1, ten = 1;
        foreach ((string letter, string longTen, string longTwo) in prefixes)
        {
            two *= 1024;
            ten *= 1000;
            string upper = letter.ToUpperInvariant();
            if (unit == (letter == "k" ? "kB" : upper + "B") || unit == longTen + "byte" || unit == longTen + "bytes") return ten;
            if (unit == letter || unit == upper || unit == upper + "i" || unit == upper + "iB") return two;
            if (unit == longTwo + "byte" || unit == longTwo + "bytes") return two;
        }
        return 0;
    }

    /// <summary>Milliseconds without a unit. <paramref name="unit"/> says whether one was given.</summary>
    public static bool TryDuration(string text, out TimeSpan duration, out string unit)
    {
        duration = default;
        if (!TrySplit(text, out decimal number, out unit) || NanosecondsOf(unit) is not (> 0 and long each)) return false;
        if (Math.Abs(number) > (decimal)TimeSpan.MaxValue.Ticks * 100 / each) return false;
        duration = TimeSpan.FromTicks((long)Math.Round(number * each / 100, MidpointRounding.AwayFromZero));
        return true;
    }

    /// <summary>Bytes without a unit.</summary>
    public static bool TrySize(string text, out long bytes)
    {
        bytes = 0;
        if (!TrySplit(text, out decimal number, out string unit) || BytesOf(unit) is not (> 0 and decimal each)) return false;
        if (Math.Abs(number) > long.MaxValue / each) return false;
        bytes = (long)(number * each);
        return true;
    }

    /// <summary>The shortest text that gives the same duration when read.</summary>
    public static string FormatDuration(TimeSpan duration)
    {
        long ticks = duration.Ticks;
        (long Ticks, string Unit)[] units =
        [
            (TimeSpan.TicksPerDay, "d"), (TimeSpan.TicksPerHour, "h"), (TimeSpan.TicksPerMinute, "m"),
            (TimeSpan.TicksPerSecond, "s"), (TimeSpan.TicksPerMillisecond, "ms"), (TimeSpan.TicksPerMicrosecond, "us"),
        ];
        if (ticks == 0) return "0s";
        foreach ((long each, string unit) in units)
        {
            if (ticks % each == 0) return $"{ticks / each}{unit}";
        }
        return $"{ticks * 100}ns";
    }

    public static string FormatSize(long bytes)
    {
        (int Shift, string Unit)[] units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        foreach ((int shift, string unit) in units)
        {
            if (bytes != 0 && bytes % (1L << shift) == 0) return $"{bytes >> shift}{unit}";
        }
        return $"{bytes}B";
    }

    private static bool TrySplit(string text, out decimal number, out string unit)
    {
        var trimmed = text.AsSpan().Trim();
        int end = trimmed.Length;
        while (end > 0 && char.IsLetter(trimmed[end - 1])) end--;
        unit = trimmed[end..].ToString();
        var digits = trimmed[..end].TrimEnd();
        number = 0;
        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return HoconScanner.IsNumber(digits) && decimal.TryParse(digits, Style, CultureInfo.InvariantCulture, out number);
    }
}
