using System.Net;
using System.Net.Sockets;

namespace ActorLb.Health;

/// <summary>What a probe found; the reason is for people.</summary>
internal readonly record struct ProbeResult(bool Alive, string? Reason)
{
    public static readonly ProbeResult Ok = new(Alive: true, Reason: null);

    public static ProbeResult Failed(string reason) => new(Alive: false, reason);
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
