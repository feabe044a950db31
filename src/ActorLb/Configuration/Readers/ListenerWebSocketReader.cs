using System.Collections.Immutable;
using ActorLb.Configuration.Hocon;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Configuration.Readers;

/// <summary>The <c>websocket</c> block of a listener.</summary>
internal static class ListenerWebSocketReader
{
    public static ListenerWebSocketOptions? Read(Section? section)
    {
        if (section is null) return null;
        var result = new ListenerWebSocketOptions(
            ListenerReader.RequestPath(section, "path", ConfigurationDefaults.WebSocketPath),
            Hosts(section),
            Origins(section),
            PassHeaders(section),
            section.Networks("accept-forwarded-for"),
            (int)section.Size("max-frame-size", ConfigurationDefaults.MaxFrameSize, min: 1 << 10, max: 1 << 30),
            section.Size("max-message-size", ConfigurationDefaults.MaxMessageSize, min: 1 << 10, max: 1L << 40, offIsZero: true));
        section.Close();
        return result;
    }

    private static ImmutableArray<string> Hosts(Section section)
    {
        var hosts = ImmutableArray.CreateBuilder<string>();
        foreach ((string path, var scalar) in section.Scalars("hosts", "a host name"))
        {
            if (AddressText.IsHost(scalar.Text)) hosts.Add(scalar.Text);
            else section.Report.Error(scalar, path, "is not a host name without port");
        }
        return hosts.ToImmutable();
    }

    private static ImmutableArray<string> Origins(Section section)
    {
        var origins = ImmutableArray.CreateBuilder<string>();
        foreach ((string path, var scalar) in section.Scalars("origins", "an origin such as https://app.example.com"))
        {
            if (OriginOf(scalar.Text) is { } origin) origins.Add(origin);
            else section.Report.Error(scalar, path, "is not an origin such as https://app.example.com or http://localhost:3000");
        }
        return origins.ToImmutable();
    }

    /// <summary>As browsers write it (RFC 6454, 6.2): scheme and host in lower case, the port only if it is not the scheme's
    /// default.</summary>
    private static string? OriginOf(string text)
    {
        // The origin of pages without one, such as local files.
        if (text == "null") return text;
        int colon = text.IndexOf("://", StringComparison.Ordinal);
        if (colon <= 0 || !text[..colon].All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '.')) return null;
        string scheme = text[..colon].ToLowerInvariant(), host = text[(colon + 3)..].ToLowerInvariant();
        string port = scheme switch { "http" => ":80", "https" => ":443", _ => "" };
        if (port.Length > 0 && host.EndsWith(port, StringComparison.Ordinal)) host = host[..^port.Length];
        bool withPort = host.LastIndexOf(':') > host.LastIndexOf(']');
        if (!AddressText.TryHost(withPort ? host : host + ":1", out _, out _)) return null;
        return $"{scheme}://{host}";
    }

    private static ImmutableArray<string> PassHeaders(Section section)
    {
        if (!section.Has("pass-headers")) return ConfigurationDefaults.PassHeaders;
        var names = ImmutableArray.CreateBuilder<string>();
        foreach ((string path, var scalar) in section.Scalars("pass-headers", "the name of a header field"))
        {
            if (!PassedFields.IsName(scalar.Text)) section.Report.Error(scalar, path, "is not the name of a header field");
            else if (PassedFields.IsOwn(scalar.Text)) section.Report.Error(scalar, path, "cannot be passed on: the balancer writes it itself, or it is hop-by-hop");
            else if (names.Contains(scalar.Text, StringComparer.OrdinalIgnoreCase)) section.Report.Error(scalar, path, "is listed twice");
            else names.Add(scalar.Text);
        }
        return names.ToImmutable();
    }
}
