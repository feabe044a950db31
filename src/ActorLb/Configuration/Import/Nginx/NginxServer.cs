using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>
/// A <c>server</c> of NGINX, with what it inherits: a listener for each of its addresses, and the pool that it passes to with the settings
/// by which it does.
/// </summary>
internal sealed class NginxServer
{
    private readonly NginxFile file;
    private readonly Directive server;
    private readonly bool http;
    private readonly NginxTls tls;
    private readonly NginxProxy proxy;
    private readonly List<NginxListen> listens = [];
    private readonly List<AddressRules.Rule> rules = [];
    private readonly List<Directive> ruled = [], rewrites = [], realFrom = [], seen = [];
    private readonly Draft rewrite = new(), health = new();
    private string? realHeader;
    private bool mqtt, preread, tlsPreread, secure;

    public NginxServer(NginxFile file, Directive server, bool http)
    {
        (this.file, this.server, this.http) = (file, server, http);
        tls = new NginxTls(file.Target, file.Folder);
        proxy = new NginxProxy(file.Target, file.Folder, file.Variables, http);
    }

    private Draft Listener => proxy.Listener;

    private bool Ssl => listens.Exists(l => l.Ssl);

    /// <summary>The names that clients ask for.</summary>
    public List<string> Names { get; } = [];

    /// <summary>They choose the certificate.</summary>
    public void CarryNames()
    {
        foreach (Directive d in server.Block!.Where(d => d.Name == "server_name")) d.Carry();
    }

    /// <param name="location">In http: the location that is a WebSocket.</param>
    /// <param name="inherited">From the blocks around the server, as far as the server has none of that name.</param>
    public void Apply(IEnumerable<Directive> inherited, Directive? location)
    {
        server.Carry();
        Listener.Keep(server);
        foreach (Directive listen in server.Block!.Where(d => d.Name == "listen"))
        {
            if (NginxListen.Read(listen, http, Listener, proxy.Pool) is { } read) listens.Add(read);
            Listener.Keep(listen);
        }
        if (http && listens.Count == 0 && !server.Block!.Exists(d => d.Name == "listen") && Target.Bind("0.0.0.0", "80") is { } usual)
            listens.Add(new NginxListen(server, usual, 80, false, false, false, false));
        Directive? oldSsl = server.Block!.Find(d => d.Name == "ssl" && d.Is("on"));
        if (oldSsl is not null)
        {
            oldSsl.Carry();
            for (int i = 0; i < listens.Count; i++) listens[i] = listens[i] with { Ssl = true };
        }
        location?.Carry();
        foreach (Directive d in inherited.Concat(server.Block!).Concat(location?.Block ?? []))
        {
            // A location's own come last and replace those around it.
            if (d.Name is "listen" or "location" or "include" || d == oldSsl) continue;
            Apply(d);
            seen.Add(d);
        }
    }

    private void Apply(Directive d)
    {
        switch (d.Name)
        {
            case "mqtt" or "mqtt_preread" when !http:
                mqtt |= d.Is("on");
                preread |= d.Name == "mqtt_preread" && d.Is("on");
                d.Carry();
                break;
            case "ssl_preread" when !http:
                tlsPreread |= d.Is("on");
                d.Carry();
                break;
            case "mqtt_set_connect" when !http: rewrites.Add(d); break;
            case "preread_timeout" when !http:
                Listener.Time("connect-timeout", d, d[0], Units.NginxTime(d[0]), Setting.Hour, "10s");
                break;
            case "allow" or "deny": Rule(d); break;
            case "limit_conn": Limit(d); break;
            case "set_real_ip_from": realFrom.Add(d); break;
            case "real_ip_header" when http: realHeader = d[0]; realFrom.Add(d); break;
            case "server_name":
                Names.AddRange(d.Words.Select(w => w.Text));
                Listener.Keep(d);
                break;
            case "health_check": NginxHealth.Check(d, health, file.Matches, http); break;
            case "health_check_timeout" when !http:
                health.Time("timeout", d, d[0], Units.NginxTime(d[0]), Setting.Hour, "2s");
                break;
            case "access_log": file.AccessLog(d); break;
            case "error_log": file.ErrorLog(d); break;
            case var name when name.StartsWith("ssl_", StringComparison.Ordinal):
                if (Ssl && !tls.Apply(d)) break;
                if (!Ssl && server.Block!.Contains(d) && NginxDirectives.Find(d.Name)?.Verdict != Verdict.NotNeeded)
                    d.Leave("no `listen` of this server has ssl");
                break;
            default:
                _ = proxy.Apply(d);
                break;
        }
    }

