using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>
/// A <c>server</c> of NGINX, with what it inherits: a listener for each of its addresses, and the pool that it passes to with its
/// settings.
/// </summary>
internal sealed class NginxServer
{
    private readonly NginxFile _file;
    private readonly Directive _server;
    private readonly bool _http;
    private readonly NginxTls _tls;
    private readonly NginxProxy _proxy;
    private readonly List<NginxListen> _listens = [];
    private readonly List<AddressRules.Rule> _rules = [];
    private readonly List<Directive> _ruled = [], _rewrites = [], _realFrom = [], _seen = [];
    private readonly Draft _rewrite = new(), _health = new();
    private string? _realHeader;
    private bool _mqtt, _preread, _tlsPreread, _secure;

    public NginxServer(NginxFile _file, Directive _server, bool _http)
    {
        (this._file, this._server, this._http) = (_file, _server, _http);
        _tls = new NginxTls(_file.Target, _file.Folder);
        _proxy = new NginxProxy(_file.Target, _file.Folder, _file.Variables, _http);
    }

    private Draft Listener => _proxy.Listener;

    private bool Ssl => _listens.Exists(l => l.Ssl);

    /// <summary>The host names of its clients' requests.</summary>
    public List<string> Names { get; } = [];

    /// <summary>Whether they choose the certificate.</summary>
    public void CarryNames()
    {
        foreach (var d in _server.Block!.Where(d => d.Name == "server_name")) d.Carry();
    }

    /// <param name="location">In http: the location that is a WebSocket.</param>
    /// <param name="inherited">Directives of the enclosing blocks that the server does not have itself.</param>
    public void Apply(IEnumerable<Directive> inherited, Directive? location)
    {
        _server.Carry();
        Listener.Keep(_server);
        foreach (var listen in _server.Block!.Where(d => d.Name == "listen"))
        {
            if (NginxListen.Read(listen, _http, Listener, _proxy.Pool) is { } read) _listens.Add(read);
            Listener.Keep(listen);
        }
        if (_http && _listens.Count == 0 && !_server.Block!.Exists(d => d.Name == "listen") && Target.Bind("0.0.0.0", "80") is { } usual)
            _listens.Add(new NginxListen(_server, usual, 80, false, false, false, false));
        var oldSsl = _server.Block!.Find(d => d.Name == "ssl" && d.Is("on"));
        if (oldSsl is not null)
        {
            oldSsl.Carry();
            for (int i = 0; i < _listens.Count; i++) _listens[i] = _listens[i] with { Ssl = true };
        }
        location?.Carry();
        foreach (var d in inherited.Concat(_server.Block!).Concat(location?.Block ?? []))
        {
            // A location's own directives come last and replace outer ones.
            if (d.Name is "listen" or "location" or "include" || d == oldSsl) continue;
            Apply(d);
            _seen.Add(d);
        }
    }

    private void Apply(Directive d)
    {
        switch (d.Name)
        {
            case "mqtt" or "mqtt_preread" when !_http:
                _mqtt |= d.Is("on");
                _preread |= d.Name == "mqtt_preread" && d.Is("on");
                d.Carry();
                break;
            case "ssl_preread" when !_http:
                _tlsPreread |= d.Is("on");
                d.Carry();
                break;
            case "mqtt_set_connect" when !_http: _rewrites.Add(d); break;
            case "preread_timeout" when !_http:
                Listener.Time("connect-timeout", d, d[0], Units.NginxTime(d[0]), Setting.Hour, "10s");
                break;
            case "allow" or "deny": Rule(d); break;
            case "limit_conn": Limit(d); break;
            case "set_real_ip_from": _realFrom.Add(d); break;
            case "real_ip_header" when _http: _realHeader = d[0]; _realFrom.Add(d); break;
            case "server_name":
                Names.AddRange(d.Words.Select(w => w.Text));
                Listener.Keep(d);
                break;
            case "health_check": NginxHealth.Check(d, _health, _file.Matches, _http); break;
            case "health_check_timeout" when !_http:
                _health.Time("timeout", d, d[0], Units.NginxTime(d[0]), Setting.Hour, "2s");
                break;
            case "access_log": _file.AccessLog(d); break;
            case "error_log": _file.ErrorLog(d); break;
            case var name when name.StartsWith("ssl_", StringComparison.Ordinal):
                if (Ssl && !_tls.Apply(d)) break;
                if (!Ssl && _server.Block!.Contains(d) && NginxDirectives.Find(d.Name)?.Verdict != Verdict.NotNeeded)
                    d.Leave("no `listen` of this server has ssl");
                break;
            default:
                _ = _proxy.Apply(d);
                break;
        }
    }

