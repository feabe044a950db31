using System.Collections.Immutable;
using System.Net;
using ActorLb.Hosting;

namespace ActorLb.Configuration;

/// <summary>A complete configuration, valid and immutable. <c>hocon/reference.conf</c> documents it and holds its defaults.</summary>
public sealed record ActorLbOptions(
    NodeOptions Node,
    LogOptions Log,
    AdminOptions Admin,
    ClusterOptions Cluster,
    StickyOptions Sticky,
    ImmutableDictionary<string, PoolOptions> Pools,
    ImmutableDictionary<string, ListenerOptions> Listeners,
    AkkaOptions Akka)
{
    public TelemetryOptions Telemetry { get; init; } = TelemetryOptions.Default;
}

/// <param name="Name">Unique in the cluster.</param>
/// <param name="Workers">Reactor threads; 0 is <c>auto</c>, one per processor.</param>
/// <param name="MaxConnections">Maximum number of the node's client connections.</param>
/// <param name="SetupMemory">Maximum bytes held by all clients without a CONNACK together; 0 is <c>auto</c>.</param>
/// <param name="DataDirectory">Absolute path.</param>
/// <param name="DrainTimeout">Period over which a stop closes open connections.</param>
/// <param name="PidFile">Absolute path; null writes none.</param>
/// <param name="Will">What a drain does to an MQTT client's Will.</param>
/// <param name="ServerReference">Server Reference of the DISCONNECT sent to MQTT 5 clients on drain; null for none.</param>
public sealed record NodeOptions(
    string Name, int Workers, DataPlaneKind DataPlane, int MaxConnections, long SetupMemory, string DataDirectory, TimeSpan DrainTimeout, string? PidFile,
    WillOnDrain Will, string? ServerReference);

/// <summary>What relays the clients' bytes: epoll reactors on raw descriptors (Linux), or Akka.Streams graphs.</summary>
public enum DataPlaneKind { Reactor, Streams }

public enum WillOnDrain { Keep, Suppress }

public enum LogLevelName { Trace, Debug, Info, Warning, Error, Off }

public enum LogFormat { Text, Json }

/// <param name="Access">Path of the access log, "stdout", or null for off.</param>
public sealed record LogOptions(LogLevelName Level, LogFormat Format, string? Access);

public sealed record AdminOptions(IPEndPoint Bind, string? TokenFile, ServiceTlsOptions? Tls);

/// <summary>TLS of the admin endpoint and between fleet members: PEM files.</summary>
public sealed record ServiceTlsOptions(string? Certificate, string? Key, string? Ca);

/// <summary>Which side of a split continues as the fleet.</summary>
public enum SplitRule { Majority, Oldest }

/// <param name="Advertise">The address that other members connect to; null for <paramref name="Bind"/>, or the host name if that is a
/// wildcard.</param>
/// <param name="Seeds">The nodes of the fleet; empty for a standalone node.</param>
/// <param name="DownAfter">A member that is silent for about this long is removed.</param>
/// <param name="FormAfter">If no other seed answers for this long, the node forms a fleet alone.</param>
/// <param name="Shards">A power of two from 16 to 1024, the same on all nodes.</param>
public sealed record ClusterOptions(
    string Name, IPEndPoint Bind, DnsEndPoint? Advertise, string? Zone,
    string? SecretFile, ServiceTlsOptions? Tls,
    ImmutableArray<DnsEndPoint> Seeds, TimeSpan DownAfter, TimeSpan FormAfter, SplitRule WhenSplit, int Shards);

public sealed record StickyOptions(TimeSpan Ttl, int MaxEntries)
{
    /// <summary>Null for off.</summary>
    public DampingOptions? Damping { get; init; }
}

/// <summary>Slows down devices that fight over a client id.</summary>
/// <param name="Takeovers">Number of sessions of one client id that its broker ends.</param>
/// <param name="Within">Period in which they are counted.</param>
/// <param name="Delay">How long the id's CONNECTs are then refused.</param>
public sealed record DampingOptions(int Takeovers, TimeSpan Within, TimeSpan Delay);

public enum BalanceKind { RoundRobin, LeastConnections, Random, IpHash, Hash, Sticky }

public enum ProxyProtocolVersion { Off, V1, V2 }

/// <summary>What a PROXY v2 header carries besides the addresses.</summary>
[Flags]
public enum ProxyTlvs { None = 0, Authority = 1, Alpn = 2, Ssl = 4, UniqueId = 8, Crc32c = 16 }