    /// <summary>Writes what has been gathered.</summary>
    public void Write(Directive? location)
    {
        if (Ssl) tls.Finish(server);
        Listener.KeepClosing(server);
        if (location is not null) Listener.KeepClosing(location);
        AcceptProxy();
        AddressRules.Write(Listener, rules, ruled);
        if (proxy.Pass is not { } pass)
        {
            server.Tell("no proxy_pass: there is nothing to balance here, and no listener is written");
            GiveUp();
            return;
        }
        pass.Carry();
        NginxPass target = file.Resolve(pass, http);
        if (target.Problem is not null || listens.Count == 0)
        {
            pass.Tell(target.Problem ?? "no address to listen on is left: no listener is written");
            GiveUp();
            return;
        }
        if (target.SpeaksTls) proxy.SpeaksTls = true;
        proxy.Finish(server);
        bool tcp = IsTcp(target);
        bool allTls = listens.TrueForAll(l => l.Ssl);
        var traits = new ClientTraits(tcp, allTls, allTls && tls.VerifiesClients);
        Rewrite(new ClientTraits(tcp, Ssl, Ssl && tls.VerifiesClients), allTls);
        string? pool = file.Pool(target, Pool(target, location, tcp), traits, Listener);
        if (pool is null)
        {
            pass.Tell($"{target.Name} has no backends that ActorLb could reach: no listener is written");
            GiveUp();
            return;
        }
        Listeners(pool, target.Port, location, tcp);
    }

    /// <summary>What nobody has judged of the server's own, so that it is told in its place.</summary>
    private void Judge(Directive? location)
    {
        foreach (Directive d in server.Block!.Concat(location?.Block ?? []))
        {
            if (d.Name != "location") NginxDirectives.Table.Judge(d, d.Name);
        }
    }

    private void GiveUp()
    {
        Judge(location: null);
        foreach (string comment in Listener.Comments().ToArray()) file.Target.Listeners.Comment(comment);
        file.Target.Note(seen.Concat(listens.Select(l => l.From)).Append(server), file.Target.Listeners);
    }

    private Draft Pool(NginxPass target, Directive? location, bool tcp)
    {
        Draft pool = proxy.Pool;
        if (http) pool["websocket"].Set("path", Units.Quote(target.Path ?? Path(location)));
        if (tcp) health.Set("probe", "tcp", null, null, "no MQTT is to be seen on this way");
        if (health.HasKeys) pool.Put("health", health);
        return pool;
    }

    /// <summary>TLS or WebSocket that goes through unseen is no MQTT.</summary>
    private bool IsTcp(NginxPass target)
    {
        if (http || mqtt) return false;
        if (WellKnown.IsWebPort(target.Port)) return true;
        if (!Ssl && tlsPreread) return true;
        int[] ports = [.. listens.Select(l => l.Port), target.Port];
        bool tlsInside = !Ssl && !proxy.SpeaksTls && ports.Any(p => p is 8883 or 8084 or 443);
        return !preread && rewrites.Count == 0 && (tlsInside || ports.Any(WellKnown.IsWebSocketPort) || WellKnown.IsWebSocketName(target.Name));
    }