    /// <summary>Writes what was collected.</summary>
    public void Write(Directive? location)
    {
        if (Ssl) _tls.Finish(_server);
        Listener.KeepClosing(_server);
        if (location is not null) Listener.KeepClosing(location);
        AcceptProxy();
        AddressRules.Write(Listener, _rules, _ruled);
        if (_proxy.Pass is not { } pass)
        {
            _server.Report("no proxy_pass: there is nothing to balance here, and no listener is written");
            GiveUp();
            return;
        }
        pass.Carry();
        var target = _file.Resolve(pass, _http);
        if (target.Problem is not null || _listens.Count == 0)
        {
            pass.Report(target.Problem ?? "no address to listen on is left: no listener is written");
            GiveUp();
            return;
        }
        if (target.SpeaksTls) _proxy.SpeaksTls = true;
        _proxy.Finish(_server);
        bool tcp = IsTcp(target);
        bool allTls = _listens.TrueForAll(l => l.Ssl);
        var traits = new ClientTraits(tcp, allTls, allTls && _tls.VerifiesClients);
        Rewrite(new ClientTraits(tcp, Ssl, Ssl && _tls.VerifiesClients), allTls);
        string? pool = _file.Pool(target, Pool(target, location, tcp), traits, Listener);
        if (pool is null)
        {
            pass.Report($"{target.Name} has no backends that ActorLb can connect to: no listener is written");
            GiveUp();
            return;
        }
        Listeners(pool, target.Port, location, tcp);
    }

    /// <summary>Directives of the server that nothing has handled yet, so that they are reported in their place.</summary>
    private void Judge(Directive? location)
    {
        foreach (var d in _server.Block!.Concat(location?.Block ?? []))
        {
            if (d.Name != "location") NginxDirectives.Table.Judge(d, d.Name);
        }
    }

    private void GiveUp()
    {
        Judge(location: null);
        foreach (string comment in Listener.Comments().ToArray()) _file.Target.Listeners.Comment(comment);
        _file.Target.Note(_seen.Concat(_listens.Select(l => l.From)).Append(_server), _file.Target.Listeners);
    }

    private Draft Pool(NginxPass target, Directive? location, bool tcp)
    {
        var pool = _proxy.Pool;
        if (_http) pool["websocket"].Set("path", Units.Quote(target.Path ?? Path(location)));
        if (tcp) _health.Set("probe", "tcp", null, null, "MQTT is not visible on this path");
        if (_health.HasKeys) pool.Put("health", _health);
        return pool;
    }

    /// <summary>TLS or WebSocket that is passed through is not visible as MQTT.</summary>
    private bool IsTcp(NginxPass target)
    {
        if (_http || _mqtt) return false;
        if (WellKnown.IsWebPort(target.Port)) return true;
        if (!Ssl && _tlsPreread) return true;
        int[] ports = [.. _listens.Select(l => l.Port), target.Port];
        bool tlsInside = !Ssl && !_proxy.SpeaksTls && ports.Any(p => p is 8883 or 8084 or 443);
        return !_preread && _rewrites.Count == 0 && (tlsInside || ports.Any(WellKnown.IsWebSocketPort) || WellKnown.IsWebSocketName(target.Name));
    }

