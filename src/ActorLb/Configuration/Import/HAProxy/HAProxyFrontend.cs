using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>HAProxy's <c>frontend</c>, or the frontend part of a <c>listen</c>: a listener for each of its addresses.</summary>
internal sealed class HAProxyFrontend(Target target, HAProxyGlobals globals, string name)
{
    private readonly List<Directive> _directives = [], _uses = [], _timeouts = [];
    private readonly List<AddressRules.Rule> _rules = [];
    private readonly List<Directive> _ruled = [];
    private readonly List<string> _proxies = [];
    private readonly HAProxyConditions _conditions = new();
    private TimeSpan? _clientTimeout;
    private bool _tlsInside;

    public string Name => name;

    public List<HAProxyBind> Binds { get; } = [];

    public Draft Listener { get; } = new();

    public bool IsHttp { get; private set; }

    public bool ReadsMqtt { get; private set; }

    public Directive? Default { get; private set; }

    public Directive? Stats { get; private set; }

    public void AddCondition(Directive acl) => _conditions.Add(acl);

    /// <summary>False for a line that is not about frontends.</summary>
    public bool Apply(Directive d)
    {
        switch (d.Name)
        {
            case "mode":
                IsHttp = d.Is("http");
                if (d.Is("tcp") || d.Is("http")) d.Carry();
                else d.Report("ActorLb balances MQTT, over TCP and WebSocket");
                break;
            case "bind": Binds.Add(new HAProxyBind(d, target, globals)); break;
            case "maxconn": Listener.Integer("max-connections", d, HAProxyValue.Of(d[0]), 0, 10_000_000, "0"); break;
            case "backlog": Listener.Integer("backlog", d, HAProxyValue.Of(d[0]), 1, 1_000_000, "4096"); break;
            case "rate-limit" when d.Is("sessions"): Listener["limits"].Integer("connects-per-second", d, HAProxyValue.Of(d[1]), 0, 10_000_000, "0"); break;
            case "default_backend": Default = d; break;
            case "use_backend": _uses.Add(d); break;
            case "acl": break; // Handled where it is used.
            case "tcp-request": TcpRequest(d); break;
            case "http-request" when d[0] is "deny" or "allow" or "reject": Rule(d, d[0] == "allow", d.Words); break;
            case "timeout" when d.Is("client"):
                _clientTimeout = Units.HAProxyTime(HAProxyValue.Of(d[1]));
                if (_clientTimeout is null) d.Report($"'{d[1]}' is not a time: set idle-timeout of the listener by hand");
                _timeouts.Add(d);
                break;
            case "option" when d[0] is "clitcpka" or "tcpka" or "forwardfor": d.Carry(); break;
            case "option" when d[0] is "tcplog" or "httplog":
                if (globals.Logs)
                {
                    target.Log.Set("access", "stdout", null, d, "one line per connection");
                    d.Carry();
                }
                else
                {
                    d.Leave("there is no log to write to: log.access = stdout logs one line per connection");
                }
                break;
            case "stats" when d[0] is "enable" or "uri" or "auth":
                Stats ??= d;
                if (d.Is("enable")) d.Carry();
                return d.Is("enable");
            case "log" when d.Is("global"):
                d.Leave("the node has one log, on standard error");
                break;
            default: return false;
        }
        _directives.Add(d);
        return true;
    }

    private void TcpRequest(Directive d)
    {
        switch (d[0])
        {
            case "inspect-delay":
                Listener.Time("connect-timeout", d, d[1], Units.HAProxyTime(HAProxyValue.Of(d[1])), Setting.Hour, "10s");
                break;
            case "connection" when d[1] is "expect-proxy": ExpectProxy(d); break;
            case "connection" or "content" when d[1] is "reject" or "accept" or "silent-drop":
                Rule(d, d[1] == "accept", d.Words);
                break;
            case "connection" or "content" or "session" when d[1].StartsWith("track-sc", StringComparison.Ordinal):
                d.Report("limits per client address are limits.per-address { connections, rate } of the listener");
                break;
            default:
                d.Report("limits, allow and deny of the listener apply to connections, protocol = mqtt to the CONNECT");
                break;
        }
    }