    private void Listeners(string pool, int port, Directive? location, bool tcp)
    {
        bool first = true;
        Judge(location);
        foreach (NginxListen listen in listens)
        {
            if (file.Target.ListenerAt(listen.Bind) is not null)
            {
                file.Share(listen, this, listen.Ssl ? tls.BySni(Names) : null, pool);
                continue;
            }
            var listener = new Draft();
            listener.Set("bind", listen.Bind);
            listener.Set("pool", Target.Reference(pool));
            if (tcp) listener.Set("protocol", "tcp", null, null, WellKnown.Unseen(Ssl, tlsPreread, port));
            if (listen.Ssl) Put(listener["tls"], tls.Block, first || !listens.TakeWhile(l => l != listen).Any(l => l.Ssl));
            if (http) WebSocket(listener["websocket"], location);
            if (rewrite.HasKeys && (listen.Ssl || !secure)) Put(listener["rewrite"], rewrite, first);
            if (first) Merge(listener, Listener);
            else listener.CopyFrom(Listener);
            if (listen.IsIPv6 && !listens.Exists(l => !l.IsIPv6 && l.Port == listen.Port) && !file.ListensOnIPv4(listen.Port) && listen.From.Parameter("ipv6only") != "off")
                listen.From.Tell("ActorLb takes IPv4 clients on [::] too, where no other listener has that port: deny = [\"0.0.0.0/0\"] keeps them out");
            string kind = http ? listen.Ssl ? "wss" : "ws" : listen.Ssl ? "mqtts" : tcp ? "tcp" : "mqtt";
            if (first) file.Target.Note(seen.Concat(server.Block!).Append(server), listener);
            file.Target.Note([listen.From], listener);
            file.Target.AddListener(kind, listen.Bind, listener);
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
        if (proxy.PassedHeaders.Count > 0)
            websocket.Set("pass-headers", $"[{string.Join(", ", ConfigurationDefaults.PassHeaders.Concat(proxy.PassedHeaders).Distinct(StringComparer.OrdinalIgnoreCase))}]");
        if (forwardedFrom.Count > 0) websocket.Set("accept-forwarded-for", List(forwardedFrom));
        string[] exact = [.. Names.Where(AddressText.IsHost)];
        foreach (Directive d in server.Block!.Where(d => d.Name == "server_name"))
        {
            if (listens.Exists(l => l.Ssl && file.Target.ListenerAt(l.Bind) is not null)) d.Carry();
            else d.Leave("NGINX serves every Host by its first server of a port, and so does the listener; its hosts admits some alone");
        }
        if (exact.Length > 0) websocket.Comment($"# hosts = {List(exact)}  # admits these alone; NGINX serves every other Host too by its first server of a port");
    }

    private string Path(Directive? location)
    {
        string path = location?.Words.Count > 0 ? location.Words[^1].Text : "/";
        if (location?.Words.Count > 1 && location[0] is "~" or "~*")
        {
            string literal = path.TrimStart('^').TrimEnd('$');
            bool plain = literal.StartsWith('/') && literal.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '-' or '_');
            if (!plain || !path.StartsWith('^')) location.Tell("a pattern of paths: a listener has one path, look at websocket.path");
            path = plain ? literal : "/mqtt";
        }
        if (path == "/")
        {
            location?.Tell("every path was served: a listener has one, and /mqtt is written, which clients take by convention");
            return "/mqtt";
        }
        if (WellKnown.IsPath(path)) return path;
        location?.Tell("not a path such as /mqtt: look at websocket.path");
        return "/mqtt";
    }

    private readonly List<string> forwardedFrom = [];

