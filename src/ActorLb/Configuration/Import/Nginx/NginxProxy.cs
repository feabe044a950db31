using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>NGINX's <c>proxy_*</c> directives of a server: settings of its pool, and a few of its listeners.</summary>
internal sealed class NginxProxy(Target target, string folder, NginxVariables variables, bool http)
{
    private readonly Draft _tls = new();

    public Draft Pool { get; } = new();

    public Draft Listener { get; } = new();

    /// <summary>Whether TLS is used to the backends.</summary>
    public bool SpeaksTls { get; set; }

    public Directive? Pass { get; private set; }

    /// <summary>False for a directive that has no equivalent.</summary>
    public bool Apply(Directive d)
    {
        switch (d.Name)
        {
            case "proxy_pass":
                Pass = d;
                Listener.Keep(d);
                break;
            case "proxy_connect_timeout": Connect(d); break;
            case "proxy_timeout": Idle(d); break;
            case "proxy_read_timeout" when http: Idle(d); break;
            case "proxy_send_timeout" when http:
                if (Listener.Has("idle-timeout")) d.Carry();
                else Idle(d);
                break;
            case "proxy_protocol" when !http:
                Pool.Set("proxy-protocol", d.Is("on") ? "v1" : "off", "off", d);
                d.Carry();
                break;
            case "proxy_protocol_version" when !http:
                Pool.Set("proxy-protocol", d.Is("2") ? "v2" : "v1", null, d);
                d.Carry();
                break;
            case "proxy_bind": Bind(d); break;
            case "proxy_session_drop":
                Pool.Set("on-down", d.Is("on") ? "close" : "keep", "keep", d);
                d.Carry();
                break;
            case "proxy_set_header" when http: Header(d); break;
            case "proxy_ssl" when !http:
                SpeaksTls = d.Is("on");
                d.Carry();
                break;
            default: return Transfer(d) || Retry(d) || Tls(d);
        }
        return true;
    }

    /// <summary>Buffers and sockets.</summary>
    private bool Transfer(Directive d)
    {
        switch (d.Name)
        {
            case "proxy_buffer_size":
                Pool.Size("buffer-size", d, d[0], 1 << 10, 64 << 20, "64KiB");
                break;
            case "tcp_nodelay":
                if (d[0] is "on" or "off")
                {
                    Pool["tcp"].Set("no-delay", d[0], "on", d);
                    d.Carry();
                }
                else
                {
                    d.Report("neither on nor off");
                }
                break;
            case "proxy_socket_keepalive":
                if (d.Is("on")) d.Carry();
                else d.Leave("TCP keep-alive costs next to nothing: tcp.keep-alive = off disables it");
                break;
            default: return false;
        }
        return true;
    }

    private bool Retry(Directive d)
    {
        switch (d.Name)
        {
            case "proxy_next_upstream":
                if (d.Is("off")) Pool["retry"].Set("tries", "1", null, d);
                d.Carry();
                break;
            case "proxy_next_upstream_tries":
                if (d.Is("0")) Pool["retry"].Set("tries", "16", null, d, "without a limit in NGINX; at most 16 here");
                else Pool["retry"].Integer("tries", d, d[0], 1, RetryOptions.MaxTries, "3");
                d.Carry();
                break;
            case "proxy_next_upstream_timeout":
                if (d.Is("0") || d.Is("0s")) d.Leave("without a limit in NGINX: retry.timeout is 20s, and may be up to 1h");
                else Pool["retry"].Time("timeout", d, d[0], Units.NginxTime(d[0]), Setting.Hour, "20s");
                break;
            default: return false;
        }
        return true;
    }

    /// <summary>What follows from several settings together.</summary>
    public void Finish(Directive server)
    {
        if (SpeaksTls)
        {
            if (!_tls.Has("verify")) _tls.Set("verify", "off", note: "NGINX's default: anyone could impersonate the broker; on and a ca prevent that");
            if (_tls.Has("certificate") != _tls.Has("key"))
            {
                server.Report("proxy_ssl_certificate and proxy_ssl_certificate_key belong together: set both in tls of the pool");
                _tls.Remove("certificate");
                _tls.Remove("key");
            }
            Pool.Put("tls", _tls);
        }
        else
        {
            foreach (string comment in _tls.Comments()) Listener.Comment(comment);
        }
    }

    private bool Tls(Directive d)
    {
        switch (d.Name)
        {
            case "proxy_ssl_verify":
                _tls.Set("verify", d[0] == "on" ? "on" : "off", null, d);
                d.Carry();
                return true;
            case "proxy_ssl_trusted_certificate" or "proxy_ssl_certificate" or "proxy_ssl_certificate_key":
                if (d[0].Length == 0 || d[0].Contains('$', StringComparison.Ordinal))
                {
                    d.Report("not a file's name: name the file in tls of the pool");
                    return true;
                }
                _tls.Set(d.Name switch { "proxy_ssl_certificate" => "certificate", "proxy_ssl_certificate_key" => "key", _ => "ca" }, target.File(folder, d[0]), null, d);
                d.Carry();
                return true;
            case "proxy_ssl_name":
                if (AddressText.IsHost(d[0]))
                {
                    _tls.Set("server-name", Units.Quote(d[0]), null, d);
                    d.Carry();
                }
                else
                {
                    d.Report("not one host name: without server-name each backend must present the name of its address");
                }
                return true;
            case "proxy_ssl_server_name":
                d.Carry(); // The name is always sent.
                return true;
            default: return false;
        }
    }

