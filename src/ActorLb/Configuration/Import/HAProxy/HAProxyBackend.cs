using System.Globalization;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>HAProxy's <c>backend</c>, or the backend part of a <c>listen</c>: a pool.</summary>
internal sealed class HAProxyBackend(Target target, HAProxyGlobals globals, IReadOnlyDictionary<string, string> discoveryTimes)
{
    private readonly List<(Directive From, string[] Words)> _defaults = [];
    private readonly List<(HAProxyServer Server, BackendEntry Entry)> _servers = [];
    private readonly List<Directive> _directives = [];
    private Directive? _template, _balance, _stickOn, _table;
    private HAProxyServer? _templateWords;
    private string _policy = "round-robin";
    private string? _hashKey, _httpPath, _checkPort;
    private bool _sticky;

    public Draft Pool { get; } = new();

    public Draft Health { get; } = new();

    public bool IsHttp { get; set; }

    public TimeSpan? ServerTimeout { get; private set; }

    public TimeSpan? TunnelTimeout { get; private set; }

    public List<Directive> TimeoutsFrom { get; } = [];

    public bool HasServers => _servers.Count > 0 || _template is not null;

    /// <summary>Whether its servers use TLS.</summary>
    public bool SpeaksTls => _servers.Exists(s => s.Server.Has("ssl")) || _templateWords?.Has("ssl") == true;

    /// <summary>The port that most of its servers have; 0 without any.</summary>
    public int Port => _servers.Select(s => Units.Number(s.Entry.Key?[(s.Entry.Key.LastIndexOf(':') + 1)..] ?? "") ?? 0)
        .Concat(_template is null ? [] : [Units.Number(_template[2][(_template[2].LastIndexOf(':') + 1)..]) ?? 0])
        .GroupBy(p => p).OrderByDescending(g => g.Count()).FirstOrDefault()?.Key ?? 0;

    /// <summary>False for a line that is not about backends.</summary>
    public bool Apply(Directive d)
    {
        switch (d.Name)
        {
            case "mode": IsHttp = d.Is("http"); break;
            case "balance": Balance(d); break;
            case "server": Server(d); break;
            case "default-server": _defaults.Add((d, [.. d.Words.Select(w => w.Text)])); break;
            case "server-template": Template(d); break;
            case "stick-table": _table = d; break;
            case "stick" when d[0] is "on" or "match" or "store-request": Stick(d); break;
            case "retries":
                if (Units.Number(HAProxyValue.Of(d[0])) is { } retries) Pool["retry"].Integer("tries", d, (retries + 1L).ToString(CultureInfo.InvariantCulture), 1, RetryOptions.MaxTries, "3", "including the first");
                else d.Report("not a number: set retry.tries of the pool");
                break;
            case "source": Source(d); break;
            case "timeout": return Timeout(d);
            case "option": return Option(d);
            case "http-check": HttpCheck(d); break;
            default: return false;
        }
        _directives.Add(d);
        return true;
    }

    /// <summary>Writes the pool.</summary>
    /// <param name="tcp">MQTT is not visible on this path.</param>
    /// <param name="webSocketPath">Null without WebSocket.</param>
    /// <returns>False when no backend is left.</returns>
    public bool Finish(bool tcp, string? webSocketPath)
    {
        WritePolicy(tcp);
        if (_template is not null && !Discover(_template, _templateWords!)) return false;
        if (_template is null && _servers.Count == 0) return false;
        if (_template is null) BackendEntry.Put(Pool, _servers.Select(s => s.Entry));
        HAProxyServer[] all = _template is not null ? [_templateWords!] : [.. _servers.Select(s => s.Server)];
        new HAProxyPoolSettings(target, globals, Pool, Health).Write(all, tcp, _httpPath, _checkPort);
        if (webSocketPath is not null) Pool["websocket"].Set("path", Units.Quote(webSocketPath));
        if (Health.HasKeys) Pool.Put("health", Health);
        Pool.First("balance", "place", "hash-key", "backends");
        target.Note(_directives, Pool);
        return true;
    }

    private void Balance(Directive d)
    {
        _balance = d;
        d.Carry();
        _hashKey = null;
        switch (d[0])
        {
            case "roundrobin" or "static-rr": _policy = "round-robin"; break;
            case "leastconn": _policy = "least-connections"; break;
            case "source": _policy = "ip-hash"; break;
            case var random when random.StartsWith("random", StringComparison.Ordinal): _policy = "random"; break;
            case "first":
                _policy = "least-connections";
                d.Report("ActorLb does not fill one backend before using the next: least-connections is written");
                break;
            case "hash": Hash(d); break;
            default:
                _policy = "round-robin";
                d.Report("not supported for MQTT: round-robin is written; see balance and hash-key of the pool");
                break;
        }
    }

