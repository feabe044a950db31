using System.Globalization;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Import;

/// <summary>Times and sizes as NGINX and HAProxy write them.</summary>
internal static class Units
{
    /// <summary>"10s", "1m30s", "500ms", "1h"; without a unit, seconds (ngx_parse_time).</summary>
    public static TimeSpan? NginxTime(string text) => Time(text, TimeSpan.FromSeconds(1), unit => unit switch
    {
        "ms" => TimeSpan.FromMilliseconds(1),
        "s" => TimeSpan.FromSeconds(1),
        "m" => TimeSpan.FromMinutes(1),
        "h" => TimeSpan.FromHours(1),
        "d" => TimeSpan.FromDays(1),
        "w" => TimeSpan.FromDays(7),
        "M" => TimeSpan.FromDays(30),
        "y" => TimeSpan.FromDays(365),
        _ => null,
    });

    /// <summary>"10s", "500ms", "1h"; without a unit, milliseconds (HAProxy's manual, 2.5).</summary>
    public static TimeSpan? HAProxyTime(string text, TimeSpan? each = null) => Time(text, each ?? TimeSpan.FromMilliseconds(1), unit => unit switch
    {
        "us" => TimeSpan.FromMicroseconds(1),
        "ms" => TimeSpan.FromMilliseconds(1),
        "s" => TimeSpan.FromSeconds(1),
        "m" => TimeSpan.FromMinutes(1),
        "h" => TimeSpan.FromHours(1),
        "d" => TimeSpan.FromDays(1),
        _ => null,
    });

    /// <summary>"64k", "3M", "1g", in powers of two; without a unit, bytes or entries.</summary>
    public static long? Size(string text)
    {
        if (text.Length == 0) return null;
        int shift = char.ToLowerInvariant(text[^1]) switch { 'k' => 10, 'm' => 20, 'g' => 30, _ => 0 };
        string number = shift == 0 ? text : text[..^1];
        return long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value <= long.MaxValue >> shift ? value << shift : null;
    }

    public static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;

    public static string Show(TimeSpan time) => HoconUnits.FormatDuration(time);

    public static string Quote(string text) => HoconPath.QuoteText(text);

    private static TimeSpan? Time(string text, TimeSpan bare, Func<string, TimeSpan?> unitOf)
    {
        decimal ticks = 0;
        int at = 0;
        while (at < text.Length)
        {
            int digits = at;
            while (digits < text.Length && char.IsAsciiDigit(text[digits])) digits++;
            int end = digits;
            while (end < text.Length && char.IsAsciiLetter(text[end])) end++;
            if (digits == at || digits - at > 15) return null;
            var unit = end == digits ? bare : unitOf(text[digits..end]);
            if (unit is null || (end == digits && end < text.Length)) return null;
            ticks += decimal.Parse(text.AsSpan(at, digits - at), CultureInfo.InvariantCulture) * unit.Value.Ticks;
            at = end;
        }
        return text.Length > 0 && ticks <= TimeSpan.MaxValue.Ticks ? TimeSpan.FromTicks((long)ticks) : null;
    }
}
