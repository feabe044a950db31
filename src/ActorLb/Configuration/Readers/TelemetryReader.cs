using System.Globalization;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>The <c>telemetry</c> block.</summary>
internal static class TelemetryReader
{
    private static OtlpOptions Default => TelemetryOptions.Default.Otlp;

    public static TelemetryOptions Read(Section section)
    {
        var otlp = section.Child("otlp");
        var endpoint = Endpoint(otlp);
        var protocol = otlp.Choice("protocol", Default.Protocol, ConfigurationNames.OtlpProtocols);
        if (protocol == OtlpProtocol.Grpc && endpoint is { AbsolutePath.Length: > 1 } && otlp.Get("endpoint") is { } value)
        {
            otlp.Error("endpoint", value, "has a path, which gRPC does not use");
        }
        var interval = otlp.Duration("interval", Default.Interval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        string? headers = otlp.ReadableFile("headers-file");
        var traces = otlp.Child("traces");
        double sample = Sample(traces);
        traces.Close();
        otlp.Close();
        section.Close();
        return new TelemetryOptions(new OtlpOptions(endpoint, protocol, interval, headers, sample));
    }

    /// <summary>As written in the configuration.</summary>
    public static string Percent(double sample) => string.Create(CultureInfo.InvariantCulture, $"{Math.Round(sample * 100, 6)}%");

    private static Uri? Endpoint(Section section)
    {
        var scalar = section.Scalar("endpoint", "a URL such as http://collector:4318");
        if (scalar is null || (ConfigurationNames.TryFlag(scalar.Text, out bool on) && !on)) return null;
        bool isUrl = Uri.TryCreate(scalar.Text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.Host.Length > 0;
        if (isUrl && url!.UserInfo.Length == 0 && url.Query.Length == 0 && url.Fragment.Length == 0) return url;
        if (isUrl && url!.UserInfo.Length > 0)
        {
            // It would be shown wherever the configuration is.
            section.Report.Error(scalar.Position, section.PathOf("endpoint"), AddressUrl.Mask(scalar.Text), "contains credentials: put them into headers-file");
        }
        else
        {
            section.Error("endpoint", scalar, "is not a URL such as http://collector:4318");
        }

        return null;
    }

    private static double Sample(Section section)
    {
        var scalar = section.Scalar("sample", "a percentage such as 1%");
        if (scalar is null) return Default.Sample;
        if (ConfigurationNames.TryFlag(scalar.Text, out bool on) && !on) return 0;
        string text = scalar.Text.Trim();
        bool isNumber = double.TryParse(text.TrimEnd('%').Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double percent);
        if (isNumber && text.EndsWith('%') && percent is >= 0 and <= 100) return percent / 100;
        section.Error("sample", scalar, isNumber && !text.EndsWith('%') ? "lacks its percent sign, as in 1%" : "is not a percentage from 0% to 100%");
        return Default.Sample;
    }
}
