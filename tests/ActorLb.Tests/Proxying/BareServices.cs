using ActorLb.Balancing;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Standalone;
using ActorLb.Sticky;
using Microsoft.Extensions.Logging.Abstractions;

namespace ActorLb.Tests.Proxying;

/// <summary>What the steps of a reactor need, without a node around it.</summary>
internal static class BareServices
{
    public static NodeServices Create()
    {
        var map = new LocalStickyMap(new byte[16], TimeSpan.FromHours(1), 1000, new BackendSlots(), TimeProvider.System);
        return new NodeServices(new NodeAdmission(10), map, new BackendDirectory(), NullLoggerFactory.Instance, TimeProvider.System);
    }

    public static EpollReactor ReactorOf(NodeServices services) => new(0, new SessionFlow(services), NullLogger.Instance);

    /// <summary>By the shortest way.</summary>
    public static void BringTo(this Session session, Phase phase)
    {
        Phase[] way = [Phase.ProxyHeader, Phase.Connect, Phase.Routing, Phase.Connack, Phase.Relay];
        foreach (var next in way.TakeWhile(p => p <= phase)) session.MoveTo(next);
        if (session.Phase != phase) session.MoveTo(phase);
    }
}
