using System.Text;
using System.Text.RegularExpressions;
using ActorLb.Configuration.Hocon;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>Addresses of HAProxy; their environment variables become substitutions.</summary>
internal static partial class HAProxyAddress
{
    /// <summary>Variables that are defined by others; more are a circle.</summary>
    private const int MostDefinitions = 10;

    /// <summary>Whether it contains variables, all of them well-formed.</summary>
    public static bool HasVariables(string text) =>
        text.Contains('$', StringComparison.Ordinal) && Variable().IsMatch(text) && Variable().Replace(text, "x").AsSpan().IndexOfAny("${}") < 0;

    /// <summary>A text with variables as HOCON: literal parts quoted, variables as substitutions.</summary>
    public static string Render(Target target, string text)
    {
        var result = new StringBuilder();
        int at = 0;
        foreach (Match match in Variable().Matches(text))
        {
            Literal(text[at..match.Index]);
            at = match.Index + match.Length;
            string name = match.Groups["name"].Value;
            string? otherwise = match.Groups["default"].Success ? match.Groups["default"].Value : null;
            if (!target.Variables.TryGetValue(name, out string? known) || known is null) target.Variables[name] = Defined(target, name, MostDefinitions) ?? otherwise;
            result.Append(target.Variables[name] is null ? $"${{{name}}}" : $"${{environment.{name}}}");
        }
        Literal(text[at..]);
        return result.Length == 0 ? "\"\"" : result.ToString();

        void Literal(string part)
        {
            if (part.Length > 0) result.Append(HoconPath.QuoteText(part));
        }
    }

    /// <summary>The value that the file itself gives a variable; null where it gives none, or none that is known now.</summary>
    /// <param name="left">How many definitions may still refer to others.</param>
    private static string? Defined(Target target, string name, int left)
    {
        if (!target.Defined.TryGetValue(name, out var from)) return null;
        bool known = left > 0;
        string value = Variable().Replace(from[1], match =>
        {
            string? inner = known ? Defined(target, match.Groups["name"].Value, left - 1) : null;
            known &= inner is not null;
            return inner ?? "";
        });
        if (known) from.Carry();
        else from.Report($"its value is known only when the node starts: set {name} in the service's unit");
        return known ? value : null;
    }

    /// <summary>The addresses of a <c>bind</c>, each as HOCON with its port, or with what is wrong with it.</summary>
    public static IEnumerable<(string? Bind, int Port, bool IsIPv6, string? Problem)> Binds(Target target, string text)
    {
        foreach (string part in text.Split(','))
        {
            string address = part;
            foreach (string family in (string[])["ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"])
            {
                if (address.StartsWith(family, StringComparison.Ordinal)) address = address[family.Length..];
            }
            if (address.StartsWith('/') || address.Contains('@', StringComparison.Ordinal))
            {
                yield return (null, 0, false, $"{part}: ActorLb listens only on TCP ports");
                continue;
            }
            (string host, string port) = Split(address);
            bool six = host.Contains(':', StringComparison.Ordinal);
            if (HasVariables(address))
            {
                string shown = host is "" or "*" ? "0.0.0.0" : six && !host.StartsWith('[') ? $"[{host}]" : host;
                yield return (Render(target, $"{shown}:{port}"), Units.Number(port) ?? 0, six, null);
                continue;
            }
            int dash = port.IndexOf('-', StringComparison.Ordinal);
            int? first = Units.Number(dash < 0 ? port : port[..dash]), last = dash < 0 ? first : Units.Number(port[(dash + 1)..]);
            if (first is not (> 0 and <= 65535) || last is not (> 0 and <= 65535) || last < first || last - first >= 64)
            {
                yield return (null, 0, false, last - first >= 64 ? $"{part}: a listener has one port; write a listener for each port of the range that is used" : $"{part}: no port");
                continue;
            }
            for (int number = first.Value; number <= last; number++)
            {
                string? bind = Target.Bind(host, number.ToString(System.Globalization.CultureInfo.InvariantCulture));
                yield return bind is null ? (null, 0, false, $"{part}: no IP address to listen on") : (bind, number, six, null);
                if (bind is null) break;
            }
        }
    }

    /// <summary>A backend; null for an address that ActorLb cannot connect to.</summary>
    public static BackendEntry? Server(Target target, Directive from, string text, string? defaultPort)
    {
        string address = text;
        foreach (string family in (string[])["ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"])
        {
            if (address.StartsWith(family, StringComparison.Ordinal)) address = address[family.Length..];
        }
        if (HasVariables(address))
        {
            bool hasPort = address.LastIndexOf(':') > address.LastIndexOf('}') || Variable().Replace(address, "x").Contains(':', StringComparison.Ordinal);
            return new BackendEntry(from) { Address = Render(target, hasPort || defaultPort is null ? address : $"{address}:{defaultPort}"), Key = null };
        }
        (string host, string port) = Split(address);
        if (port.Length == 0) (host, port) = (address, defaultPort ?? "");
        return BackendEntry.Read(from, $"{(host.Contains(':', StringComparison.Ordinal) && !host.StartsWith('[') ? $"[{host}]" : host)}:{port}", null);
    }

    /// <summary>Splits at the last colon: in HAProxy that is so even for IPv6 addresses without brackets.</summary>
    private static (string Host, string Port) Split(string address)
    {
        if (address.EndsWith(']')) return (address, "");
        int colon = address.LastIndexOf(':');
        // The port may be a variable with a default, which may contain anything but a brace.
        if (address.EndsWith('}') && address.LastIndexOf("${", StringComparison.Ordinal) is > 0 and var variable && address[variable - 1] == ':') colon = variable - 1;
        return colon < 0 ? (address, "") : (address[..colon], address[(colon + 1)..]);
    }

    [GeneratedRegex(@"\$(\{(?<name>[A-Za-z_][A-Za-z0-9_]*)(-(?<default>[^}]*))?\}|(?<name>[A-Za-z_][A-Za-z0-9_]*))", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Variable();
}