    private void Listeners(string pool, int port, Directive? location, bool tcp)
    {
        bool first = true;
        Judge(location);
        foreach (var listen in _listens)
        {
            if (_file.Target.ListenerAt(listen.Bind) is not null)
            {
                _file.Share(listen, this, listen.Ssl ? _tls.BySni(Names) : null, pool);
                continue;
            }
            var listener = new Draft();
            listener.Set("bind", listen.Bind);
            listener.Set("pool", Target.Reference(pool));
            if (tcp) listener.Set("protocol", "tcp", null, null, WellKnown.Unseen(Ssl, _tlsPreread, port));
            if (listen.Ssl) Put(listener["tls"], _tls.Block, first || !_listens.TakeWhile(l => l != listen).Any(l => l.Ssl));
            if (_http) WebSocket(listener["websocket"], location);
            if (_rewrite.HasKeys && (listen.Ssl || !_secure)) Put(listener["rewrite"], _rewrite, first);
            if (first) Merge(listener, Listener);
            else listener.CopyFrom(Listener);
            if (listen.IsIPv6 && !_listens.Exists(l => !l.IsIPv6 && l.Port == listen.Port) && !_file.ListensOnIPv4(listen.Port) && listen.From.Parameter("ipv6only") != "off")
                listen.From.Report("ActorLb also accepts IPv4 clients on [::] if no other listener has that port: deny = [\"0.0.0.0/0\"] keeps them out");
            string kind = _http ? listen.Ssl ? "wss" : "ws" : listen.Ssl ? "mqtts" : tcp ? "tcp" : "mqtt";
            if (first) _file.Target.Note(_seen.Concat(_server.Block!).Append(_server), listener);
            _file.Target.Note([listen.From], listener);
            _file.Target.AddListener(kind, listen.Bind, listener);
            first = false;
        }
    }

    private static void Put(Draft to, Draft block, bool withComments)
    {
        if (withComments) Merge(to, block);
        else to.CopyFrom(block);
    }

    private static void Merge(Draft to, Draft from) => to.Take(from);

    private void WebSocket(Draft websocket, Directive? location)
    {
        websocket.Set("path", Units.Quote(Path(location)), null);
        if (_proxy.PassedHeaders.Count > 0)
            websocket.Set("pass-headers", $"[{string.Join(", ", ConfigurationDefaults.PassHeaders.Concat(_proxy.PassedHeaders).Distinct(StringComparer.OrdinalIgnoreCase))}]");
        if (_forwardedFrom.Count > 0) websocket.Set("accept-forwarded-for", List(_forwardedFrom));
        string[] exact = [.. Names.Where(AddressText.IsHost)];
        foreach (var d in _server.Block!.Where(d => d.Name == "server_name"))
        {
            if (_listens.Exists(l => l.Ssl && _file.Target.ListenerAt(l.Bind) is not null)) d.Carry();
            else d.Leave("NGINX serves any Host by the first server of a port, and so does the listener; its hosts setting restricts that");
        }
        if (exact.Length > 0) websocket.Comment($"# hosts = {List(exact)}  # allows only these; NGINX serves any other Host by the first server of a port");
    }

