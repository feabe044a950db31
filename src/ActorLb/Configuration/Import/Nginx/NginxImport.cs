using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>Converts NGINX's configuration: the main, events, stream and http blocks.</summary>
internal sealed class NginxImport(Target target, string folder)
{
    private readonly NginxFile _stream = new(target, folder, http: false), _web = new(target, folder, http: true);
    private static readonly string[] Scripts = ["_js_", "lua", "perl", "python"];

    private Directive? _workers, _connections;

    /// <param name="whole">The file, from <see cref="NginxReader"/>.</param>
    public void Translate(Directive whole)
    {
        var fragments = new List<Directive>();
        foreach (var d in whole.Block!)
        {
            switch (d.Name)
            {
                case "events":
                    d.Carry();
                    foreach (var inner in d.Block ?? [])
                    {
                        if (inner.Name == "worker_connections") _connections = inner;
                    }
                    break;
                case "stream" or "http" when d.Block is not null:
                    d.Carry();
                    Context(d.Block, d.Name == "http" ? _web : _stream, d.Name == "http");
                    break;
                case "load_module" when Scripts.Any(s => d[0].Contains(s, StringComparison.Ordinal)):
                    d.Report("scripts are not supported: MQTT is read without them");
                    break;
                case "worker_processes": _workers = d; break;
                case "error_log": _stream.ErrorLog(d); break;
                case "worker_shutdown_timeout":
                    target.Node.Time("drain-timeout", d, d[0], Units.NginxTime(d[0]), Setting.Day, "30s", TimeSpan.Zero);
                    break;
                // Fragments that other files include within stream or http.
                case "upstream" or "server" or "map" or "split_clients" or "match" or "limit_conn_zone" or "mqtt" or "mqtt_preread" or "resolver" or "access_log"
                    or "set_real_ip_from" or "allow" or "deny" or "limit_conn":
                    fragments.Add(d);
                    break;
                case var name when name.StartsWith("ssl_", StringComparison.Ordinal) && name != "ssl_engine" || name.StartsWith("proxy_", StringComparison.Ordinal):
                    fragments.Add(d);
                    break;
            }
        }
        Workers();
        if (fragments.Count > 0)
        {
            bool http = fragments.Exists(d => d.Name == "server" && d.Block?.Exists(i => i.Name == "location") == true);
            Context(fragments, http ? _web : _stream, http);
        }
        _stream.WriteUnused();
        _web.WriteUnused();
    }

    private void Workers()
    {
        int? count = null;
        if (_workers is { } d)
        {
            if (d.Is("auto")) d.Carry();
            else target.Node.Integer("workers", d, d[0], 1, 1024, null);
            count = Units.Number(d[0]);
            target.Node.Keep(d);
        }
        if (_connections is not { } c) return;
        if (Units.Number(c[0]) is not { } each)
        {
            c.Report("not a number: set node.max-connections by hand");
            return;
        }
        // Each worker's connections count both sides.
        long clients = count is { } known and > 0 ? Math.Max(1, (long)known * each / 2) : each;
        string note = count is null ? "NGINX's number is per worker: raise it if there are more than two" : $"{count} workers with {each} places each, for both sides";
        target.Node.Integer("max-connections", c, clients.ToString(System.Globalization.CultureInfo.InvariantCulture), 1, 10_000_000, "20480", note);
    }

    private void Context(List<Directive> block, NginxFile file, bool http)
    {
        var inherited = new List<Directive>();
        foreach (var d in block)
        {
            if (d.Name != "server" && !file.Define(d)) inherited.Add(d);
            foreach (var listen in d.Name == "server" ? d.Block ?? [] : [])
            {
                if (listen.Name == "listen") file.NoteListen(listen);
            }
        }
        foreach (var server in block.Where(d => d.Name == "server" && d.Block is not null).ToArray())
        {
            var outer = Outer(inherited, server);
            if (http) Web(file, server, outer);
            else Write(file, server, outer, null, http: false);
        }
    }