    private void Hash(Directive d)
    {
        string expression = string.Concat(d.Words.Skip(1).Select(w => w.Text));
        _policy = "hash";
        if (expression == "src")
        {
            _policy = "ip-hash";
        }
        else if (expression.Contains("client_identifier", StringComparison.Ordinal))
        {
            _hashKey = ConfigurationDefaults.HashKey;
        }
        else if (expression.Contains("mqtt_field_value(connect,username)", StringComparison.Ordinal))
        {
            _hashKey = "$mqtt_preread_username";
        }
        else
        {
            _policy = "round-robin";
            d.Report("not a variable of ActorLb: round-robin is written; see balance = hash and hash-key of the pool");
        }
    }

    private void Stick(Directive d)
    {
        int condition = d.Words.FindIndex(w => w.Text is "if" or "unless" or "table");
        string expression = string.Concat(d.Words.Skip(1).Take(condition < 0 ? d.Words.Count : condition - 1).Select(w => w.Text));
        if (expression.Contains("mqtt_field_value(connect,client_identifier)", StringComparison.Ordinal))
        {
            _sticky = true;
            _stickOn = d;
            d.Carry();
        }
        else if (expression == "src")
        {
            _stickOn = d;
            d.Carry();
        }
        else
        {
            d.Report("clients stick by client id (balance = sticky), or by a hash of hash-key");
        }
        if (condition >= 0) d.Report($"{string.Join(' ', d.Words.Skip(condition).Select(w => w.Text))}: stickiness has no conditions: all clients of a pool are in one map");
    }

    private void WritePolicy(bool tcp)
    {
        bool byId = _sticky && !tcp, byAddress = _stickOn is not null && !byId;
        if (_balance is not null) Pool.Keep(_balance);
        if (byId)
        {
            Pool.Set("balance", "sticky", null, _stickOn);
            Pool.Set("place", _policy == "hash" ? "hash" : _policy, "least-connections", null, "for clients that are not in the map yet");
            Table();
        }
        else if (byAddress)
        {
            Pool.Set("balance", "ip-hash", null, _stickOn);
            if (_sticky) _stickOn!.Report("no client id is read on this path: ip-hash is written");
            _table?.Leave("a hash needs no table");
        }
        else
        {
            if (_policy == "hash" && tcp)
            {
                _policy = "ip-hash";
                _balance!.Report("no client id is read on this path: ip-hash is written");
            }
            Pool.Set("balance", _policy, "round-robin", _balance);
            _table?.Leave("no `stick on` uses it");
        }
        if (_hashKey is not null && !byAddress && !tcp) Pool.Set("hash-key", Units.Quote(_hashKey), Units.Quote(ConfigurationDefaults.HashKey));
    }

    /// <summary>The node has one map for all pools: it gets the longest time, and room for all of them.</summary>
    private void Table()
    {
        if (_table is not { } d || !target.Counted.Add(d)) return;
        d.Carry();
        for (int i = 0; i < d.Words.Count; i++)
        {
            string value = i + 1 < d.Words.Count ? d[i + 1] : "";
            switch (d[i])
            {
                case "expire":
                    TimeSpan? known = target.Sticky.Value("ttl") is { } ttl && Hocon.HoconUnits.TryDuration(ttl, out var before, out _) ? before : null;
                    if (Units.HAProxyTime(value) is { } time && time < known) break;
                    target.Sticky.Time("ttl", d, value, Units.HAProxyTime(value), ConfigurationDefaults.Forever, "1d", TimeSpan.FromSeconds(1));
                    break;
                case "size":
                    long room = (Units.Size(value) ?? 0) + (Units.Size(target.Sticky.Value("max-entries") ?? "0") ?? 0);
                    target.Sticky.Integer("max-entries", d, Math.Min(room, int.MaxValue).ToString(CultureInfo.InvariantCulture), 1024, 1_000_000_000, null);
                    break;
                case "peers": d.Report($"peers {value}: nodes share the map as a fleet: see the cluster block"); break;
                case "store": d.Report($"store {value}: no other counters are kept; see limits of the listener"); break;
                case "nopurge": d.Report("nopurge: a full map drops disconnected clients first, then those not seen for longest"); break;
            }
        }
        target.Sticky.Keep(d);
    }

    private void Server(Directive d)
    {
        d.Carry();
        if (d.Words.Count < 2)
        {
            d.Report("a server needs a name and an address: add the backend by hand");
            return;
        }
        var words = new HAProxyServer(d, _defaults, d.Words.Skip(2).Select(w => w.Text));
        if (HAProxyAddress.Server(target, d, d[1], IsHttp ? "80" : "1883") is not { } entry)
        {
            d.Report($"'{d[1]}' is not a host and port that ActorLb can connect to: add the backend by hand");
            return;
        }
        if (!d[1].Contains(':', StringComparison.Ordinal)) d.Report("without a port HAProxy uses the one that the client connected to: check the address");
        words.Write(entry.Settings);
        _servers.Add((words, entry));
    }

