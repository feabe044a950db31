using System.Globalization;

namespace ActorLb.Protocol.CommandLine;

/// <summary>Rates as text: <c>50/s</c>, <c>600/m</c> or <c>1000/h</c>; a bare number is per second.</summary>
public static class RateText
{
    /// <summary>Such as "50/s".</summary>
    public static string Of(double perSecond) => string.Create(CultureInfo.InvariantCulture, $"{perSecond:0.###}/s");

    /// <returns>Per second; null unless the text is a rate above 0.</returns>
    public static double? Parse(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        double? unit = slash < 0 ? 1 : text[(slash + 1)..].Trim() switch { "s" => 1, "m" => 60, "h" => 3600, _ => null };
        if (unit is null) return null;
        string number = slash < 0 ? text : text[..slash];
        return double.TryParse(number.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) && value > 0 && double.IsFinite(value)
            ? value / unit.Value : null;
    }
}