    private void AcceptProxy()
    {
        var networks = new List<string>();
        foreach (Directive d in realFrom.Where(d => d.Name == "set_real_ip_from"))
        {
            if (AddressRules.Network.Parse(d[0]) is { } network) networks.Add(network.ToString());
            else d.Tell($"'{d[0]}' is no network: name the proxies' networks");
        }
        bool proxied = listens.Exists(l => l.Proxy), forwarded = realHeader is not null && !realHeader.Equals("proxy_protocol", StringComparison.OrdinalIgnoreCase);
        if (forwarded && realHeader!.Equals("X-Forwarded-For", StringComparison.OrdinalIgnoreCase)) forwardedFrom.AddRange(networks);
        else if (forwarded) realFrom.Find(d => d.Name == "real_ip_header")!.Tell("proxies are believed by X-Forwarded-For alone (websocket.accept-forwarded-for)");
        foreach (Directive d in realFrom)
        {
            if (proxied || forwarded) d.Carry();
            Listener.Keep(d);
        }
        if (!proxied) return;
        if (networks.Count == 0)
        {
            listens.First(l => l.Proxy).From.Tell("proxy_protocol without set_real_ip_from: the headers of all networks are believed; name your proxies' in accept-proxy-protocol.from");
            networks = ["0.0.0.0/0", "::/0"];
        }
        Listener["accept-proxy-protocol"].Set("from", List(networks.Distinct()));
    }

    private void Rule(Directive d)
    {
        bool allow = d.Name == "allow";
        if (d.Is("all")) rules.Add(new AddressRules.Rule(allow, [AddressRules.Network.All(4), AddressRules.Network.All(6)]));
        else if (AddressRules.Network.Parse(d[0]) is { } network) rules.Add(new AddressRules.Rule(allow, [network]));
        else if (d.Is("unix:")) d.Leave("ActorLb listens on no sockets of this kind");
        else d.Tell($"'{d[0]}' is no network: add it to {d.Name} by hand");
        if (d.Verdict is null or Verdict.Carried)
        {
            d.Carry();
            ruled.Add(d);
        }
        if (rules.Count > ImportLimits.Entries) d.Tell("too many rules");
    }

    private void Limit(Directive d)
    {
        switch (file.ZoneKey(d[0]))
        {
            case "$binary_remote_addr" or "$remote_addr":
                Listener["limits"]["per-address"].Integer("connections", d, d[1], 0, 10_000_000, "0");
                break;
            case "$server_addr" or "$server_port" or "$server_name" or "$server_addr$server_port" or "$server_addr:$server_port":
                Listener.Integer("max-connections", d, d[1], 0, 10_000_000, "0");
                break;
            case null:
                d.Tell("its limit_conn_zone is not in these files: see limits.per-address and max-connections of the listener");
                break;
            case var key:
                d.Tell($"connections are limited by client address (limits.per-address) or for a listener (max-connections), not by {key}");
                break;
        }
    }

    private void Rewrite(ClientTraits traits, bool allTls)
    {
        foreach (Directive d in rewrites)
        {
            string? key = d[0] switch { "clientid" => "client-id", "username" => "username", "password" => "password", _ => null };
            (string? text, string? unknown) = file.Variables.Template(d[1], m => m.Carry());
            if (key is null) d.Tell("ActorLb sets client-id, username and password of the CONNECT");
            else if (text is { Length: 0 } && key == "client-id") d.Tell("a client id cannot be removed");
            else if (text is { Length: 0 })
            {
                rewrite.Set(key, "remove", null, d);
                d.Carry();
            }
            else if (text is null || !Template.TryParse(text, out Template? template, out _)) d.Tell($"{unknown} is none of ActorLb's variables: see rewrite.{key}");
            else if (!traits.Allows(template!) || !mqtt && traits.Tcp) d.Tell($"the clients of this listener have no such value: rewrite.{key} needs tls with verify-client for certificates");
            else
            {
                rewrite.Set(key, Units.Quote(text), null, d);
                d.Carry();
                if (!template!.UsesTls || allTls) continue;
                secure = true;
                d.Tell("an address of this server has no ssl: its listener is written without rewrite; leave it out, or let its clients speak TLS");
            }
        }
    }

    private static string List(IEnumerable<string> texts) => $"[{string.Join(", ", texts.Select(Units.Quote))}]";
}
