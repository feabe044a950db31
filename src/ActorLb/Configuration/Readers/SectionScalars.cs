using System.Globalization;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>Scalar values of a section, validated: an invalid value is reported and replaced by the default.</summary>
internal static class SectionScalars
{
    /// <summary>Null when absent or not a scalar.</summary>
    public static HoconScalar? Scalar(this Section section, string key, string expected)
    {
        var value = section.Get(key);
        if (value is null or HoconScalar) return value as HoconScalar;
        section.Error(key, value, $"is {value.Kind}, but {expected} is expected");
        return null;
    }

    /// <summary>A non-empty text; null when absent.</summary>
    public static string? OptionalText(this Section section, string key)
    {
        var scalar = section.Scalar(key, "a text");
        if (scalar is null) return null;
        if (scalar.Text.Length > 0) return scalar.Text;
        section.Error(key, scalar, "is empty");
        return null;
    }

    public static string Text(this Section section, string key, string absent) => section.OptionalText(key) ?? absent;

    public static bool Flag(this Section section, string key, bool absent)
    {
        var scalar = section.Scalar(key, "on or off");
        if (scalar is null) return absent;
        if (ConfigurationNames.TryFlag(scalar.Text, out bool value)) return value;
        section.Error(key, scalar, "is neither on nor off");
        return absent;
    }

    public static int Integer(this Section section, string key, int absent, int min, int max, string? word = null)
    {
        string expected = word is null ? $"a whole number from {min} to {max}" : $"{word} or a whole number from {min} to {max}";
        var scalar = section.Scalar(key, expected);
        if (scalar is null || scalar.Text == word) return absent;
        if (TryInteger(scalar.Text, min, max, out int value)) return value;
        section.Error(key, scalar, $"is not {expected}");
        return absent;
    }

    public static bool TryInteger(string text, int min, int max, out int value) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value) && value >= min && value <= max;

    /// <param name="offIsZero">Whether <c>off</c> may stand for zero.</param>
    public static TimeSpan Duration(
        this Section section, string key, TimeSpan absent, TimeSpan min, TimeSpan max, bool offIsZero = false)
    {
        var scalar = section.Scalar(key, "a duration such as 10s");
        return scalar is null ? absent : section.ParseDuration(key, scalar, absent, min, max, offIsZero);
    }

    /// <summary>A number without a unit would mean milliseconds in HOCON and seconds in NGINX; only zero needs no unit.</summary>
    public static TimeSpan ParseDuration(
        this Section section, string key, HoconScalar scalar, TimeSpan absent, TimeSpan min, TimeSpan max, bool offIsZero)
    {
        if (offIsZero && ConfigurationNames.TryFlag(scalar.Text, out bool on) && !on) return TimeSpan.Zero;
        if (!HoconUnits.TryDuration(scalar.Text, out var value, out string unit))
        {
            section.Error(key, scalar, "is not a duration such as 500ms, 10s, 5m, 1h or 1d");
        }
        else if (unit.Length == 0 && value != TimeSpan.Zero)
        {
            section.Error(key, scalar, $"lacks a unit, such as {scalar.Text.Trim()}s");
        }
        else if ((value < min || value > max) && !(offIsZero && value == TimeSpan.Zero))
        {
            section.Error(
                key, scalar, $"is not within {HoconUnits.FormatDuration(min)} to {HoconUnits.FormatDuration(max)}{(offIsZero ? " or off" : "")}");
        }
        else
        {
            return value;
        }
        return absent;
    }

    public static long Size(this Section section, string key, long absent, long min, long max, bool offIsZero = false)
    {
        var scalar = section.Scalar(key, "a size such as 64KiB");
        if (scalar is null) return absent;
        if (offIsZero && ConfigurationNames.TryFlag(scalar.Text, out bool on) && !on) return 0;
        if (!HoconUnits.TrySize(scalar.Text, out long value))
        {
            section.Error(key, scalar, "is not a size such as 65536, 64KiB or 1MiB");
            return absent;
        }
        if ((value >= min && value <= max) || (offIsZero && value == 0)) return value;
        section.Error(
            key, scalar, $"is not within {HoconUnits.FormatSize(min)} to {HoconUnits.FormatSize(max)}{(offIsZero ? " or off" : "")}");
        return absent;
    }

    public static T Choice<T>(this Section section, string key, T absent, (string Name, T Value)[] names) where T : struct, Enum
    {
        var scalar = section.Scalar(key, $"one of {ConfigurationNames.List(names)}");
        if (scalar is null) return absent;
        if (ConfigurationNames.TryFind(names, scalar.Text, out var value)) return value;
        string? meant = KeyHints.Value(scalar.Text, [.. names.Select(n => n.Name)]);
        section.Error(key, scalar, $"is not one of {ConfigurationNames.List(names)}{(meant is null ? "" : $"; did you mean '{meant}'?")}");
        return absent;
    }

    /// <summary>A template; null when absent or invalid.</summary>
    /// <param name="secret">Keep the text out of messages.</param>
    public static Template? Template(this Section section, string key, bool secret = false)
    {
        var scalar = section.Scalar(key, "a text");
        if (scalar is null) return null;
        string? reason = "is empty";
        if (scalar.Text.Length > 0 && Configuration.Template.TryParse(scalar.Text, out var template, out reason)) return template;
        if (secret) section.Report.Error(scalar.Position, section.PathOf(key), null, "is not a valid template (its text is kept secret)");
        else section.Error(key, scalar, scalar.Text.Length == 0 ? "is empty" : $"is not a valid template: {reason}");
        return null;
    }
}