/// <param name="Place">Policy that places a new client of a <c>sticky</c> pool; never Sticky itself.</param>
/// <param name="Backends">Static backends; empty when <paramref name="Discovery"/> finds them.</param>
/// <param name="BufferSize">Bytes per read, and the maximum held per direction while the receiver is slower than the sender.</param>
public sealed record PoolOptions(
    string Name, BalanceKind Balance, Template HashKey, BalanceKind Place,
    ImmutableArray<BackendOptions> Backends, DiscoveryOptions? Discovery,
    TimeSpan ConnectTimeout, ProxyProtocolVersion ProxyProtocol, ProxyTlvs ProxyTlvs,
    ImmutableArray<SourceAddressOptions> SourceAddresses, string? WebSocketPath, UpstreamTlsOptions? Tls,
    HealthOptions Health, RetryOptions Retry, int BufferSize, TcpOptions Tcp)
{
    public SessionsOnDown OnDown { get; init; }

    /// <summary>New sessions per second that each backend gets from all nodes together; 0 is unlimited.</summary>
    public int ConnectsPerSecond { get; init; }

    public ConnectQueueOptions ConnectQueue { get; init; } = new(0, TimeSpan.FromSeconds(10));
}

/// <summary>The queue of clients waiting because of <see cref="PoolOptions.ConnectsPerSecond"/>.</summary>
/// <param name="Length">Maximum for each backend on this node; 0 is <c>auto</c>: as many as get their turn within the time-out.</param>
public sealed record ConnectQueueOptions(int Length, TimeSpan Timeout)
{
    /// <param name="share">Sessions per second that the backend gets from this node.</param>
    public int LengthOf(double share) => Length > 0 ? Length : (int)Math.Clamp(Math.Ceiling(share * Timeout.TotalSeconds), 1, int.MaxValue / 1024);
}

/// <summary>What happens to the sessions of a backend that is found down.</summary>
public enum SessionsOnDown { Keep, Close }

/// <param name="Address">Host name or address, and port.</param>
/// <param name="Weight">1 to 65,535.</param>
/// <param name="MaxFails">Failures within <paramref name="FailTimeout"/> that take the backend out for the same time; 0 disables
/// this.</param>
/// <param name="MaxConnections">0 is unlimited.</param>
/// <param name="SlowStart">Time over which a recovered backend's weight grows to its full value; zero for at once.</param>
public sealed record BackendOptions(
    DnsEndPoint Address, int Weight, int MaxFails, TimeSpan FailTimeout, int MaxConnections, TimeSpan SlowStart,
    bool Down, bool Backup)
{
    /// <summary>Added by an operator at run time, not by the file.</summary>
    public bool Added { get; init; }
}

/// <param name="Share">Percentage of the connections, 0 to 100; null shares what the others leave.</param>
public sealed record SourceAddressOptions(IPAddress Address, double? Share);

public sealed record UpstreamTlsOptions(string? Ca, string? ServerName, bool Verify, string? Certificate, string? Key);

public enum ProbeKind { None, Tcp, Mqtt, Http }

/// <param name="Path">Request path of the http probe.</param>
/// <param name="Port">Port to probe; 0 for the backend's own.</param>
public sealed record HealthOptions(ProbeKind Probe, TimeSpan Interval, TimeSpan Timeout, int Rise, int Fall, string Path, int Port)
{
    /// <summary>How long clients that are mapped to a backend may try it after it was found failing; zero for never.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What the status 503 means to the http probe.</summary>
    public ProbedUnavailable On503 { get; init; }
}

/// <summary>What happens to a backend whose http probe gets 503: it is out, or it gets no new clients.</summary>
public enum ProbedUnavailable { Fail, Drain }

/// <param name="Tries">Backends tried per client, including the first.</param>
public sealed record RetryOptions(int Tries, TimeSpan Timeout)
{
    public const int MaxTries = 16;
}

/// <param name="KeepAlive">Idle time before the first TCP keep-alive probe; zero for off.</param>
/// <param name="UserTimeout">TCP_USER_TIMEOUT; zero for the kernel's default.</param>
public sealed record TcpOptions(bool NoDelay, TimeSpan KeepAlive, TimeSpan UserTimeout);

public enum ListenerProtocol { Mqtt, Tcp }

