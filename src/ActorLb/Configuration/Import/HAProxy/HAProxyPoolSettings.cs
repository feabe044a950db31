using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>Settings that HAProxy has per server and ActorLb per pool: where the servers differ, that is reported.</summary>
internal sealed class HAProxyPoolSettings(Target target, HAProxyGlobals globals, Draft pool, Draft health)
{
    /// <param name="tcp">MQTT is not visible on this path.</param>
    /// <param name="httpPath">Path of http probes; null for other probes.</param>
    public void Write(IReadOnlyList<HAProxyServer> servers, bool tcp, string? httpPath, string? httpPort)
    {
        Proxy(servers);
        Tls(servers);
        Checks(servers, tcp, httpPath, httpPort);
        if (All(servers, "source") is { } source)
        {
            string address = source.EndsWith(":0", StringComparison.Ordinal) ? source[..^2] : source;
            if (AddressText.TryAddress(address, out _)) pool.Set("source-addresses", $"[{Units.Quote(address)}]");
            else servers[0].From.Report($"source {source}: not one IP address: set source-addresses of the pool");
        }
        if (All(servers, "on-marked-down") == "shutdown-sessions") pool.Set("on-down", "close");
    }

    /// <summary>The value that all have in common; null when some differ, which is reported.</summary>
    private static string? All(IReadOnlyList<HAProxyServer> servers, string word)
    {
        HAProxyServer[] with = [.. servers.Where(s => s.Has(word))];
        if (with.Length == 0) return null;
        if (with.Length == servers.Count && with.All(s => s[word] == with[0][word])) return with[0][word];
        string key = word == "source" ? "source-addresses" : "on-down = close";
        foreach (var server in with) server.From.Report($"{word} {server[word]}: {key} applies to a whole pool, and the other servers do not have it: set it by hand, or make a separate pool for this one");
        return null;
    }

    private void Proxy(IReadOnlyList<HAProxyServer> servers)
    {
        (string Version, string Tlvs)[] wanted = [.. servers.Select(s => s.Proxy())];
        var chosen = wanted.GroupBy(w => w).OrderByDescending(g => g.Count()).First().Key;
        for (int i = 0; i < servers.Count; i++)
        {
            if (wanted[i] == chosen) continue;
            servers[i].From.Report($"{(wanted[i].Version == "off" ? "no send-proxy" : $"PROXY {wanted[i].Version}")}: a pool has one proxy-protocol, {chosen.Version}: make a separate pool for this one, or change the broker's listener");
        }
        pool.Set("proxy-protocol", chosen.Version, "off");
        if (chosen.Tlvs.Length > 0) pool.Set("proxy-protocol-tlvs", $"[{chosen.Tlvs}]");
    }

    private void Tls(IReadOnlyList<HAProxyServer> servers)
    {
        var first = servers.FirstOrDefault(s => s.Has("ssl"));
        foreach (var server in servers)
        {
            if (first is not null && !server.Has("ssl")) server.From.Report("no ssl: a pool uses TLS for all of its backends: make a separate pool for this one");
        }
        if (first is null) return;
        var tls = new Draft();
        bool verified = first["verify"] is null ? globals.VerifiesServers : first["verify"] != "none";
        if (!verified) tls.Set("verify", "off", note: "as in HAProxy: anyone could impersonate the broker");
        if (first["ca-file"] is { } ca && ca != "@system-ca") tls.Set("ca", target.File("/", globals.Find(ca, authority: true)));
        if (first["crt"] is { } crt)
        {
            (string certificate, string key) = globals.Pair(globals.Find(crt));
            tls.Set("certificate", certificate);
            tls.Set("key", key);
        }
        string? sni = first["verifyhost"] ?? first["sni"];
        string name = sni is not null && sni.StartsWith("str(", StringComparison.Ordinal) && sni.EndsWith(')') ? sni[4..^1] : sni ?? "";
        if (sni is not null && AddressText.IsHost(name)) tls.Set("server-name", Units.Quote(name));
        else if (sni is not null) first.From.Report($"sni {sni}: not one name: without server-name each backend must present the name of its address");
        foreach (var server in servers.Where(s => s != first && s.Has("ssl")))
        {
            foreach (string word in (string[])["verify", "ca-file", "crt", "sni", "verifyhost"])
            {
                if (server[word] != first[word]) server.From.Report($"{word}: a pool has one tls block: the first server's is written");
            }
        }
        if (tls.HasKeys) pool.Put("tls", tls);
        else pool.Set("tls", "on");
    }

    private void Checks(IReadOnlyList<HAProxyServer> servers, bool tcp, string? httpPath, string? httpPort)
    {
        var first = servers.FirstOrDefault(s => s.Has("check"));
        string? port = first?["port"] ?? httpPort;
        if (httpPath is not null && first is not null)
        {
            health.Set("probe", "http");
            health.Set("path", Units.Quote(httpPath), "\"/status\"");
        }
        else if (tcp || port is not null)
        {
            health.Set("probe", "tcp", null, null, port is null ? "MQTT is not visible on this path" : "not the MQTT port");
        }
        if (first is null) return;
        if (port is not null) health.Integer("port", first.From, port, 1, 65535, null);
        if (first["inter"] is { } inter) health.Time("interval", first.From, inter, Units.HAProxyTime(inter), Setting.Day, "5s", TimeSpan.FromMilliseconds(100));
        if (first["rise"] is { } rise) health.Integer("rise", first.From, rise, 1, 1000, "2");
        if (first["fall"] is { } fall) health.Integer("fall", first.From, fall, 1, 1000, "3");
        foreach (var server in servers.Where(s => s != first && s.Has("check")))
        {
            foreach (string word in (string[])["inter", "rise", "fall", "port"])
            {
                if (server.Has(word) && server[word] != first[word]) server.From.Report($"{word} {server[word]}: a pool has one health block: the first server's is written");
            }
        }
    }
}
