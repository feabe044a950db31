using System.Collections.Immutable;
using System.Net;

namespace ActorLb.Configuration;

/// <summary>Defaults needed in more than one place; <c>hocon/reference.conf</c> lists all defaults, and a test pins them.</summary>
internal static class ConfigurationDefaults
{
    /// <summary>Longest time that a setting accepts: ten years, so that sums of times never overflow.</summary>
    public static readonly TimeSpan Forever = TimeSpan.FromDays(3650);

    public static readonly TimeSpan Instant = TimeSpan.FromMilliseconds(1);

    /// <summary>The key hashed in EMQX's guide.</summary>
    public const string HashKey = "$mqtt_preread_clientid";

    /// <summary>NGINX's <c>ssl_ciphers</c>.</summary>
    public const string Ciphers = "HIGH:!aNULL:!MD5";

    public const TlsProtocols Protocols = TlsProtocols.Tls12 | TlsProtocols.Tls13;

    /// <summary>Off, since some brokers' parsers reject any TLV.</summary>
    public const ProxyTlvs Tlvs = ProxyTlvs.None;

    /// <summary>The path that brokers and clients use by convention.</summary>
    public const string WebSocketPath = "/mqtt";

    /// <summary>The fields by which brokers authenticate or distinguish WebSocket clients.</summary>
    public static readonly ImmutableArray<string> PassHeaders = ["Authorization", "Cookie", "Origin", "User-Agent"];

    /// <summary>Twice EMQX's default packet limit.</summary>
    public const int MaxFrameSize = 2 << 20;

    /// <summary>Eight of the largest frames.</summary>
    public const long MaxMessageSize = 8L * MaxFrameSize;

    public static readonly IPEndPoint Admin = new(IPAddress.Loopback, 8888);

    public static readonly IPEndPoint Peers = new(IPAddress.Any, 7946);

    public static readonly HealthOptions Health =
        new(ProbeKind.Mqtt, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), Rise: 2, Fall: 3, Path: "/status", Port: 0);

    /// <summary>Twice the default of <c>connect-timeout</c>: a silent backend leaves time to try another.</summary>
    public static readonly RetryOptions Retry = new(Tries: 3, TimeSpan.FromSeconds(20));

    public static readonly TcpOptions Tcp = new(NoDelay: true, TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(90));
}
