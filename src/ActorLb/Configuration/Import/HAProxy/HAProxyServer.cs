using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>A <c>server</c> or <c>server-template</c> of HAProxy with its words, preceded by those of <c>default-server</c>.</summary>
internal sealed class HAProxyServer
{
    private readonly Dictionary<string, string> _values = [];

    /// <param name="words">After the address.</param>
    public HAProxyServer(Directive from, IEnumerable<(Directive From, string[] Words)> defaults, IEnumerable<string> words)
    {
        From = from;
        foreach ((var source, string[] given) in defaults)
        {
            source.Carry();
            Read(source, given);
        }
        Read(from, [.. words]);
    }

    public Directive From { get; }

    /// <summary>The value of a word; empty for a word without one, null for a missing word.</summary>
    public string? this[string word] => _values.GetValueOrDefault(word);

    public bool Has(string word) => _values.ContainsKey(word);

    /// <summary>The version of the PROXY header, and what it carries besides.</summary>
    public (string Version, string Tlvs) Proxy()
    {
        var tlvs = new SortedSet<string>(StringComparer.Ordinal);
        bool ssl = Has("send-proxy-v2-ssl") || Has("send-proxy-v2-ssl-cn");
        if (ssl) tlvs.Add("ssl");
        foreach (string option in (this["proxy-v2-options"] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            switch (option)
            {
                case "ssl" or "cert-cn" or "ssl-cipher" or "cert-sig" or "cert-key": tlvs.Add("ssl"); break;
                case "authority" or "unique-id" or "crc32c": tlvs.Add(option); break;
                default:
                    From.Report($"proxy-v2-options {option}: see proxy-protocol-tlvs of the pool");
                    break;
            }
        }
        string version = ssl || Has("send-proxy-v2") ? "v2" : Has("send-proxy") ? "v1" : "off";
        return (version, version == "v2" ? string.Join(", ", tlvs) : "");
    }

    private void Read(Directive d, string[] words)
    {
        for (int i = 0; i < words.Length; i++)
        {
            string word = words[i];
            var entry = HAProxyDirectives.Table.Find("server " + word);
            bool takes = HAProxyDirectives.ServerValues.Contains(word);
            string value = takes && i + 1 < words.Length ? words[++i] : "";
            // The address of a source may be followed by its own words.
            if (word == "source" && i + 2 < words.Length && words[i + 1] is "usesrc" or "interface")
            {
                d.Report($"source {value} {words[i + 1]} {words[i + 2]}: source-addresses of a pool must be the node's own");
                i += 2;
                continue;
            }
            if (word.StartsWith("no-", StringComparison.Ordinal) && entry is null or { Verdict: Verdict.Carried } && _values.Remove(word[3..])) continue;
            if (word is "enabled")
            {
                _values.Remove("disabled");
                continue;
            }
            if (entry is null) d.Report($"{word}: unknown, and left out");
            else if (entry.Verdict == Verdict.Reported) d.Report($"{(takes ? $"{word} {value}" : word)}: {entry.Text}");
            else if (entry.Verdict == Verdict.Carried) _values[word] = value;
        }
    }

    /// <summary>Writes the settings of a single backend.</summary>
    public void Write(Draft entry)
    {
        Number("weight", "weight", 1, 65535, "1");
        if (this["weight"] == "0")
        {
            entry.Remove("weight");
            entry.Set("down", "on");
        }
        Number("maxconn", "max-connections", 0, 10_000_000, "0");
        if (this["slowstart"] is { } slow) entry.Time("slow-start", From, slow, Units.HAProxyTime(slow), Setting.Day, "0s", TimeSpan.Zero);
        if (Has("disabled")) entry.Set("down", "on");
        if (Has("backup")) entry.Set("backup", "on");

        void Number(string word, string key, int least, int most, string absent)
        {
            if (this[word] is { } value && !(word == "weight" && value == "0")) entry.Integer(key, From, HAProxyValue.Of(value), least, most, absent);
        }
    }
}
