using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>One <c>listen</c> of a server.</summary>
/// <param name="Bind">As HOCON.</param>
internal sealed record NginxListen(Directive From, string Bind, int Port, bool IsIPv6, bool Ssl, bool Proxy, bool Default)
{
    /// <summary>Null when ActorLb cannot listen there; the reason has been reported.</summary>
    public static NginxListen? Read(Directive from, bool http, Draft listener, Draft pool)
    {
        string address = from[0];
        (string host, string port) = Split(address, http);
        if (Import.Target.Bind(host, port) is not { } bind)
        {
            from.Report(address.StartsWith("unix:", StringComparison.Ordinal)
                ? "ActorLb listens only on TCP ports: let the clients of this socket connect to one"
                : $"'{address}' is not an address and port to listen on: ActorLb takes IP addresses, * and [::]");
            return null;
        }
        bool ssl = false, proxy = false, main = false;
        from.Carry();
        foreach (string word in from.Words.Skip(1).Select(w => w.Text))
        {
            string name = word.Split('=')[0], value = word.Length > name.Length ? word[(name.Length + 1)..] : "";
            switch (name)
            {
                case "ssl": ssl = true; break;
                case "proxy_protocol": proxy = true; break;
                case "default_server" or "default": main = true; break;
                case "backlog" when value.Length > 0 && value[0] != '-': listener.Integer("backlog", from, value, 1, 1_000_000, "4096"); break;
                case "so_keepalive": KeepAlive(from, value, pool); break;
                case "ipv6only": break; // Handled when all addresses are known.
                case "udp" or "quic":
                    from.Report($"{name}: ActorLb balances MQTT over TCP: leave UDP to another program");
                    return null;
                case "reuseport" or "deferred" or "bind" or "http2" or "spdy" or "backlog" or "rcvbuf" or "sndbuf" or "multipath": break;
                default:
                    from.Report($"{word}: unknown, and left out");
                    break;
            }
        }
        return new NginxListen(from, bind, Units.Number(port) ?? 0, host.Contains(':', StringComparison.Ordinal), ssl, proxy, main);
    }

    /// <summary>on, off, or idle:interval:count: TCP_USER_TIMEOUT closes a connection when the probes would have.</summary>
    private static void KeepAlive(Directive from, string value, Draft pool)
    {
        if (value is "on") return;
        if (value is "off")
        {
            pool["tcp"].Set("keep-alive", "off");
            return;
        }
        string[] parts = value.Split(':');
        if (parts is { Length: > 3 } || parts.All(p => p.Length == 0))
        {
            from.Report($"so_keepalive={value}: invalid; see tcp.keep-alive");
            return;
        }
        var idle = Units.NginxTime(parts[0]) ?? TimeSpan.FromSeconds(60);
        if (parts[0].Length > 0) pool["tcp"].Time("keep-alive", from, parts[0], Units.NginxTime(parts[0]), TimeSpan.FromSeconds(32_767), "1m", TimeSpan.FromSeconds(1));
        if (parts.Length == 3 && Units.NginxTime(parts[1]) is { } interval && Units.Number(parts[2]) is > 0 and <= 127 and var count)
        {
            var end = idle + (interval * count);
            pool["tcp"].Set("user-timeout", Units.Show(end < TimeSpan.FromDays(20) ? end : TimeSpan.FromDays(20)), "90s", note: $"keep-alive probes every {parts[1]}, {count} of them");
        }
    }

    private static (string Host, string Port) Split(string address, bool http)
    {
        if (address.Length > 0 && address.All(char.IsAsciiDigit)) return ("0.0.0.0", address);
        int colon = address.LastIndexOf(':');
        if (address.EndsWith(']') || colon < 0) return (address.Trim('[', ']'), http ? "80" : "");
        return (address[..colon].Trim('[', ']'), address[(colon + 1)..]);
    }
}
