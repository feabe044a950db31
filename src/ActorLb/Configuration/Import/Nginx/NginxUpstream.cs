using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>What the listeners of a pool can know about their clients.</summary>
/// <param name="Tcp">Bytes are passed through.</param>
/// <param name="Tls">TLS is terminated here.</param>
/// <param name="Certificates">Clients present certificates.</param>
internal readonly record struct ClientTraits(bool Tcp, bool Tls, bool Certificates)
{
    /// <summary>Whether a hash key has a value for them.</summary>
    public bool Allows(Template key) => (!key.UsesTls || Tls) && (Certificates || !UsesCertificate(key)) && !(Tcp && UsesMqtt(key));

    private static bool UsesMqtt(Template key) => key.Uses(Variable.MqttClientId) || key.Uses(Variable.MqttUserName);

    private static bool UsesCertificate(Template key) => key.Uses(Variable.SslClientSerial) || key.Uses(Variable.SslClientSubject)
        || key.Uses(Variable.SslClientCommonName) || key.Uses(Variable.SslClientFingerprint);
}

/// <summary>Converts NGINX's <c>upstream</c>: how a pool balances, and its backends.</summary>
internal sealed class NginxUpstream(Directive upstream, NginxVariables variables, IReadOnlyDictionary<string, string> discoveryTimes, bool http)
{
    public string Name => upstream[0];

    /// <summary>The port that most of the backends have; 0 without any.</summary>
    public int Port => upstream.Block!.Where(d => d.Name == "server").Select(d => Units.Number(d[0][(d[0].LastIndexOf(':') + 1)..]) ?? 0)
        .GroupBy(p => p).OrderByDescending(g => g.Count()).FirstOrDefault()?.Key ?? 0;

    /// <summary>Writes the pool's part of it.</summary>
    /// <returns>False when no backend is left.</returns>
    public bool Write(Draft pool, ClientTraits clients)
    {
        upstream.Carry();
        pool.Keep(upstream);
        foreach (var d in upstream.Block!) Balance(d, pool, clients);
        bool any = Backends(pool);
        pool.KeepClosing(upstream);
        return any;
    }

    private void Balance(Directive d, Draft pool, ClientTraits clients)
    {
        switch (d.Name)
        {
            case "least_conn": Set("least-connections"); break;
            case "ip_hash": Set("ip-hash"); break;
            case "random": Set("random"); break;
            case "least_time":
                Set("least-connections");
                d.Report("ActorLb does not measure response times: least-connections is written");
                break;
            case "hash": Hash(d, pool, clients); break;
            case "sticky":
                Set(clients.Tcp ? "ip-hash" : "sticky");
                d.Report(clients.Tcp ? "ip-hash is written: no client id is read here" : "sticky works by client id, not by cookie or route: check balance");
                break;
        }

        void Set(string policy)
        {
            pool.Set("balance", policy, "round-robin", d);
            d.Carry();
        }
    }

    private void Hash(Directive d, Draft pool, ClientTraits clients)
    {
        (string? key, string? unknown) = variables.Template(d[0], m => m.Carry());
        if (key is { Length: > 0 } && Template.TryParse(key, out var template, out _) && template!.VariableCount > 0 && clients.Allows(template))
        {
            pool.Set("balance", "hash", null, d);
            pool.Set("hash-key", Units.Quote(key), Units.Quote(ConfigurationDefaults.HashKey));
            d.Carry();
            return;
        }
        string instead = clients.Tcp ? "ip-hash" : "hash";
        pool.Set("balance", instead, null, d, clients.Tcp ? null : "by client id");
        d.Report(unknown is not null ? $"{unknown} is not a variable of ActorLb: {(clients.Tcp ? "ip-hash, by the client's address," : "the client id")} is written as the key instead"
            : $"the key has no value for the clients of this listener: {instead} is written");
    }

    private bool Backends(Draft pool)
    {
        Directive[] servers = [.. upstream.Block!.Where(d => d.Name == "server")];
        var entries = new List<BackendEntry>();
        foreach (var server in servers)
        {
            if (server.Parameter("service") is { } service && servers.Length == 1)
            {
                // ngx_http_upstream_module: a service without dots means _service._tcp.
                string name = service.Contains('.', StringComparison.Ordinal) || service.StartsWith('_') ? $"{service}.{server[0]}" : $"_{service}._tcp.{server[0]}";
                if (AddressText.IsHost(name)) return Discover(pool, server, name, null);
            }
            if (BackendEntry.Read(server, server[0], http ? "80" : null) is not { } entry)
            {
                server.Report(server[0].StartsWith("unix:", StringComparison.Ordinal) ? "ActorLb connects to brokers only by TCP: let this one listen on a port, and name that"
                    : $"'{server[0]}' is not a host and port: add the backend by hand");
                continue;
            }
            if (server.Has("resolve") && servers.Length == 1 && AddressText.TryHost(server[0].Contains(':', StringComparison.Ordinal) ? server[0] : server[0] + ":80", out var host, out _)
                && !System.Net.IPAddress.TryParse(host.Host, out _))
            {
                return Discover(pool, server, host.Host, host.Port);
            }
            Parameters(server, entry.Settings);
            entries.Add(entry);
        }
        if (entries.Count == 0)
        {
            upstream.Report("has no backend that ActorLb can connect to: add backends");
            return false;
        }
        BackendEntry.Put(pool, entries);
        return true;
    }

    private bool Discover(Draft pool, Directive server, string name, int? port)
    {
        var dns = pool["backends"];
        dns.Set("dns", Units.Quote(name), null, server);
        if (port is { } number) dns.Set("port", number.ToString(System.Globalization.CultureInfo.InvariantCulture), "1883");
        else dns.Set("srv", "on");
        if (discoveryTimes.GetValueOrDefault("valid") is { } interval) dns.Set("interval", interval, "30s");
        Parameters(server, dns);
        foreach (string key in (string[])["down", "backup"])
        {
            if (!dns.Has(key)) continue;
            dns.Remove(key);
            server.Report($"{key}: all backends found by DNS have the same settings");
        }
        return true;
    }

    private static void Parameters(Directive server, Draft entry)
    {
        server.Carry();
        foreach (string word in server.Words.Skip(1).Select(w => w.Text))
        {
            string name = word.Split('=')[0], value = word.Length > name.Length ? word[(name.Length + 1)..] : "";
            switch (name)
            {
                case "weight": entry.Integer("weight", server, value, 1, 65535, "1"); break;
                case "max_fails": entry.Integer("max-fails", server, value, 0, 1_000_000, "1"); break;
                case "fail_timeout": entry.Time("fail-timeout", server, value, Units.NginxTime(value), Setting.Day, "10s"); break;
                case "max_conns": entry.Integer("max-connections", server, value, 0, 10_000_000, "0"); break;
                case "slow_start": entry.Time("slow-start", server, value, Units.NginxTime(value), Setting.Day, "0s", TimeSpan.Zero); break;
                case "down" or "drain": entry.Set("down", "on"); break;
                case "backup": entry.Set("backup", "on"); break;
                case "resolve": break; // Names are resolved again automatically.
                case "service":
                    server.Report($"{word}: only a single name can be resolved by SRV records: backends = {{ dns = ..., srv = on }}");
                    break;
                case "route": break; // For cookies.
                default:
                    server.Report($"{word}: unknown, and left out");
                    break;
            }
        }
    }
}
