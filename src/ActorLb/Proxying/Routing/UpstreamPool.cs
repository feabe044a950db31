using System.Text;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Proxying.Dialing;
using ActorLb.Tls;

namespace ActorLb.Proxying.Routing;

/// <summary>A pool with what dialling it needs. Replaced by a reload; the pool inside stays, and so do the counts of its sources
/// while their list stays.</summary>
internal sealed class UpstreamPool(Pool pool, SourceAddresses? sources, TlsClientContext? tls)
{
    public Pool Pool { get; } = pool;

    public string Name => Pool.Name;

    public byte[] NameUtf8 { get; } = Encoding.UTF8.GetBytes(pool.Name);

    /// <summary>Request path of WebSocket backends.</summary>
    public byte[] WebSocketPathUtf8 { get; } = Encoding.UTF8.GetBytes(pool.Options.WebSocketPath ?? "/mqtt");

    /// <summary>Host field for clients that sent none, being no WebSocket clients.</summary>
    public byte[] HostUtf8 { get; } = Encoding.UTF8.GetBytes(pool.Options.Tls?.ServerName ?? pool.Name);

    public PoolOptions Options => Pool.Options;

    /// <summary>Null leaves the source address to the kernel.</summary>
    public SourceAddresses? Sources { get; } = sources;

    /// <summary>Null speaks clear text to the backends.</summary>
    public TlsClientContext? Tls { get; } = tls;
}
