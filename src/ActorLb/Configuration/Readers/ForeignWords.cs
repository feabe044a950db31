using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace ActorLb.Configuration.Readers;

/// <summary>Directives of NGINX and HAProxy that users may bring along, and their equivalents here.</summary>
internal static partial class ForeignWords
{
    private const string Pool = "pools.NAME { backends = [\"host:1883\"] }";
    private const string Listener = "listeners.NAME { bind = \"0.0.0.0:1883\", pool = NAME }";
    private const string Entry = "an entry of a pool's backends: { address = \"host:1883\", weight = 1 }";
    private const string Nothing = "nothing: there is no equivalent here";

    /// <summary>By the directive's first word; in an NGINX file it may contain underscores.</summary>
    private static readonly FrozenDictionary<string, string> Nginx = new Dictionary<string, string>
    {
        ["upstream"] = Pool,
        ["server"] = Entry,
        ["listen"] = "bind = \"0.0.0.0:1883\" in listeners.NAME",
        ["proxy_pass"] = "pool = NAME in listeners.NAME",
        ["stream"] = "actorlb { pools { ... } listeners { ... } }",
        ["http"] = "actorlb { pools { ... } listeners { ... } }",
        ["mqtt"] = "nothing: listeners speak MQTT unless protocol = tcp",
        ["events"] = "nothing: worker_connections is node.max-connections",
        ["location"] = "websocket { path = \"/mqtt\" } in listeners.NAME",
        ["server_name"] = "websocket { hosts = [\"mqtt.example.com\"] } in listeners.NAME",
        ["worker_processes"] = "node.workers = auto",
        ["worker_connections"] = "node.max-connections = 20480",
        ["worker_rlimit_nofile"] = "nothing: the limit of open files is set by the system (ulimit -n, LimitNOFILE)",
        ["user"] = "nothing: the service manager starts the node as its user",
        ["daemon"] = "nothing: the node stays in the foreground",
        ["pid"] = "node.pid-file = \"/run/actorlb.pid\"",
        ["error_log"] = "log.level = info: the log goes to standard error",
        ["access_log"] = "log.access = \"access.log\"",
        ["log_format"] = "log.format = json, or text",
        ["least_conn"] = "balance = least-connections in pools.NAME",
        ["ip_hash"] = "balance = ip-hash in pools.NAME",
        ["hash"] = "balance = hash, hash-key = \"$mqtt_preread_clientid\" in pools.NAME",
        ["random"] = "balance = random in pools.NAME",
        ["sticky"] = "balance = sticky in pools.NAME",
        ["zone"] = Nothing,
        ["keepalive"] = "nothing: each client has its own connection to its backend (TCP keep-alive is tcp.keep-alive in pools.NAME)",
        ["mqtt_preread"] = "nothing: the CONNECT is read unless protocol = tcp",
        ["mqtt_set_connect"] = "rewrite { client-id = \"$ssl_client_serial\" } in listeners.NAME",
        ["mqtt_buffers"] = "max-packet-size = 1MiB in listeners.NAME",
        ["proxy_connect_timeout"] = "connect-timeout = 10s in pools.NAME",
        ["proxy_timeout"] = "idle-timeout = auto in listeners.NAME",
        ["proxy_read_timeout"] = "idle-timeout = auto in listeners.NAME",
        ["proxy_send_timeout"] = "idle-timeout = auto in listeners.NAME",
        ["proxy_buffer_size"] = "buffer-size = 64KiB in pools.NAME",
        ["proxy_protocol"] = "proxy-protocol = v1 in pools.NAME",
        ["proxy_bind"] = "source-addresses = [\"10.0.0.5\"] in pools.NAME",
        ["proxy_ssl"] = "tls = on in pools.NAME",
        ["proxy_http_version"] = Nothing,
        ["proxy_set_header"] = "nothing: the usual headers are set (pass-headers of websocket adds others)",
        ["proxy_next_upstream"] = "retry { tries = 3, timeout = 20s } in pools.NAME",
        ["proxy_next_upstream_tries"] = "retry.tries = 3 in pools.NAME",
        ["proxy_next_upstream_timeout"] = "retry.timeout = 20s in pools.NAME",
        ["split_clients"] = "source-addresses = [{ address = \"10.0.0.5\", share = 20% }] in pools.NAME",
        ["set_real_ip_from"] = "accept-proxy-protocol { from = [\"10.0.0.0/8\"] } in listeners.NAME",
        ["tcp_nodelay"] = "tcp.no-delay = on in pools.NAME",
        ["so_keepalive"] = "tcp.keep-alive = 60s in pools.NAME",
        ["health_check"] = "health { probe = mqtt, interval = 5s } in pools.NAME",
        ["resolver"] = "backends { dns = \"brokers.example.com\", port = 1883 } in pools.NAME",
        ["limit_conn"] = "limits.per-address.connections = 100 in listeners.NAME",
        ["limit_conn_zone"] = "limits.per-address.connections = 100 in listeners.NAME",
        ["stub_status"] = "nothing: the admin endpoint has /status",
        ["ssl_certificate"] = "tls.certificate = \"server.pem\" in listeners.NAME",
        ["ssl_certificate_key"] = "tls.key = \"server.key\" in listeners.NAME",
        ["ssl_protocols"] = "tls.protocols = [TLSv1.2, TLSv1.3] in listeners.NAME",
        ["ssl_ciphers"] = "tls.ciphers = \"HIGH:!aNULL:!MD5\" in listeners.NAME",
        ["ssl_session_cache"] = "tls.session-cache = 10m in listeners.NAME",
        ["ssl_session_timeout"] = "tls.session-timeout = 10m in listeners.NAME",
        ["ssl_session_tickets"] = "tls.session-tickets = on in listeners.NAME",
        ["ssl_client_certificate"] = "tls.client-ca = \"ca.pem\" in listeners.NAME",
        ["ssl_verify_client"] = "tls.verify-client = on in listeners.NAME",
        ["ssl_verify_depth"] = "tls.verify-depth = 1 in listeners.NAME",
        ["ssl_crl"] = "tls.crl = \"revoked.pem\" in listeners.NAME",
        ["ssl_handshake_timeout"] = "tls.handshake-timeout = 10s in listeners.NAME",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> Haproxy = new Dictionary<string, string>
    {
        ["global"] = "the node block",
        ["defaults"] = Nothing,
        ["frontend"] = Listener,
        ["backend"] = Pool,
        ["listen"] = $"{Listener} and {Pool}",
        ["bind"] = "bind = \"0.0.0.0:1883\" in listeners.NAME",
        ["server"] = Entry,
        ["default-server"] = Nothing,
        ["server-template"] = "backends { dns = \"brokers.example.com\", port = 1883 } in pools.NAME",
        ["default_backend"] = "pool = NAME in listeners.NAME",
        ["use_backend"] = "pool = NAME in listeners.NAME",
        ["balance"] = "balance = least-connections in pools.NAME",
        ["mode"] = "protocol = mqtt, or tcp, in listeners.NAME",
        ["maxconn"] = "node.max-connections = 20480, or max-connections of a listener or a backend",
        ["nbthread"] = "node.workers = auto",
        ["nbproc"] = "node.workers = auto",
        ["timeout"] = "connect-timeout = 10s in pools.NAME, idle-timeout = auto in listeners.NAME",
        ["option"] = Nothing,
        ["source"] = "source-addresses = [\"10.0.0.5\"] in pools.NAME",
        ["stick-table"] = "balance = sticky in pools.NAME",
        ["stick"] = "balance = sticky in pools.NAME",
        ["stats"] = "nothing: the admin endpoint has /metrics and /status",
        ["log"] = "log.level = info, log.access = \"access.log\"",
        ["pidfile"] = "node.pid-file = \"/run/actorlb.pid\"",
        ["daemon"] = "nothing: the node stays in the foreground",
        ["user"] = "nothing: the service manager starts the node as its user",
        ["group"] = "nothing: the service manager starts the node as its user",
        ["chroot"] = "nothing: the service manager confines the node",
        ["resolvers"] = Nothing,
        ["retries"] = "retry.tries = 3 in pools.NAME",
        ["tcp-check"] = "health { probe = mqtt } in pools.NAME",
        ["tcp-request"] = "limits, allow and deny in listeners.NAME",
        ["acl"] = "allow = [\"10.0.0.0/8\"], deny = [] in listeners.NAME",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>For a line that is not HOCON.</summary>
    /// <param name="line">Trimmed.</param>
    public static string? OfLine(string line)
    {
        var match = Directive().Match(line);
        if (!match.Success) return null;
        string word = match.Groups["word"].Value;
        bool nginx = line.EndsWith(';') || line.EndsWith('{');
        return nginx ? Tell("NGINX", word, Nginx) : Tell("HAProxy", word, Haproxy);
    }

    /// <summary>For an unknown key: the directive's word, and what follows it up to a brace or colon.</summary>
    public static string? OfKey(string key)
    {
        string[] words = key.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0) return null;
        // In HAProxy, servers' names come before their addresses and blocks have no braces, so only part of a line gets here.
        return words is ["server", _, _, ..] ? Tell("HAProxy", words[0], Haproxy)
            : Tell("NGINX", words[0].TrimEnd(';'), Nginx) ?? Tell("HAProxy", words[0], Haproxy);
    }

    /// <summary>Turns a hint about one word into one about the whole file, which has an import command.</summary>
    public static string WithImport(string reason, string file)
    {
        string? program = reason.Contains("' is NGINX's: ", StringComparison.Ordinal) ? "nginx" : reason.Contains("' is HAProxy's: ", StringComparison.Ordinal) ? "haproxy" : null;
        return program is null ? reason : $"{reason}; `actorlb import {program} {file}` writes a configuration from the whole file";
    }

    private static string? Tell(string format, string word, FrozenDictionary<string, string> words) =>
        words.TryGetValue(word, out string? instead) ? $"'{word}' is {format}'s: write {instead}" : null;

    [GeneratedRegex(@"^(?<word>[a-z][\w-]*)(\s+[^=:{\s][^{]*;|(\s+[^={]*)?[;{]?)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Directive();
}
