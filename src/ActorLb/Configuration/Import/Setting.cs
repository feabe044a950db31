using System.Globalization;
using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import;

/// <summary>Sets keys from a directive's words, within the keys' limits, and reports values that are invalid or out of range.</summary>
internal static class Setting
{
    public static readonly TimeSpan Hour = TimeSpan.FromHours(1), Day = TimeSpan.FromDays(1);

    /// <param name="most">A longer time is limited to this, and reported.</param>
    /// <param name="absent">The default.</param>
    public static void Time(this Draft draft, string key, Directive from, string text, TimeSpan? time, TimeSpan most, string? absent, TimeSpan? least = null, string? note = null)
    {
        var shortest = least ?? TimeSpan.FromMilliseconds(1);
        if (time is not { } value)
        {
            from.Report($"'{text}' is not a time: set {key} by hand");
            return;
        }
        if (value < shortest || value > most)
        {
            var cut = value < shortest ? shortest : most;
            from.Report($"{key} must be from {Units.Show(shortest)} to {Units.Show(most)}: {Units.Show(cut)} is written instead of {text}");
            value = cut;
        }
        draft.Set(key, Units.Show(value), absent, from, note);
        from.Carry();
    }

    public static void Integer(this Draft draft, string key, Directive from, string text, int least, int most, string? absent, string? note = null)
    {
        if (text.Length > 0 && text.All(char.IsAsciiDigit))
        {
            bool fits = Units.Number(text) is { } number && number >= least && number <= most;
            string value = fits ? text.TrimStart('0') is { Length: > 0 } digits ? digits : "0" : (Units.Number(text) < least ? least : most).ToString(CultureInfo.InvariantCulture);
            if (!fits) from.Report($"{key} must be from {least} to {most}: {value} is written instead of {text}");
            draft.Set(key, value, absent, from, note);
            from.Carry();
            return;
        }
        from.Report($"'{text}' is not a number: set {key} by hand");
    }

    public static void Size(this Draft draft, string key, Directive from, string text, long least, long most, string? absent)
    {
        if (Units.Size(text) is not { } size)
        {
            from.Report($"'{text}' is not a size: set {key} by hand");
            return;
        }
        long cut = Math.Clamp(size, least, most);
        if (cut != size) from.Report($"{key} must be from {HoconUnits.FormatSize(least)} to {HoconUnits.FormatSize(most)}: {HoconUnits.FormatSize(cut)} is written instead of {text}");
        draft.Set(key, HoconUnits.FormatSize(cut), absent, from);
        from.Carry();
    }

    /// <summary>A file by its absolute path, since the result may be saved anywhere.</summary>
    public static string File(this Target target, string folder, string name)
    {
        string path = Path.GetFullPath(Path.Combine(folder, name));
        if (!target.Certificates.Contains(path)) target.Certificates.Add(path);
        return Units.Quote(path);
    }
}
