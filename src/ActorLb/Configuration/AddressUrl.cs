using System.Text.RegularExpressions;

namespace ActorLb.Configuration;

/// <summary>Recognises URLs where a host and a port are expected: MQTT clients take URLs of brokers, a balancer does not.</summary>
internal static partial class AddressUrl
{
    /// <summary>What to write instead of a URL; null when the text is not one.</summary>
    /// <param name="listens">It is an address to listen on rather than one to connect to.</param>
    public static string? Instead(string text, bool listens = false)
    {
        if (Scheme().Match(text) is not { Success: true } match) return null;
        string scheme = match.Groups["scheme"].Value.ToLowerInvariant();
        string rest = text[match.Length..];
        int slash = rest.IndexOfAny(['/', '?']);
        string path = slash < 0 ? "" : rest[slash..].TrimEnd('/');
        string host = slash < 0 ? rest : rest[..slash];
        host = host[(host.LastIndexOf('@') + 1)..];
        if (host.Length == 0) host = "host";
        if (!HasPort(host)) host = $"{host}:{PortOf(scheme)}";
        bool secure = scheme is "mqtts" or "wss" or "https" || scheme.Contains("ssl", StringComparison.Ordinal) || scheme.Contains("tls", StringComparison.Ordinal);
        string? tls = secure ? listens ? "tls { certificate = ..., key = ... }" : "tls = on" : null;
        string? webSocket = scheme is "ws" or "wss" or "http" or "https" ? $"websocket {{ path = \"{(path.Length == 0 ? "/mqtt" : path)}\" }}" : null;
        string settings = string.Join(" and ", new[] { tls, webSocket }.OfType<string>());
        return settings.Length == 0 ? $"write {host}" : $"write {host}, with {settings} in the {(listens ? "listener" : "pool")}";
    }

    /// <summary>Hides the password that a URL may contain.</summary>
    public static string Mask(string text) => Credentials().Replace(text, "://***@");

    private static bool HasPort(string host) => host.LastIndexOf(':') > host.LastIndexOf(']');

    private static int PortOf(string scheme) => scheme switch
    {
        "mqtts" => 8883,
        _ when scheme.Contains("ssl", StringComparison.Ordinal) || scheme.Contains("tls", StringComparison.Ordinal) => 8883,
        "ws" or "http" => 80,
        "wss" or "https" => 443,
        _ => 1883,
    };

    [GeneratedRegex("://[^/@]*@", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Credentials();

    [GeneratedRegex("^(?<scheme>[A-Za-z][A-Za-z0-9+.-]*)://", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Scheme();
}
