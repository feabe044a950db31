using System.Net;
using System.Net.Sockets;
using ActorLb.Native;

namespace ActorLb.Health;

/// <summary>What a probe found; the reason is for people.</summary>
/// <param name="Inconclusive">This node could not ask, for want of descriptors, memory or ports: nothing is known of the backend.</param>
internal readonly record struct ProbeResult(bool Alive, string? Reason, bool Inconclusive = false)
{
    public static readonly ProbeResult Ok = new(Alive: true, Reason: null);

    public static ProbeResult Failed(string reason) => new(Alive: false, reason);

    public static ProbeResult Of(Exception e, string reason) => new(Alive: false, reason, LocalFault.Is(e));
}

/// <summary>Asks a backend whether it works. The caller bounds the time by the token; failures of the peer are results.</summary>
internal interface IHealthProbe
{
    string Name { get; }

    ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancellationToken);
}

/// <summary>Connects and says nothing more.</summary>
internal sealed class TcpProbe : IHealthProbe
{
    public string Name => "tcp";

    public async ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        try
        {
            (await ProbeStream.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false)).Dispose();
            return ProbeResult.Ok;
        }
        catch (IOException e)
        {
            return ProbeResult.Of(e, e.Message);
        }
    }
}