    private void Connect(Directive d)
    {
        Pool.Time("connect-timeout", d, d[0], Units.NginxTime(d[0]), Setting.Hour, "10s");
        // Otherwise a silent backend would leave no time for another.
        if (Units.NginxTime(d[0]) is { } time && time >= ConfigurationDefaults.Retry.Timeout && !Pool["retry"].Has("timeout"))
            Pool["retry"].Set("timeout", Units.Show(time < Setting.Hour / 2 ? 2 * time : Setting.Hour), note: "leaves time to try a second backend");
    }

    private void Idle(Directive d)
    {
        if (Units.NginxTime(d[0]) == TimeSpan.Zero) d.Report("idle-timeout is a time, off or auto: it stays auto, which uses the client's Keep Alive");
        else Listener.Time("idle-timeout", d, d[0], Units.NginxTime(d[0]), TimeSpan.FromDays(365), null, note: "auto would use each client's own Keep Alive");
    }

    private void Bind(Directive d)
    {
        if (d.Is("off"))
        {
            d.Carry();
            return;
        }
        if (d.Has("transparent"))
        {
            d.Report("transparent: ActorLb does not use its clients' addresses; proxy-protocol passes them on to brokers");
            return;
        }
        if (AddressText.TryAddress(d[0], out _))
        {
            Pool.Set("source-addresses", $"[{Units.Quote(d[0])}]", null, d);
            d.Carry();
            return;
        }
        if (variables.Split(d[0]) is { } split)
        {
            Split(d, split);
            return;
        }
        if (variables.Template(d[0], m => m.Carry()) is ({ } address, null) && AddressText.TryAddress(address, out _))
        {
            Pool.Set("source-addresses", $"[{Units.Quote(address)}]", null, d);
            d.Carry();
            return;
        }
        d.Report("not an IP address, nor a variable of split_clients with addresses: list the addresses in source-addresses of the pool");
    }

    private void Split(Directive d, Directive split)
    {
        var elements = new List<(string, Directive?)>();
        var seen = new HashSet<string>();
        double sum = 0;
        foreach (var part in split.Block!)
        {
            if (!AddressText.TryAddress(part[0], out _) || !seen.Add(part[0]))
            {
                part.Report("not an IP address: list it in source-addresses of the pool by hand");
                continue;
            }
            bool rest = part.Name == "*";
            if (!rest && !(part.Name.EndsWith('%') && double.TryParse(part.Name.AsSpan(..^1), System.Globalization.NumberStyles.AllowDecimalPoint, System.Globalization.CultureInfo.InvariantCulture, out double share) && (sum += share) <= 100))
            {
                part.Report("not a valid share: set it in source-addresses of the pool by hand");
                continue;
            }
            elements.Add((rest ? Units.Quote(part[0]) : $"{{ address = {Units.Quote(part[0])}, share = {part.Name} }}", part));
            part.Carry();
        }
        if (elements.Count == 0)
        {
            d.Report($"{d[0]} has no address: list addresses in source-addresses of the pool");
            return;
        }
        // The loader requires the shares to cover everything: an address without a share takes the rest, and there must be a rest.
        bool open = split.Block.Exists(p => p.Name == "*" && p.Verdict == Verdict.Carried);
        if (open == sum > 99.999)
        {
            elements = open ? [.. elements.Where(e => e.Item2!.Name != "*")] : elements;
            if (open) split.Report("the shares leave nothing for '*': its address is left out");
        }
        if (!open && sum < 100 - (0.1 * elements.Count))
        {
            split.Report("the shares are less than 100%: NGINX binds no address for the rest; here the last address takes it");
            (string _, var last) = elements[^1];
            elements[^1] = (Units.Quote(last![0]), last);
        }
        Pool.Keep(split);
        Pool.SetList("source-addresses", elements);
        split.Carry();
        d.Carry();
    }

    private void Header(Directive d)
    {
        string name = d[0].ToLowerInvariant(), value = d[1];
        switch (name)
        {
            case "upgrade" or "connection" or "host" or "x-real-ip" or "remote-host" or "x-forwarded-for":
                if (name == "connection" && variables.Map(value) is { } map) map.Carry();
                if (name == "host" && value is not ("$host" or "$http_host" or "$proxy_host")) d.Report("brokers get the client's Host");
                else d.Carry();
                break;
            case "authorization" or "cookie" or "origin" or "user-agent" when value.Equals("$http_" + name.Replace('-', '_'), StringComparison.Ordinal):
                d.Carry();
                break;
            case not "" when value == "$http_" + name.Replace('-', '_') && Protocol.WebSocket.PassedFields.IsName(d[0]) && !Protocol.WebSocket.PassedFields.IsOwn(d[0]):
                PassedHeaders.Add(d[0]);
                d.Carry();
                break;
            default:
                d.Report("brokers get the client's address and the fields listed in pass-headers, no others");
                break;
        }
    }

    /// <summary>Fields of the client's request that the brokers get besides the usual ones.</summary>
    public List<string> PassedHeaders { get; } = [];
}
