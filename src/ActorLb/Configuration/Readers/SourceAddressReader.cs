using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>The <c>source-addresses</c> of a pool: addresses with shares, like NGINX's <c>split_clients</c>.</summary>
internal static class SourceAddressReader
{
    public static ImmutableArray<SourceAddressOptions> Read(Section pool)
    {
        var result = ImmutableArray.CreateBuilder<SourceAddressOptions>();
        var seen = new HashSet<IPAddress>();
        foreach ((string path, var element) in pool.Elements("source-addresses") ?? [])
        {
            pool.Report.Locate(path, element.Position);
            var source = ReadElement(element, path, pool.Report);
            if (source is null) continue;
            if (!seen.Add(source.Address)) pool.Report.Error(element.Position, path, source.Address.ToString(), "is listed twice");
            result.Add(source);
        }
        CheckShares(pool, result);
        return result.ToImmutable();
    }

    private static void CheckShares(Section pool, ImmutableArray<SourceAddressOptions>.Builder sources)
    {
        if (sources.Count == 0) return;
        double sum = sources.Sum(s => s.Share ?? 0);
        bool open = sources.Any(s => s.Share is null);
        // Thirds are written as 33.3 %: a tenth of a percent per address is rounding.
        double rounding = 0.1 * sources.Count;
        string? problem = null;
        if (sum > 100.0001) problem = $"has shares of {Percent(sum)} in total, more than 100%";
        else if (open && sum > 99.9999) problem = "leaves nothing for the addresses without a share";
        else if (!open && sum < 100 - rounding) problem = $"has shares of {Percent(sum)} in total: leave one address without a share to take the rest";
        if (problem is not null) pool.Error("source-addresses", pool.Get("source-addresses")!, problem);
    }

    private static SourceAddressOptions? ReadElement(HoconValue element, string path, ConfigurationReport report)
    {
        if (element is HoconScalar scalar)
        {
            if (AddressText.TryAddress(scalar.Text, out var address)) return new SourceAddressOptions(address, null);
            report.Error(scalar, path, "is not an IP address");
            return null;
        }
        if (element is not HoconObject fields)
        {
            report.Error(element, path, $"is {element.Kind}, but an address or {{ address, share }} is expected");
            return null;
        }
        var section = new Section(fields, path, report);
        var text = section.Scalar("address", "an IP address");
        IPAddress? source = null;
        if (text is null && !section.Has("address")) section.Missing("address");
        else if (text is not null && AddressText.TryAddress(text.Text, out var parsed)) source = parsed;
        else if (text is not null) section.Error("address", text, "is not an IP address");
        double? share = Share(section);
        section.Close();
        return source is null ? null : new SourceAddressOptions(source, share);
    }

    private static double? Share(Section section)
    {
        var scalar = section.Scalar("share", "a percentage such as 20%");
        if (scalar is null) return null;
        var number = scalar.Text.AsSpan().TrimEnd('%').TrimEnd();
        const NumberStyles Style = NumberStyles.AllowDecimalPoint;
        if (double.TryParse(number, Style, CultureInfo.InvariantCulture, out double share) && share is >= 0 and <= 100) return share;
        section.Error("share", scalar, "is not a percentage from 0% to 100%");
        return null;
    }

    public static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{Math.Round(share, 4)}%");
}
