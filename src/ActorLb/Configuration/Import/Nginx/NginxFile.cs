namespace ActorLb.Configuration.Import.Nginx;

/// <summary>The target of a <c>proxy_pass</c>.</summary>
/// <param name="Problem">Why ActorLb cannot connect to it; null when it can.</param>
internal sealed record NginxPass(string Name, int Port, string? Path, bool SpeaksTls, NginxUpstream? Upstream, BackendEntry? Entry, string? Problem);

/// <summary>NGINX's stream or http context: what its servers share.</summary>
internal sealed class NginxFile(Target target, string folder, bool http)
{
    private readonly Dictionary<string, Directive> _upstreams = [], _zones = [];
    private readonly HashSet<string> _used = [];
    private readonly HashSet<(int Port, bool IPv4)> _ports = [];
    private readonly Dictionary<string, string> _discovery = [];

    public Target Target => target;

    public string Folder => folder;

    public NginxVariables Variables { get; } = new();

    public Dictionary<string, Directive> Matches { get; } = [];

    /// <summary>Stores definitions that servers refer to.</summary>
    /// <returns>Whether it is such a definition.</returns>
    public bool Define(Directive d)
    {
        switch (d.Name)
        {
            case "upstream" when d.Block is not null:
                if (!_upstreams.TryAdd(d[0], d)) d.Report("a second upstream of this name: it is left out");
                return true;
            case "map" or "split_clients":
                Variables.Add(d);
                return true;
            case "limit_conn_zone":
                if (d.Parameter("zone") is { } zone) _zones[zone.Split(':')[0]] = d;
                return true;
            case "match" when d.Block is not null:
                Matches[d[0]] = d;
                return true;
            case "resolver":
                Resolver(d);
                return true;
            default: return false;
        }
    }

    public void Note(NginxListen listen) => _ports.Add((listen.Port, !listen.IsIPv6));

    public void NoteListen(Directive listen)
    {
        string address = listen[0];
        if (Units.Number(address[(address.LastIndexOf(':') + 1)..]) is { } port) _ports.Add((port, !address.Contains('[', StringComparison.Ordinal)));
    }

    public bool ListensOnIPv4(int port) => _ports.Contains((port, true));

    /// <summary>The key that a zone counts by; null for an unknown zone.</summary>
    public string? ZoneKey(string zone)
    {
        if (!_zones.TryGetValue(zone, out var definition)) return null;
        definition.Carry();
        return definition[0];
    }

    public NginxPass Resolve(Directive pass, bool http)
    {
        string text = pass[0], scheme = "";
        string? path = null;
        if (http)
        {
            int at = text.IndexOf("://", StringComparison.Ordinal);
            scheme = at < 0 ? "" : text[..at];
            if (at >= 0) text = text[(at + 3)..];
            if (scheme is not ("http" or "https")) return Failed($"{(at < 0 ? "a variable" : scheme)} in proxy_pass: name the pool by hand");
            int slash = text.IndexOf('/', StringComparison.Ordinal);
            if (slash >= 0) (text, path) = (text[..slash], text[slash..]);
            if (path is "" or "/") path = path == "/" ? "/" : null;
            if (path is not null && !path.All(c => c is > ' ' and < '\u007f' and not '#' and not '$')) path = null;
        }
        bool tls = scheme == "https";
        if (text.Contains('$', StringComparison.Ordinal))
        {
            if (Variables.Map(text) is not { } map || NginxVariables.DefaultOf(map) is not { } chosen)
                return Failed($"{text} is known only when a client connects: a listener has one pool; give each its own address or port");
            if (NginxVariables.IsConstant(map))
            {
                map.Carry();
                map.LeaveBlock("all values are the same");
            }
            else
            {
                map.Report($"a listener has one pool: {chosen}, the default, is written; give the others listeners of their own, by address or port");
                map.LeaveBlock("is in a map of which only the default is used");
                pass.Report($"a listener has one pool: {chosen} is written, the default of the map");
            }
            text = chosen;
        }
        if (_upstreams.TryGetValue(text, out var found))
        {
            _used.Add(text);
            var upstream = new NginxUpstream(found, Variables, _discovery, http);
            return new NginxPass(text, upstream.Port, path, tls, upstream, null, null);
        }
        if (BackendEntry.Read(pass, text, http ? tls ? "443" : "80" : null) is { Key: { } key } entry)
            return new NginxPass(key, Units.Number(key[(key.LastIndexOf(':') + 1)..]) ?? 0, path, tls, null, entry, null);
        return Failed(text.StartsWith("unix:", StringComparison.Ordinal) ? "ActorLb connects to brokers only by TCP: let this one listen on a port"
            : $"'{text}' is neither an upstream of these files nor a host and port: no listener is written");

        static NginxPass Failed(string problem) => new("", 0, null, false, null, null, problem);
    }

