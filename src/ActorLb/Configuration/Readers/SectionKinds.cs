namespace ActorLb.Configuration.Readers;

/// <summary>The blocks of the configuration and their keys, for hints about misplaced keys. A test compares them with the
/// reference.</summary>
/// <param name="Name">With its article.</param>
/// <param name="Example">How a key of the block is written, with KEY for the key.</param>
internal sealed record SectionKind(string Name, string Example, string[] Keys)
{
    public string Show(string key) =>
        key == "address" ? "pools.NAME.backends = [{ address = \"host:1883\" }]" : Example.Replace("KEY", key, StringComparison.Ordinal);
}

internal static class SectionKinds
{
    public static readonly SectionKind[] All =
    [
        new("actorlb", "KEY { ... } in actorlb", ["node", "log", "telemetry", "admin", "cluster", "sticky", "pools", "listeners"]),
        new("the node", "node.KEY", ["name", "workers", "data-plane", "max-connections", "setup-memory", "data-dir", "drain-timeout", "pid-file", "will", "server-reference"]),
        new("the log", "log.KEY", ["level", "format", "access"]),
        new("the admin endpoint", "admin.KEY", ["bind", "token-file", "tls"]),
        new("the fleet", "cluster.KEY", ["name", "bind", "advertise", "zone", "secret-file", "tls", "seeds", "down-after", "form-after", "when-split", "shards"]),
        new("the sticky map", "sticky.KEY", ["ttl", "max-entries", "damping"]),
        new("the sticky map's damping", "sticky.damping.KEY", ["takeovers", "within", "delay"]),
        new("a pool", "pools.NAME.KEY",
        [
            "balance", "hash-key", "place", "backends", "connect-timeout", "proxy-protocol", "proxy-protocol-tlvs", "source-addresses", "websocket",
            "tls", "health", "retry", "connects-per-second", "connect-queue", "on-down", "buffer-size", "tcp",
        ]),
        new("a backend", "pools.NAME.backends = [{ address = \"host:1883\", KEY = ... }]",
            ["address", "weight", "max-fails", "fail-timeout", "max-connections", "slow-start", "down", "backup"]),
        new("discovery by DNS", "pools.NAME.backends { KEY = ... }", ["dns", "srv"]),
        new("discovery by EMQX's API", "pools.NAME.backends { KEY { api = ..., key-file = ... } }", ["emqx"]),
        new("discovery by EMQX's API", "pools.NAME.backends { emqx { KEY = ... } }", ["api", "key-file", "seed"]),
        new("a pool's health", "pools.NAME.health.KEY", ["probe", "interval", "timeout", "rise", "fall", "path", "port", "on-503", "grace"]),
        new("a pool's retry", "pools.NAME.retry.KEY", ["tries", "timeout"]),
        new("a pool's connect-queue", "pools.NAME.connect-queue.KEY", ["length", "timeout"]),
        new("a pool's tcp", "pools.NAME.tcp.KEY", ["no-delay", "keep-alive", "user-timeout"]),
        new("a pool's tls", "pools.NAME.tls.KEY", ["ca", "server-name", "verify"]),
        new("a listener", "listeners.NAME.KEY",
        [
            "bind", "pool", "protocol", "tls", "websocket", "rewrite", "accept-proxy-protocol", "connect-timeout", "idle-timeout", "max-connections",
            "max-packet-size", "limits", "allow", "deny", "require-client-id", "backlog",
        ]),
        new("a listener's tls", "listeners.NAME.tls.KEY",
        [
            "certificate", "key", "certificates", "protocols", "ciphers", "cipher-suites", "session-cache", "session-timeout", "session-tickets",
            "ticket-key-file", "client-ca", "verify-client", "verify-depth", "crl", "crl-check", "crl-expired", "handshake-timeout", "max-handshakes",
        ]),
        new("a listener's websocket", "listeners.NAME.websocket.KEY",
            ["path", "hosts", "origins", "pass-headers", "accept-forwarded-for", "max-frame-size", "max-message-size"]),
        new("a listener's rewrite", "listeners.NAME.rewrite.KEY", ["client-id", "username", "password"]),
        new("a listener's limits", "listeners.NAME.limits.KEY", ["connects-per-second", "per-address"]),
        new("a listener's limits per address", "listeners.NAME.limits.per-address.KEY", ["connections", "rate"]),
        new("an entry of a listener's certificates", "listeners.NAME.tls.certificates = [{ KEY = ... }]", ["names"]),
        new("a listener's accept-proxy-protocol", "listeners.NAME.accept-proxy-protocol.KEY", ["from"]),
        new("an entry of a pool's source-addresses", "pools.NAME.source-addresses = [{ KEY = ... }]", ["share"]),
        new("telemetry", "telemetry.KEY", ["otlp"]),
        new("the OTLP export", "telemetry.otlp.KEY", ["endpoint", "protocol", "interval", "headers-file", "traces"]),
        new("the trace export", "telemetry.otlp.traces.KEY", ["sample"]),
    ];

    /// <summary>The blocks that have a key.</summary>
    public static IEnumerable<SectionKind> With(string key) => All.Where(k => k.Keys.Contains(key));
}