    private void ExpectProxy(Directive d)
    {
        var terms = _conditions.Of(d.Words);
        if (terms is [{ Not: false, Test: { IsSource: true } test }] && test.Networks() is { } networks)
        {
            _proxies.AddRange(networks.Select(n => n.ToString()));
            d.Carry();
            d.Report("clients from other networks, which send no PROXY header, need their own listener");
        }
        else if (terms is [])
        {
            _proxies.AddRange(["0.0.0.0/0", "::/0"]);
            d.Report("the headers of all networks are trusted: name your proxies' networks in accept-proxy-protocol.from");
        }
        else
        {
            d.Report("see accept-proxy-protocol of the listener");
        }
    }

    private void Rule(Directive d, bool allow, IReadOnlyList<Word> words)
    {
        var terms = _conditions.Of(words);
        switch (terms)
        {
            case []:
                _rules.Add(new AddressRules.Rule(allow, [AddressRules.Network.All(4), AddressRules.Network.All(6)]));
                break;
            case [{ Test.IsMqtt: true }] or [{ Test.Fetch: "WAIT_END" or "req.len" or "req_len" }]:
                // Anything but a CONNECT is refused anyway.
                ReadsMqtt |= terms[0].Test.IsMqtt;
                d.Carry();
                return;
            case [{ Test.IsHello: true, Not: false }] when allow:
                _tlsInside = true;
                d.Carry();
                return;
            case [{ Test.IsSource: true } term] when term.Test.Networks() is { } networks:
                _rules.Add(new AddressRules.Rule(allow, networks, term.Not));
                break;
            case [{ Test.Fetch: var fetch }] when fetch.Contains("conn_cur", StringComparison.Ordinal) || fetch.Contains("conn_rate", StringComparison.Ordinal) || fetch.Contains("sess_rate", StringComparison.Ordinal):
                d.Report(fetch.Contains("cur", StringComparison.Ordinal) ? "limits.per-address.connections of the listener" : "limits.per-address.rate of the listener, per second");
                return;
            default:
                d.Report("allow and deny of the listener take client networks (src) and no other conditions");
                return;
        }
        d.Carry();
        _ruled.Add(d);
    }

    /// <summary>The backend that clients go to, and for WebSocket the path; what cannot be chosen is reported.</summary>
    /// <param name="ownServers">For a listen: its own servers, if it names no other backend.</param>
    public (string? Backend, Directive? From, string? Path) Choose(bool ownServers)
    {
        (string Backend, Directive From, string? Path)? chosen = null;
        foreach (var use in _uses)
        {
            var terms = _conditions.Of(use.Words);
            if (chosen is not null)
            {
                use.Report("a listener has one pool, and another one is already chosen: give these clients their own listener");
                continue;
            }
            if (terms is [])
            {
                chosen = (use[0], use, null);
                use.Carry();
            }
            else if (IsHttp && terms is not null && terms.All(t => !t.Not && (t.Test.IsPath || t.Test.IsUpgrade)))
            {
                string? path = terms.FirstOrDefault(t => t.Test.IsPath).Test?.Values.FirstOrDefault(WellKnown.IsPath);
                chosen = (use[0], use, path);
                use.Carry();
                if (terms.Any(t => t.Test.IsPath && t.Test.Values.Count > 1)) use.Report($"a listener has one WebSocket path: {path} is written");
            }
            else
            {
                use.Report("a listener has one pool, chosen without conditions: give these clients their own listener, by address or port");
            }
        }
        if (chosen is { } result)
        {
            Default?.Report(IsHttp ? "paths other than the WebSocket's get 404: ActorLb serves no web pages" : $"a listener has one pool: {result.Backend} is written");
            return (result.Backend, result.From, result.Path);
        }
        if (Default is not null)
        {
            Default.Carry();
            return (Default[0], Default, null);
        }
        return (ownServers ? name : null, null, null);
    }

