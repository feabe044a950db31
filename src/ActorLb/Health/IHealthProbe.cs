using System.Net;
using System.Net.Sockets;

namespace ActorLb.Health;

/// <summary>What a probe found; the reason is for people.</summary>
/// <param name="Refused">The backend said itself that it takes nobody: no silence that may be the network's.</param>
internal readonly record struct ProbeResult(bool Alive, string? Reason, bool Refused = false)
{
    public static readonly ProbeResult Ok = new(Alive: true, Reason: null);

    /// <summary>When the probe began, in milliseconds of <see cref="Balancing.MonotonicTime"/>; set by whoever ran it.</summary>
    public long Began { get; init; }

    public static ProbeResult Failed(string reason) => new(Alive: false, reason);

    public static ProbeResult RefusedBy(string reason) => new(Alive: false, reason, Refused: true);
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
        using Socket socket = new(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);
            return ProbeResult.Ok;
        }
        catch (SocketException e)
        {
            return ProbeResult.Failed($"connect: {e.Message}");
        }
    }
}