/// <param name="ConnectTimeout">From accept until the CONNECT is complete.</param>
/// <param name="IdleTimeout">Null is <c>auto</c>: 1.5 times the session's Keep Alive. Zero for never.</param>
/// <param name="MaxConnections">0 when only the node's limit applies.</param>
/// <param name="MaxPacketSize">Largest CONNECT in bytes, including the fixed header.</param>
/// <param name="AcceptProxyFrom">Networks whose PROXY header is required and trusted; empty expects none.</param>
/// <param name="RequireClientId">The client id must equal this template's value; null for no such rule.</param>
public sealed record ListenerOptions(
    string Name, IPEndPoint Bind, string Pool, ListenerProtocol Protocol, ListenerTlsOptions? Tls, ListenerWebSocketOptions? WebSocket,
    RewriteOptions Rewrite, ImmutableArray<IPNetwork> AcceptProxyFrom, TimeSpan ConnectTimeout, TimeSpan? IdleTimeout,
    int MaxConnections, int MaxPacketSize, LimitOptions Limits, ImmutableArray<IPNetwork> Allow, ImmutableArray<IPNetwork> Deny,
    Template? RequireClientId, int Backlog);

/// <param name="ConnectsPerSecond">CONNECTs per second over the listener; 0 is unlimited.</param>
/// <param name="PerAddressConnections">Maximum number of connections from one client address; 0 is unlimited.</param>
/// <param name="PerAddressRate">Connections per second from one client address; 0 is unlimited.</param>
public sealed record LimitOptions(int ConnectsPerSecond, int PerAddressConnections, int PerAddressRate);

/// <summary>Templates that replace fields of the CONNECT; null keeps the client's.</summary>
public sealed record RewriteOptions(Template? ClientId, Template? UserName, Template? Password)
{
    public static readonly RewriteOptions None = new(null, null, null);

    public bool RemovesUserName { get; init; }

    public bool RemovesPassword { get; init; }

    public bool IsEmpty => ClientId is null && UserName is null && Password is null && !RemovesUserName && !RemovesPassword;
}

/// <param name="Path">Request path of upgrades; others get 404.</param>
/// <param name="Hosts">Accepted Host names without port; empty accepts any. Others get 421.</param>
/// <param name="Origins">Accepted origins of browsers; empty accepts any. Others get 403.</param>
/// <param name="PassHeaders">Fields of the upgrade request that are passed on to WebSocket backends.</param>
/// <param name="AcceptForwardedFor">Networks of proxies that are trusted about their clients' addresses.</param>
public sealed record ListenerWebSocketOptions(
    string Path, ImmutableArray<string> Hosts, ImmutableArray<string> Origins, ImmutableArray<string> PassHeaders,
    ImmutableArray<IPNetwork> AcceptForwardedFor, int MaxFrameSize, long MaxMessageSize);

[Flags]
public enum TlsProtocols { None = 0, Tls10 = 1, Tls11 = 2, Tls12 = 4, Tls13 = 8 }

public enum VerifyClient { Off, Optional, On }

/// <summary>Which certificates of a client's chain are checked against the revocation lists.</summary>
public enum CrlCheck { Leaf, Chain }

/// <summary>What happens to clients whose issuer's revocation list is past its next update.</summary>
public enum CrlExpired { Refuse, Warn }

/// <param name="Ciphers">OpenSSL cipher list for TLS 1.2 and older.</param>
/// <param name="CipherSuites">TLS 1.3 suites, separated by colons; null for OpenSSL's.</param>
/// <param name="SessionCache">Bytes of the session cache (about 4,000 sessions per MiB, as in NGINX); 0 is off.</param>
/// <param name="TicketKeyFile">Keys shared by the nodes; null for random keys of this node.</param>
/// <param name="Certificates">By SNI; those without names are the default.</param>
public sealed record ListenerTlsOptions(
    ImmutableArray<CertificateOptions> Certificates, TlsProtocols Protocols, string Ciphers, string? CipherSuites,
    long SessionCache, TimeSpan SessionTimeout, bool SessionTickets, string? TicketKeyFile,
    string? ClientCa, VerifyClient VerifyClient, int VerifyDepth, string? CrlFile, CrlCheck CrlCheck, CrlExpired CrlExpired,
    TimeSpan HandshakeTimeout, int MaxHandshakes);

/// <summary>A certificate and its key. Several for one name must have different kinds of key.</summary>
/// <param name="Names">SNI names, exact or with a leading "*."; empty for the listener's default certificate.</param>
public sealed record CertificateOptions(ImmutableArray<string> Names, string Certificate, string Key)
{
    /// <summary>Paths of the two keys in the configuration, for errors found only when the files are used.</summary>
    public (string Certificate, string Key) Paths { get; init; } = ("", "");
}
