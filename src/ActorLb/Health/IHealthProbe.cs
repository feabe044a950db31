using System.Net;
using System.Net.Sockets;
using ActorLb.Native;
using ActorLb.Protocol.Failures;

namespace ActorLb.Health;

/// <summary>The result of a probe; the reason is for people.</summary>
/// <param name="Refused">The backend itself refused clients, so this is not a network problem.</param>
/// <param name="Inconclusive">This node could not probe, for lack of descriptors, memory or ports: nothing is known about the
/// backend.</param>
internal readonly record struct ProbeResult(bool Alive, string? Reason, bool Refused = false, bool Inconclusive = false)
{
    public static readonly ProbeResult Ok = new(Alive: true, Reason: null);

    /// <summary>When the probe began, in milliseconds of <see cref="Balancing.MonotonicTime"/>; set by the caller that ran it.</summary>
    public long Began { get; init; }

    /// <summary>How long it took; set by the caller that ran it.</summary>
    public TimeSpan Took { get; init; }

    public static ProbeResult Failed(string reason) => new(Alive: false, reason);

    /// <summary>It is alive, and asks for no new clients.</summary>
    public bool Drains { get; private init; }

    public static ProbeResult Draining(string reason) => new(Alive: true, reason) { Drains = true };

    /// <summary>The backend is this node itself: certain, and for the operator to correct.</summary>
    public bool IsItself { get; private init; }

    public static ProbeResult Itself(string reason) => new(Alive: false, reason, Refused: true) { IsItself = true };

    public static ProbeResult RefusedBy(string reason) => new(Alive: false, reason, Refused: true);

    public static ProbeResult Of(Exception e, string reason) => new(Alive: false, reason, Inconclusive: LocalFault.Is(e));
}

/// <summary>Checks whether a backend works. The caller limits the time by the token; failures of the peer are results.</summary>
internal interface IHealthProbe
{
    string Name { get; }

    /// <summary>What the peer has not done yet in the current probe, for the message of a time-out.</summary>
    string Owed => "no answer";

    ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancel);
}

/// <summary>Connects and sends nothing but the PROXY header where the backend expects one: without it the connection would be an error
/// in its log.</summary>
internal sealed class TcpProbe(ProbeStream opener) : IHealthProbe
{
    public string Name => "tcp";

    public string Owed => opener.Owed;

    public async ValueTask<ProbeResult> ProbeAsync(IPEndPoint endPoint, CancellationToken cancel)
    {
        try
        {
            await (await opener.OpenAsync(endPoint, cancel).ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            return ProbeResult.Ok;
        }
        catch (IOException e)
        {
            return ProbeResult.Of(e, FailureText.Describe(e));
        }
    }
}
