namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>Converts HAProxy's configuration: what sections inherit, and which frontend uses which backend.</summary>
internal sealed class HAProxyImport
{
    private readonly Target _target;
    private readonly HAProxyGlobals _globals;
    private readonly Dictionary<string, string> _discoveryTimes = [];
    private readonly Dictionary<string, Directive> _namedDefaults = [];
    private readonly Dictionary<Directive, Directive?> _inherits = [];
    private readonly Dictionary<string, Directive> _backends = [];
    private readonly HashSet<string> _used = [];

    public HAProxyImport(Target _target, string file)
    {
        this._target = _target;
        _globals = new HAProxyGlobals(_target, file);
    }

    /// <param name="whole">The sections, from <see cref="HAProxyReader"/>.</param>
    public void Translate(Directive whole)
    {
        var fronts = new List<Directive>();
        Directive? defaults = null;
        foreach (var section in whole.Block!)
        {
            switch (section.Name)
            {
                case "global": _globals.Apply(section); break;
                case "defaults":
                    section.Carry();
                    _inherits[section] = From(section, 0);
                    if (section.Words.Count > 0 && !section.Is("from")) _namedDefaults[section[0]] = section;
                    defaults = section;
                    break;
                case "resolvers":
                    section.Carry();
                    Resolvers(section);
                    break;
                case "frontend" or "backend" or "listen":
                    if (section.Words.Count == 0)
                    {
                        section.Report("a section without a name: it is left out");
                        section.LeaveBlock("is in a section that is left out");
                        break;
                    }
                    _inherits[section] = From(section, 1) ?? defaults;
                    if (Switched(section)) break;
                    if (section.Name != "frontend" && !_backends.TryAdd(section[0], section)) section.Report("a second section of this name: it is left out");
                    if (section.Name != "backend") fronts.Add(section);
                    break;
            }
        }
        foreach (var front in fronts) Front(front);
        foreach ((string name, var section) in _backends)
        {
            if (!_used.Contains(name)) Unused(name, section);
        }
    }

    /// <summary>A section that is switched off.</summary>
    private static bool Switched(Directive section)
    {
        if (section.Block!.Find(d => d.Name == "disabled") is not { } off) return false;
        off.Report("the section is switched off: it is left out");
        section.Leave("it is switched off");
        section.LeaveBlock("is in a section that is switched off");
        return true;
    }

    private Directive? From(Directive section, int at)
    {
        int from = section.Words.FindIndex(at, w => w.Text == "from");
        if (from < 0 || from + 1 >= section.Words.Count) return null;
        if (_namedDefaults.GetValueOrDefault(section[from + 1]) is { } known) return known;
        section.Report($"there is no section defaults {section[from + 1]} before it: it inherits nothing");
        return null;
    }

    private void Resolvers(Directive section)
    {
        foreach (var d in section.Block!)
        {
            if (d.Name == "hold" && d.Is("valid") && Units.HAProxyTime(d[1]) is { } time && time >= TimeSpan.FromSeconds(1) && time <= Setting.Day)
            {
                _discoveryTimes[section[0]] = Units.Show(time);
                d.Carry();
            }
            else if (d.Name == "hold")
            {
                d.Leave("backends missing from an answer leave once the others are known to work");
            }
            else if (d.Name == "nameserver" && (d[1].StartsWith("127.0.0.11:", StringComparison.Ordinal) || d[1].StartsWith("127.0.0.53:", StringComparison.Ordinal)))
            {
                d.Leave("names are resolved by the servers in /etc/resolv.conf, which is this one in containers and with systemd");
            }
        }
    }

    /// <summary>What a section inherits, the most distant first, then its own.</summary>
    private IEnumerable<Directive> Lines(Directive section)
    {
        var chain = new List<Directive>();
        for (var at = section; at is not null && chain.Count < 50 && !chain.Contains(at); at = _inherits.GetValueOrDefault(at)) chain.Add(at);
        chain.Reverse();
        return chain.SelectMany(s => s.Block!);
    }