    private void Template(Directive d)
    {
        d.Carry();
        if (d.Words.Count < 3)
        {
            d.Report("a server-template needs a name, a number and an address: see backends = { dns = ... }");
            return;
        }
        _template = d;
        _templateWords = new HAProxyServer(d, _defaults, d.Words.Skip(3).Select(w => w.Text));
    }

    /// <returns>False when there is no name to resolve.</returns>
    private bool Discover(Directive d, HAProxyServer words)
    {
        string address = d[2];
        int colon = address.LastIndexOf(':');
        string name = colon < 0 ? address : address[..colon], port = colon < 0 ? "" : address[(colon + 1)..];
        foreach ((var server, _) in _servers) server.From.Report("a pool with discovery by DNS has no other backends: this one is left out");
        if (!HAProxyAddress.HasVariables(name) && !AddressText.IsHost(name))
        {
            d.Report($"'{name}' is not a host name: see backends = {{ dns = ... }}");
            return false;
        }
        var dns = Pool["backends"];
        dns.Set("dns", HAProxyAddress.Render(target, name), null, d);
        if (name.StartsWith('_')) dns.Set("srv", "on");
        else if (HAProxyAddress.HasVariables(port)) dns.Set("port", HAProxyAddress.Render(target, port));
        else if (port.Length > 0) dns.Integer("port", d, port, 1, 65535, "1883");
        if (words["resolvers"] is { } resolvers && discoveryTimes.TryGetValue(resolvers, out string? interval)) dns.Set("interval", interval, "30s");
        words.Write(dns);
        foreach (string key in (string[])["down", "backup"])
        {
            if (!dns.Has(key)) continue;
            dns.Remove(key);
            d.Report($"{key}: all backends found by DNS have the same settings");
        }
        return true;
    }

    private void Source(Directive d)
    {
        string address = d[0].EndsWith(":0", StringComparison.Ordinal) ? d[0][..^2] : d[0];
        if (address is "0.0.0.0" or "::" or "*")
        {
            d.Leave("the system chooses");
        }
        else if (d.Words.Count > 1 || !AddressText.TryAddress(address, out _))
        {
            d.Report("not one of the node's own IP addresses: set source-addresses of the pool");
        }
        else
        {
            Pool.Set("source-addresses", $"[{Units.Quote(address)}]", null, d);
            d.Carry();
        }
    }

    private bool Timeout(Directive d)
    {
        var time = Units.HAProxyTime(HAProxyValue.Of(d[1]));
        switch (d[0])
        {
            case "connect":
                Pool.Time("connect-timeout", d, d[1], time, Setting.Hour, "10s");
                if (time >= ConfigurationDefaults.Retry.Timeout && !Pool["retry"].Has("timeout"))
                    Pool["retry"].Set("timeout", Units.Show(time < Setting.Hour / 2 ? 2 * time.Value : Setting.Hour), note: "leaves time to try a second backend");
                return true;
            case "check":
                Health.Time("timeout", d, d[1], time, Setting.Hour, "2s");
                return true;
            case "server": ServerTimeout = time; break;
            case "tunnel": TunnelTimeout = time; break;
            default: return false;
        }
        TimeoutsFrom.Add(d);
        if (time is null) d.Report($"'{d[1]}' is not a time: set idle-timeout of the listener by hand");
        return true;
    }

    private bool Option(Directive d)
    {
        switch (d[0])
        {
            case "httpchk":
                _httpPath = d.Words.Skip(1).Select(w => w.Text).FirstOrDefault(WellKnown.IsPath) ?? "/";
                d.Carry();
                if (d.Has("HEAD") || d.Has("POST") || d.Has("OPTIONS")) d.Report("the probe uses GET");
                break;
            case "tcp-check" or "redispatch" or "tcpka" or "srvtcpka" or "forwardfor":
                d.Carry();
                break;
            default: return false;
        }
        _directives.Add(d);
        return true;
    }

    private void HttpCheck(Directive d)
    {
        int uri = d.Words.FindIndex(w => w.Text == "uri");
        if (d.Is("send") && uri >= 0 && WellKnown.IsPath(d[uri + 1]))
        {
            _httpPath = d[uri + 1];
            d.Carry();
        }
        else if (d.Is("expect") && d[1] == "status" && d[2] == "200")
        {
            d.Carry();
        }
        else if (d.Is("connect") && d.Words.FindIndex(w => w.Text == "port") is >= 0 and var at)
        {
            _checkPort = d[at + 1];
            d.Carry();
        }
        else
        {
            d.Report("the http probe uses GET and accepts 200 to 399");
        }
    }
}