    /// <summary>The name of the pool; null when it has no backend.</summary>
    /// <param name="settings">Those of the server that passes to it.</param>
    public string? Pool(NginxPass pass, Draft settings, ClientTraits traits, Draft overflow)
    {
        var pool = new Draft();
        if (pass.Upstream is not null)
        {
            if (!pass.Upstream.Write(pool, traits)) return null;
            foreach (var d in _upstreams[pass.Name].Block ?? []) NginxDirectives.Table.Judge(d, d.Name);
        }
        else
        {
            pool.SetList("backends", [(pass.Entry!.Render(), null)]);
        }
        pool.Take(settings);
        if (pass.Upstream is not null) target.Note((_upstreams[pass.Name].Block ?? []).Append(_upstreams[pass.Name]), pool);
        string wanted = pass.Upstream is not null ? pass.Name : "broker-" + string.Concat(pass.Name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-'));
        return target.AddPool($"{(http ? "http" : "stream")} {pass.Name}", wanted, pool, overflow);
    }

    /// <summary>Pools for upstreams that no listener uses.</summary>
    public void WriteUnused()
    {
        foreach ((string name, var upstream) in _upstreams)
        {
            if (_used.Contains(name)) continue;
            if (http)
            {
                upstream.Report("no WebSocket in these files uses it: it is left out");
                upstream.LeaveBlock("is in an upstream that is left out");
                continue;
            }
            Draft settings = new(), pool = new();
            pool.Comment("# No listener uses this pool.");
            bool written = new NginxUpstream(upstream, Variables, _discovery, http).Write(pool, default);
            target.Note(upstream.Block!.Append(upstream), written ? pool : target.Pools);
            pool.Take(settings);
            if (written) target.AddPool($"stream {name}", name, pool, target.Pools);
        }
    }

    /// <summary>A further server for an address that already has a listener.</summary>
    /// <param name="certificate">Its certificate with its names; null without one.</param>
    public void Share(NginxListen listen, NginxServer server, string? certificate, string pool)
    {
        var listener = target.ListenerAt(listen.Bind)!;
        server.CarryNames();
        string names = server.Names.Count == 0 ? "this server" : string.Join(' ', server.Names);
        if (listen.Ssl && certificate is not null && listener.Has("tls"))
        {
            var tls = listener["tls"];
            string known = tls.Value("certificates")?[1..^1] ?? "";
            tls.Set("certificates", $"[{(known.Length == 0 ? "" : known + ", ")}{certificate}]");
            listen.From.Carry();
        }
        else
        {
            listen.From.Report($"another listener already has this address: everything else about {names} is left out");
        }
        if (listener.Value("pool") != Target.Reference(pool))
            listen.From.Report($"a listener has one pool: clients of {names} would go to {pool}; give them their own address or port");
        target.Note([listen.From], listener);
    }

    public void AccessLog(Directive d)
    {
        if (d.Is("off")) d.Carry();
        else if (d[0].StartsWith("syslog:", StringComparison.Ordinal) || d[0].Contains('$', StringComparison.Ordinal)) d.Report("log.access must be a file, or stdout");
        else if (d[0] is "/dev/stdout" or "/dev/stderr") SetAccess(d, "\"stdout\"");
        else SetAccess(d, Units.Quote(Path.GetFullPath(Path.Combine("/", d[0]))));
    }

    private void SetAccess(Directive d, string value)
    {
        if (target.Log.Value("access") is { } other && other != value)
        {
            d.Report($"a node has one access log: {other} is written");
            return;
        }
        target.Log.Set("access", value, null, d, "one line per connection");
        d.Carry();
    }

    public void ErrorLog(Directive d)
    {
        string? level = d[1] switch
        {
            "debug" or "debug_core" => "debug",
            "info" or "notice" => "info",
            "warn" => "warning",
            "error" or "crit" or "alert" or "emerg" => "error",
            _ => null,
        };
        if (level is null)
        {
            d.Leave("the log goes to standard error, at the level log.level");
            return;
        }
        target.Log.Set("level", level, "info", d);
        d.Carry();
    }

    private void Resolver(Directive d)
    {
        if (d.Parameter("valid") is { } valid && Units.NginxTime(valid) is { } time && time >= TimeSpan.FromSeconds(1) && time <= Setting.Day) _discovery["valid"] = Units.Show(time);
        if (d.Words.TrueForAll(w => w.Text is "127.0.0.11" or "127.0.0.53" || w.Text.Contains('=', StringComparison.Ordinal)))
        {
            d.Leave("names are resolved by the servers in /etc/resolv.conf, which are these in containers and with systemd");
            return;
        }
        d.Report("names are resolved by the servers in /etc/resolv.conf: add these there");
    }
}
