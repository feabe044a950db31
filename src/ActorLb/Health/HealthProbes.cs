using ActorLb.Balancing;
using ActorLb.Configuration;

namespace ActorLb.Health;

/// <summary>Creates the probe for a backend by its pool's options.</summary>
internal static class HealthProbes
{
    /// <summary>Whether a good probe shows that a client's CONNECT would be answered.</summary>
    public static bool ProvesClients(HealthOptions health, Backend backend) =>
        health.Probe == ProbeKind.Mqtt && (health.Port == 0 || health.Port == backend.Address.Port);

    /// <summary>
    /// Null for <c>none</c>. The mqtt probe connects to the backend's own port as the pool's clients do, through WebSocket if they do.
    /// </summary>
    /// <exception cref="IOException">A TLS file of the pool cannot be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A TLS file is not PEM as expected.</exception>
    public static IHealthProbe? Create(PoolOptions pool, Backend backend, OwnProbes own)
    {
        var health = pool.Health;
        if (health.Probe is ProbeKind.None)
        {
            return null;
        }

        // Another port is another service (such as EMQX's dashboard): it expects neither PROXY headers nor the pool's TLS.
        bool ownPort = health.Port == 0 || health.Port == backend.Address.Port;
        if (health.Probe == ProbeKind.Tcp)
        {
            return new TcpProbe(new ProbeStream(ownPort ? pool.ProxyProtocol : ProxyProtocolVersion.Off, tls: null));
        }

        ProbeStream opener = new(
            ownPort ? pool.ProxyProtocol : ProxyProtocolVersion.Off,
            ownPort && pool.Tls is { } tls ? new UpstreamTls(tls, backend.Address.Host) : null);
        if (health.Probe == ProbeKind.Http)
        {
            return new HttpProbe(opener, backend.Id, health.Path, health.On503 == ProbedUnavailable.Drain);
        }

        return new MqttProbe(opener, own, pool.WebSocketPath is { } path && ownPort ? (backend.Id, path) : null);
    }
}