    private string Path(Directive? location)
    {
        string path = location?.Words.Count > 0 ? location.Words[^1].Text : "/";
        if (location?.Words.Count > 1 && location[0] is "~" or "~*")
        {
            string literal = path.TrimStart('^').TrimEnd('$');
            bool plain = literal.StartsWith('/') && literal.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '-' or '_');
            if (!plain || !path.StartsWith('^')) location.Report("a pattern of paths: a listener has one path, check websocket.path");
            path = plain ? literal : "/mqtt";
        }
        if (path == "/")
        {
            location?.Report("every path was served: a listener has one, and /mqtt is written, which clients use by convention");
            return "/mqtt";
        }
        if (WellKnown.IsPath(path)) return path;
        location?.Report("not a path such as /mqtt: check websocket.path");
        return "/mqtt";
    }

    private readonly List<string> _forwardedFrom = [];

    private void AcceptProxy()
    {
        var networks = new List<string>();
        foreach (var d in _realFrom.Where(d => d.Name == "set_real_ip_from"))
        {
            if (AddressRules.Network.Parse(d[0]) is { } network) networks.Add(network.ToString());
            else d.Report($"'{d[0]}' is not a network: name the proxies' networks");
        }
        bool proxied = _listens.Exists(l => l.Proxy), forwarded = _realHeader is not null && !_realHeader.Equals("proxy_protocol", StringComparison.OrdinalIgnoreCase);
        if (forwarded && _realHeader!.Equals("X-Forwarded-For", StringComparison.OrdinalIgnoreCase)) _forwardedFrom.AddRange(networks);
        else if (forwarded) _realFrom.Find(d => d.Name == "real_ip_header")!.Report("proxies are trusted only by X-Forwarded-For (websocket.accept-forwarded-for)");
        foreach (var d in _realFrom)
        {
            if (proxied || forwarded) d.Carry();
            Listener.Keep(d);
        }
        if (!proxied) return;
        if (networks.Count == 0)
        {
            _listens.First(l => l.Proxy).From.Report("proxy_protocol without set_real_ip_from: the headers of all networks are trusted; name your proxies' networks in accept-proxy-protocol.from");
            networks = ["0.0.0.0/0", "::/0"];
        }
        Listener["accept-proxy-protocol"].Set("from", List(networks.Distinct()));
    }

    private void Rule(Directive d)
    {
        bool allow = d.Name == "allow";
        if (d.Is("all")) _rules.Add(new AddressRules.Rule(allow, [AddressRules.Network.All(4), AddressRules.Network.All(6)]));
        else if (AddressRules.Network.Parse(d[0]) is { } network) _rules.Add(new AddressRules.Rule(allow, [network]));
        else if (d.Is("unix:")) d.Leave("ActorLb does not listen on such sockets");
        else d.Report($"'{d[0]}' is not a network: add it to {d.Name} by hand");
        if (d.Verdict is null or Verdict.Carried)
        {
            d.Carry();
            _ruled.Add(d);
        }
        if (_rules.Count > ImportLimits.Entries) d.Report("too many rules");
    }

    private void Limit(Directive d)
    {
        switch (_file.ZoneKey(d[0]))
        {
            case "$binary_remote_addr" or "$remote_addr":
                Listener["limits"]["per-address"].Integer("connections", d, d[1], 0, 10_000_000, "0");
                break;
            case "$server_addr" or "$server_port" or "$server_name" or "$server_addr$server_port" or "$server_addr:$server_port":
                Listener.Integer("max-connections", d, d[1], 0, 10_000_000, "0");
                break;
            case null:
                d.Report("limit_conn_zone is missing in these files: see limits.per-address and max-connections of the listener");
                break;
            case var key:
                d.Report($"connections are limited by client address (limits.per-address) or per listener (max-connections), not by {key}");
                break;
        }
    }

    private void Rewrite(ClientTraits traits, bool allTls)
    {
        foreach (var d in _rewrites)
        {
            string? key = d[0] switch { "clientid" => "client-id", "username" => "username", "password" => "password", _ => null };
            (string? text, string? unknown) = _file.Variables.Template(d[1], m => m.Carry());
            if (key is null)
            {
                d.Report("ActorLb sets client-id, username and password of the CONNECT");
            }
            else if (text is { Length: 0 } && key == "client-id")
            {
                d.Report("a client id cannot be removed");
            }
            else if (text is { Length: 0 })
            {
                _rewrite.Set(key, "remove", null, d);
                d.Carry();
            }
            else if (text is null || !Template.TryParse(text, out var template, out _))
            {
                d.Report($"{unknown} is not a variable of ActorLb: see rewrite.{key}");
            }
            else if (!traits.Allows(template!) || !_mqtt && traits.Tcp)
            {
                d.Report($"this listener's clients have no such value: rewrite.{key} needs tls with verify-client for certificates");
            }
            else
            {
                _rewrite.Set(key, Units.Quote(text), null, d);
                d.Carry();
                if (!template!.UsesTls || allTls) continue;
                _secure = true;
                d.Report("an address of this server has no ssl: its listener is written without rewrite; leave it out, or let its clients use TLS");
            }
        }
    }

    private static string List(IEnumerable<string> texts) => $"[{string.Join(", ", texts.Select(Units.Quote))}]";
}