    private static void Write(NginxFile file, Directive server, IEnumerable<Directive> outer, Directive? location, bool http)
    {
        var draft = new NginxServer(file, server, http);
        draft.Apply(outer, location);
        draft.Write(location);
    }

    /// <summary>A server inherits directives that it does not have itself.</summary>
    private static IEnumerable<Directive> Outer(IEnumerable<Directive> inherited, Directive inner) =>
        inherited.Where(d => d.Name is not ("allow" or "deny") ? inner.Block?.Exists(i => i.Name == d.Name) != true : inner.Block?.Exists(i => i.Name is "allow" or "deny") != true);

    private void Web(NginxFile file, Directive server, IEnumerable<Directive> outer)
    {
        Directive[] locations = [.. server.Block!.Where(d => d.Name == "location" && d.Block is not null)];
        var status = Array.Find(locations, l => l.Block!.Exists(d => d.Name == "stub_status"));
        status ??= server.Block!.Exists(d => d.Name == "stub_status") ? server : null;
        Directive[] passing = [.. locations.Where(l => l.Block!.Exists(d => d.Name is "proxy_pass"))];
        var chosen = passing.FirstOrDefault(l => l.Block!.Exists(d => d.Name == "proxy_set_header" && d.Words.Count > 0 && d[0].Equals("Upgrade", StringComparison.OrdinalIgnoreCase)))
            ?? passing.FirstOrDefault(l => l.Words.Count > 0 && l.Words[^1].Text.Contains("mqtt", StringComparison.OrdinalIgnoreCase))
            ?? (server.Block!.Exists(d => d.Name == "proxy_set_header" && d.Is("Upgrade")) ? passing.FirstOrDefault() : null);
        foreach (var location in locations)
        {
            if (location == chosen || location == status) continue;
            location.Report(passing.Contains(location) && chosen is not null
                ? "a listener has one WebSocket path: give this one its own port or address"
                : "not a WebSocket: ActorLb serves no web pages, leave them to a web server");
            location.LeaveBlock("is in a location that is left out");
        }
        if (status is not null) Status(server, status);
        if (chosen is not null)
        {
            Write(file, server, outer.Where(d => chosen.Block!.TrueForAll(i => i.Name != d.Name)), Merged(server, chosen), http: true);
            return;
        }
        if (status is null)
        {
            server.Report("no location of it is a WebSocket: ActorLb serves no web pages, leave them to a web server");
            foreach (var d in server.Block!) d.Leave("is in a server that is left out");
            target.Note(server.All(), target.Listeners);
        }
    }

    /// <summary>The location's directives replace those of the server.</summary>
    private static Directive Merged(Directive server, Directive location)
    {
        foreach (var d in server.Block!)
        {
            if (d.Name != "location" && d.Name.StartsWith("proxy_", StringComparison.Ordinal) && location.Block!.Exists(i => i.Name == d.Name)) d.Leave("the location has its own");
        }
        return location;
    }

    /// <summary>stub_status: the admin endpoint has it, on its own address.</summary>
    private void Status(Directive server, Directive status)
    {
        server.Carry();
        status.Carry();
        var page = status.Block!.Find(d => d.Name == "stub_status")!;
        page.Carry();
        foreach (var listen in server.Block!.Where(d => d.Name == "listen")) AdminAddress.Set(target, listen, listen[0], "/status has the same text");
        if (status != server && status.Words is [.., { Text: not "/status" } path]) status.Report($"the path is /status, not {path.Text}: change its readers");
        foreach (var d in status.Block!.Concat(server.Block!))
        {
            if (d.Name is "allow" or "deny") d.Leave("the admin endpoint is on loopback, or requires a token or a certificate");
            else if (d.Name is "access_log" or "server_name" or "error_log") d.Leave("belongs to the status page");
        }
        target.Admin.Keep(server);
        if (status != server) target.Admin.Keep(status);
        target.Note(status.Block!.Concat(server.Block!), target.Admin);
        target.Admin.KeepClosing(status);
        target.Admin.KeepClosing(server);
    }
}
