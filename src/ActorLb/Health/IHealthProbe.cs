using System.Net;
using System.Net.Sockets;
using ActorLb.Native;
using ActorLb.Protocol.Failures;

namespace ActorLb.Health;

/// <summary>What a probe found; the reason is for people.</summary>
/// <param name="Refused">The backend said itself that it takes nobody: no silence that may be the network's.</param>
/// <param name="Inconclusive">This node could not ask, for want of descriptors, memory or ports: nothing is known of the backend.</param>
internal readonly record struct ProbeResult(bool Alive, string? Reason, bool Refused = false, bool Inconclusive = false)
{
    public static readonly ProbeResult Ok = new(Alive: true, Reason: null);

    /// <summary>When the probe began, in milliseconds of <see cref="Balancing.MonotonicTime"/>; set by whoever ran it.</summary>
    public long Began { get; init; }

    /// <summary>How long it took; set by whoever ran it.</summary>
    public TimeSpan Took { get; init; }

    public static ProbeResult Failed(string reason) => new(Alive: false, reason);

    /// <summary>It lives, and says that it is to get no new clients.</summary>
    public bool Drains { get; private init; }

    public static ProbeResult Draining(string reason) => new(Alive: true, reason) { Drains = true };

    /// <summary>The backend is this node: known for certain, and the operator's to mend.</summary>
    public bool IsItself { get; private init; }

    public static ProbeResult Itself(string reason) => new(Alive: false, reason, Refused: true) { IsItself = true };

    public static ProbeResult RefusedBy(string reason) => new(Alive: false, reason, Refused: true);

    public static ProbeResult Of(Exception e, string reason) => new(Alive: false, reason, Inconclusive: LocalFault.Is(e));
}

/// <summary>Asks a backend whether it works. The caller bounds the time by the token; failures of the peer are results.</summary>
internal interface IHealthProbe
{
    string Name { get; }

    /// <summary>What the peer of the probe under way has not done yet, for a probe that gets no answer in time.</summary>
    string Owed => "no answer";

    ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancellationToken);
}

/// <summary>Connects and says nothing more than the PROXY header, where the backend expects one: without it the connection would be an error in its log.</summary>
internal sealed class TcpProbe(ProbeStream opener) : IHealthProbe
{
    public string Name => "tcp";

    public string Owed => opener.Owed;

    public async ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        try
        {
            await (await opener.OpenAsync(endPoint, cancellationToken).ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            return ProbeResult.Ok;
        }
        catch (IOException e)
        {
            return ProbeResult.Of(e, FailureText.Describe(e));
        }
    }
}