    /// <summary>Writes the listeners.</summary>
    /// <param name="pool">Its name.</param>
    public void Write(string pool, HAProxyBackend backend, string? path, bool tcp, Directive section)
    {
        AcceptProxy();
        AddressRules.Write(Listener, _rules, _ruled);
        Idle(backend);
        foreach (var acl in _directives.Where(d => d.Name == "acl")) acl.Leave("nothing that is written here uses it");
        if (Binds.Count == 0) section.Report("no bind, so no listener is written");
        bool first = true;
        foreach (var bind in Binds)
        {
            foreach ((string? address, int port, bool six, string? problem) in HAProxyAddress.Binds(target, bind.From[0]).Take(ImportLimits.Entries))
            {
                if (address is null)
                {
                    bind.From.Report(problem!);
                    continue;
                }
                if (target.ListenerAt(address) is not null)
                {
                    bind.From.Report("another listener has this address: it is left out");
                    continue;
                }
                var listener = One(bind, address, pool, backend, path, tcp, first);
                if (six && (bind.OnlyIPv6 && !target.Binds.Contains($"\"0.0.0.0:{port}\"") && !OwnIPv4(port)))
                    bind.From.Report("v6only: ActorLb also accepts IPv4 clients on [::] if no other listener has that port: deny = [\"0.0.0.0/0\"] keeps them out");
                listener.Keep(bind.From);
                if (first)
                {
                    target.Note(_directives.Where(d => d.Name != "bind").Append(section), listener);
                    listener.KeepClosing(section);
                }
                target.Note([bind.From], listener);
                target.AddListener(name, address, listener);
                first = false;
            }
        }
        if (first) target.Note(_directives.Append(section), target.Listeners);
    }

    private bool OwnIPv4(int port) => Binds.Exists(b => HAProxyAddress.Binds(target, b.From[0]).Any(a => !a.IsIPv6 && a.Port == port));

    private Draft One(HAProxyBind bind, string address, string pool, HAProxyBackend backend, string? path, bool tcp, bool first)
    {
        var listener = new Draft();
        listener.Set("bind", address);
        listener.Set("pool", Target.Reference(pool));
        if (tcp) listener.Set("protocol", "tcp", null, null, WellKnown.Unseen(bind.Ssl, _tlsInside, backend.Port));
        if (bind.Ssl) listener["tls"].Take(bind.Tls);
        if (path is not null) listener["websocket"].Set("path", Units.Quote(path));
        listener.CopyFrom(bind.Listener);
        if (first) listener.Take(Without(Listener, listener));
        else listener.CopyFrom(Listener);
        if (bind.AcceptsProxy && !listener.Has("accept-proxy-protocol"))
        {
            listener["accept-proxy-protocol"].Set("from", "[\"0.0.0.0/0\", \"::/0\"]");
            bind.From.Report("accept-proxy: the headers of all networks are trusted; name your proxies' networks in accept-proxy-protocol.from");
        }
        return listener;
    }

    /// <summary>The address's own words take precedence.</summary>
    private static Draft Without(Draft draft, Draft own)
    {
        foreach ((string key, _) in own.Fields().ToArray()) draft.Remove(key);
        return draft;
    }

    private void AcceptProxy()
    {
        if (_proxies.Count > 0) Listener["accept-proxy-protocol"].Set("from", List(_proxies.Distinct()));
    }

    private void Idle(HAProxyBackend backend)
    {
        var both = _clientTimeout is { } client && backend.ServerTimeout is { } server ? client < server ? client : server : _clientTimeout ?? backend.ServerTimeout;
        foreach (var d in _timeouts.Concat(backend.TimeoutsFrom))
        {
            d.Carry();
            Listener.Keep(d);
        }
        if ((backend.TunnelTimeout ?? both) is not { } idle || idle <= TimeSpan.Zero) return;
        var most = TimeSpan.FromDays(365);
        Listener.Set("idle-timeout", Units.Show(idle < most ? idle : most), null, null, "auto would use each client's own Keep Alive");
    }

    /// <summary>TLS or WebSocket that is passed through is not visible as MQTT.</summary>
    public bool PassesUnseen(HAProxyBackend backend)
    {
        if (WellKnown.IsWebPort(backend.Port)) return true;
        if (IsHttp || ReadsMqtt) return false;
        if (_tlsInside) return true;
        int[] ports = [.. Binds.SelectMany(b => HAProxyAddress.Binds(target, b.From[0])).Select(b => b.Port), backend.Port];
        bool ssl = Binds.Exists(b => b.Ssl) || backend.SpeaksTls;
        return (!ssl && ports.Any(p => p is 8883 or 8084 or 443)) || ports.Any(WellKnown.IsWebSocketPort) || WellKnown.IsWebSocketName(name);
    }

    private static string List(IEnumerable<string> texts) => $"[{string.Join(", ", texts.Select(Units.Quote))}]";
}
