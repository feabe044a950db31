using ActorLb.Balancing;
using ActorLb.Configuration;

namespace ActorLb.Health;

/// <summary>Chooses the probe of a backend by its pool's options.</summary>
internal static class HealthProbes
{
    /// <summary>
    /// Null for <c>none</c>. A pool that speaks WebSocket to its backends gets the WebSocket upgrade in place of the mqtt probe: a 101
    /// proves that the listener and its path work, which is what breaks there.
    /// </summary>
    /// <exception cref="IOException">A TLS file of the pool cannot be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A TLS file is not PEM as expected.</exception>
    public static IHealthProbe? Create(PoolOptions pool, Backend backend, string nodeName)
    {
        HealthOptions health = pool.Health;
        if (health.Probe is ProbeKind.None)
        {
            return null;
        }

        if (health.Probe == ProbeKind.Tcp)
        {
            return new TcpProbe();
        }

        // Another port is another service (EMQX's dashboard, say): it expects neither PROXY headers nor the pool's TLS.
        bool ownPort = health.Port == 0 || health.Port == backend.Address.Port;
        ProbeStream opener = new(
            ownPort ? pool.ProxyProtocol : ProxyProtocolVersion.Off,
            ownPort && pool.Tls is { } tls ? new UpstreamTls(tls, backend.Address.Host) : null);
        if (health.Probe == ProbeKind.Http)
        {
            return new HttpProbe(opener, backend.Id, health.Path, upgrade: false);
        }

        return pool.WebSocketPath is { } path && ownPort
            ? new HttpProbe(opener, backend.Id, path, upgrade: true)
            : new MqttProbe(opener, nodeName);
    }
}
