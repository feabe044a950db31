using System.Collections.Frozen;
using System.Text;
using ActorLb.Protocol.CommandLine;

namespace ActorLb.Configuration.Readers;

/// <summary>Suggests which key an unknown one was probably meant to be, and where it belongs.</summary>
internal static class KeyHints
{
    /// <summary>Other programs' names for our keys, in our spelling; the first key that is known at that place is meant.</summary>
    private static readonly FrozenDictionary<string, string[]> Aliases = new Dictionary<string, string[]>
    {
        ["cert"] = ["certificate"],
        ["cert-file"] = ["certificate"],
        ["certificate-file"] = ["certificate"],
        ["crt"] = ["certificate"],
        ["pem"] = ["certificate"],
        ["chain"] = ["certificate"],
        ["certfile"] = ["certificate"],
        ["certificate-key"] = ["key"],
        ["private-key"] = ["key"],
        ["key-file"] = ["key"],
        ["keyfile"] = ["key"],
        ["private-key-file"] = ["key"],
        ["ca-file"] = ["client-ca", "ca"],
        ["cafile"] = ["client-ca", "ca"],
        ["ca-cert"] = ["client-ca", "ca"],
        ["cacert"] = ["client-ca", "ca"],
        ["cacertfile"] = ["client-ca", "ca"],
        ["ca-certificate"] = ["client-ca", "ca"],
        ["ca"] = ["client-ca"],
        ["client-certificate"] = ["client-ca", "certificate"],
        ["trusted-certificate"] = ["client-ca", "ca"],
        ["verify"] = ["verify-client"],
        ["crl-file"] = ["crl"],
        ["versions"] = ["protocols"],
        ["sni"] = ["server-name"],
        ["servername"] = ["server-name"],
        ["insecure"] = ["verify"],
        ["host"] = ["address"],
        ["hostname"] = ["address"],
        ["url"] = ["address"],
        ["uri"] = ["address"],
        ["addr"] = ["address", "bind"],
        ["endpoint"] = ["address", "bind"],
        ["target"] = ["address", "pool"],
        ["server"] = ["address", "backends"],
        ["servers"] = ["backends"],
        ["brokers"] = ["backends"],
        ["upstreams"] = ["pools", "backends"],
        ["targets"] = ["backends"],
        ["endpoints"] = ["backends"],
        ["members"] = ["backends"],
        ["backend"] = ["backends", "pool"],
        ["nodes"] = ["seeds", "backends"],
        ["peers"] = ["seeds"],
        ["listen"] = ["bind", "listeners"],
        ["address"] = ["bind"],
        ["port"] = ["bind"],
        ["upstream"] = ["pool", "pools"],
        ["default-backend"] = ["pool"],
        ["pass"] = ["pool"],
        ["frontends"] = ["listeners"],
        ["clusters"] = ["pools"],
        ["policy"] = ["balance"],
        ["algorithm"] = ["balance"],
        ["strategy"] = ["balance"],
        ["method"] = ["balance"],
        ["load-balancing"] = ["balance"],
        ["max-conn"] = ["max-connections"],
        ["maxconn"] = ["max-connections"],
        ["max-conns"] = ["max-connections"],
        ["worker-connections"] = ["max-connections"],
        ["connection-limit"] = ["max-connections"],
        ["connections"] = ["max-connections"],
        ["threads"] = ["workers"],
        ["nbthread"] = ["workers"],
        ["worker-processes"] = ["workers"],
        ["worker-threads"] = ["workers"],
        ["timeout"] = ["idle-timeout", "connect-timeout"],
        ["timeout-connect"] = ["connect-timeout"],
        ["timeout-client"] = ["idle-timeout"],
        ["timeout-server"] = ["idle-timeout"],
        ["keepalive-timeout"] = ["idle-timeout"],
        ["keepalive"] = ["keep-alive"],
        ["tcp-nodelay"] = ["no-delay", "tcp"],
        ["nodelay"] = ["no-delay"],
        ["ssl"] = ["tls"],
        ["ws"] = ["websocket"],
        ["health-check"] = ["health"],
        ["healthcheck"] = ["health"],
        ["check"] = ["health", "probe"],
        ["inter"] = ["interval"],
        ["type"] = ["probe", "protocol"],
        ["mode"] = ["protocol"],
        ["retries"] = ["retry", "tries"],
        ["max-retries"] = ["tries", "retry"],
        ["log-level"] = ["level"],
        ["log-format"] = ["format"],
        ["access-log"] = ["access"],
        ["pid"] = ["pid-file"],
        ["pidfile"] = ["pid-file"],
        ["data"] = ["data-dir"],
        ["token"] = ["token-file"],
        ["secret"] = ["secret-file"],
        ["cookie"] = ["secret-file"],
        ["clientid"] = ["client-id"],
        ["user"] = ["username"],
        ["user-name"] = ["username"],
        ["origin"] = ["origins"],
        ["send-proxy"] = ["proxy-protocol"],
        ["accept-proxy"] = ["accept-proxy-protocol"],
        ["proxy-bind"] = ["source-addresses"],
        ["source"] = ["source-addresses"],
        ["source-address"] = ["source-addresses"],
        ["maxqueue"] = ["connect-queue", "length"],
        ["timeout-queue"] = ["connect-queue"],
        ["max-conn-rate"] = ["connects-per-second"],
        ["connect-rate"] = ["connects-per-second"],
        ["whitelist"] = ["allow"],
        ["blacklist"] = ["deny"],
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Prefixes that other programs use for their keys.</summary>
    private static readonly string[] Prefixes = ["ssl-", "tls-", "proxy-", "mqtt-"];

    /// <summary>The end of a message about an unknown key.</summary>
    /// <param name="known">The keys of the block that contains it.</param>
    public static string Of(string key, IReadOnlyCollection<string> known)
    {
        if (key is ['\'', _, .., '\'']) return $"single quotes are not quotes in HOCON: write {key[1..^1]}, or \"{key[1..^1]}\"";
        string plain = Plain(key);
        if (Here(plain, known) is { } here) return $"did you mean '{here}'?";
        string? nearest = NearestName.Find(key, known);
        bool misspelt = nearest is { Length: > 3 } && NearestName.Distance(plain, nearest) <= 1;
        if (misspelt) return $"did you mean '{nearest}'?";
        if (Elsewhere(plain) is { } elsewhere) return elsewhere;
        if (ForeignWords.OfKey(key) is { } foreign) return foreign;
        if (Aliases.TryGetValue(plain, out string[]? meant) && meant.FirstOrDefault(m => Elsewhere(m) is not null) is { } alias) return $"did you mean '{alias}'? {Elsewhere(alias)}";
        if (NearElsewhere(plain, nearest is null ? int.MaxValue : NearestName.Distance(plain, nearest)) is { } other) return other;
        if (nearest is not null) return $"did you mean '{nearest}'?";
        return $"known here: {string.Join(", ", known.Order(StringComparer.Ordinal))}";
    }

    /// <summary>Other programs' names for our values, in our spelling.</summary>
    private static readonly FrozenDictionary<string, string> Values = new Dictionary<string, string>
    {
        ["roundrobin"] = "round-robin",
        ["rr"] = "round-robin",
        ["static-rr"] = "round-robin",
        ["least-conn"] = "least-connections",
        ["leastconn"] = "least-connections",
        ["least-connection"] = "least-connections",
        ["least-time"] = "least-connections",
        ["source"] = "ip-hash",
        ["iphash"] = "ip-hash",
        ["source-ip"] = "ip-hash",
        ["consistent-hash"] = "hash",
        ["consistent"] = "hash",
        ["warn"] = "warning",
        ["verbose"] = "debug",
        ["notice"] = "info",
        ["crit"] = "error",
        ["critical"] = "error",
        ["fatal"] = "error",
        ["required"] = "on",
        ["require"] = "on",
        ["none"] = "off",
        ["logfmt"] = "text",
        ["plain"] = "text",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The value of a setting that was probably meant; null when none is close.</summary>
    public static string? Value(string text, IReadOnlyCollection<string> words)
    {
        string plain = Plain(text);
        if (words.FirstOrDefault(w => w.Equals(plain, StringComparison.OrdinalIgnoreCase)) is { } same) return same;
        if (Values.TryGetValue(plain, out string? meant) && words.Contains(meant)) return meant;
        string? nearest = text.Length < 3 ? null : NearestName.Find(text, words);
        return nearest is not null && NearestName.Distance(text, nearest) <= (text.Length < 5 ? 1 : 2) ? nearest : null;
    }

    private static string? Here(string plain, IReadOnlyCollection<string> known)
    {
        if (known.Contains(plain)) return plain;
        if (Aliases.TryGetValue(plain, out string[]? meant) && meant.FirstOrDefault(known.Contains) is { } alias) return alias;
        string? prefix = Prefixes.FirstOrDefault(p => plain.StartsWith(p, StringComparison.Ordinal));
        return prefix is null ? null : Here(plain[prefix.Length..], known);
    }

    private static string? Elsewhere(string plain)
    {
        SectionKind[] kinds = [.. SectionKinds.With(plain)];
        return kinds.Length is 0 or > 4 ? null
            : $"it belongs to {string.Join(" or ", kinds.Select(k => k.Name))}: {string.Join(", ", kinds.Select(k => k.Show(plain)))}";
    }

    /// <summary>A misspelt key of another block: only if it differs by no more than a letter or two.</summary>
    /// <param name="distance">Distance of the nearest key here: one of another block must be closer.</param>
    private static string? NearElsewhere(string plain, int distance)
    {
        if (plain.Length < 5) return null;
        string? nearest = NearestName.Find(plain, SectionKinds.All.SelectMany(k => k.Keys).Distinct());
        return nearest is not null && NearestName.Distance(plain, nearest) <= 2 && NearestName.Distance(plain, nearest) < distance
            ? $"did you mean '{nearest}'? {Elsewhere(nearest)}" : null;
    }

    /// <summary>The key as we would write it: max_fails, maxFails and MaxFails become max-fails.</summary>
    private static string Plain(string key)
    {
        var plain = new StringBuilder(key.Length + 4);
        for (int i = 0; i < key.Length; i++)
        {
            char c = key[i];
            bool hump = i > 0 && char.IsAsciiLetterUpper(c) && (char.IsAsciiLetterLower(key[i - 1]) || char.IsAsciiDigit(key[i - 1]));
            if (hump) plain.Append('-');
            plain.Append(c is '_' or ' ' ? '-' : char.ToLowerInvariant(c));
        }
        return plain.ToString().TrimEnd(';', ':', '-');
    }
}