    private void Front(Directive section)
    {
        section.Carry();
        bool listen = section.Name == "listen";
        _used.Add(section[0]);
        var front = new HAProxyFrontend(_target, _globals, section[0]);
        var own = new HAProxyBackend(_target, _globals, _discoveryTimes);
        if (section.Words.Count > 1 && section[1] != "from") section.Report($"{section[1]}: an address after the name is not supported: use bind");
        Directive[] lines = [.. Lines(section)];
        var written = section.Block!.ToHashSet();
        foreach (var d in lines.Where(d => d.Name == "acl")) front.AddCondition(d);
        foreach (var d in lines)
        {
            bool known = front.Apply(d);
            if (listen) known |= own.Apply(d);
            if (d.Name is "no") d.Leave("the option is off");
            else if (!known && written.Contains(d)) HAProxyDirectives.Table.Judge(d, HAProxyDirectives.KeyOf(d));
        }
        front.Listener.Keep(section);
        (string? name, var from, string? path) = front.Choose(listen && own.HasServers);
        if (name is null || front.Stats is not null && !own.HasServers && from is null)
        {
            Page(section, front);
            return;
        }
        _used.Add(name);
        var backend = name == section[0] && from is null ? own : Backend(name);
        if (backend is null || !backend.HasServers)
        {
            (from ?? section).Report($"{name} has no servers in these files: no listener is written");
            _target.Note(section.All(), _target.Listeners);
            return;
        }
        bool tcp = front.PassesUnseen(backend);
        string? socket = front.IsHttp && !tcp ? path ?? Usual(from ?? section) : null;
        if (!backend.Finish(tcp, socket))
        {
            (from ?? section).Report($"{name} has no backend that ActorLb can connect to: no listener is written");
            _target.Note(section.All(), _target.Listeners);
            return;
        }
        string pool = _target.AddPool(name, name, backend.Pool, front.Listener);
        front.Write(pool, backend, socket, tcp, section);
    }

    private static string Usual(Directive from)
    {
        from.Report("every path was served: a listener has one, and /mqtt is written, which clients use by convention");
        return "/mqtt";
    }

    /// <summary>A section that balances nothing: the status page, a redirect.</summary>
    private void Page(Directive section, HAProxyFrontend front)
    {
        if (front.Stats is { } stats && front.Binds.Count > 0)
        {
            stats.Carry();
            foreach (var bind in front.Binds) AdminAddress.Set(_target, bind.From, bind.From[0], "/status, /metrics and the API");
            _target.Admin.Keep(section);
            Judge(section, _target.Admin);
            _target.Admin.KeepClosing(section);
            return;
        }
        section.Report("it has no MQTT backend: no listener is written");
        Judge(section, _target.Listeners);
    }

    private void Judge(Directive section, Draft at)
    {
        foreach (var d in section.Block!) HAProxyDirectives.Table.Judge(d, HAProxyDirectives.KeyOf(d));
        _target.Note(section.Block!.Append(section), at);
    }

    private HAProxyBackend? Backend(string name)
    {
        if (!_backends.TryGetValue(name, out var section)) return null;
        section.Carry();
        var backend = new HAProxyBackend(_target, _globals, _discoveryTimes);
        backend.Pool.Keep(section);
        var written = section.Block!.ToHashSet();
        foreach (var d in Lines(section))
        {
            if (backend.Apply(d) || !written.Contains(d)) continue;
            if (d.Name == "no") d.Leave("the option is off");
            else if (d.Name == "acl" || (d.Name is "mode" or "log")) d.Leave("the listener has the same");
            else HAProxyDirectives.Table.Judge(d, HAProxyDirectives.KeyOf(d));
            _target.Note([d], backend.Pool);
        }
        foreach (var d in section.Block!.Where(d => d.Name == "mode")) d.Carry();
        _target.Note([section], backend.Pool);
        backend.Pool.KeepClosing(section);
        return backend;
    }

    /// <summary>A backend that no listener uses is written if it is for MQTT.</summary>
    private void Unused(string name, Directive section)
    {
        if (Lines(section).LastOrDefault(d => d.Name == "mode")?.Is("http") == true)
        {
            section.Report("no WebSocket in these files uses it: it is left out");
            section.LeaveBlock("is in a backend that is left out");
            return;
        }
        if (Backend(name) is not { HasServers: true } backend || !backend.Finish(tcp: false, webSocketPath: null))
        {
            section.Report("has no servers: it is left out");
            return;
        }
        backend.Pool.CommentFirst(["# No listener uses this pool."]);
        _target.AddPool(name, name, backend.Pool, _target.Pools);
    }
}
