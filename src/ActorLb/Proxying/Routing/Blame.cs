using System.Numerics;
using ActorLb.Balancing;

namespace ActorLb.Proxying.Routing;

/// <summary>Whether what went wrong with a session's backend counts against the backend, and when that is known.</summary>
internal static class Blame
{
    /// <summary>Counts a failure of the session's backend, but for one that said AUTH: it lives, and the client may be to blame.</summary>
    /// <param name="reason">For people: what the backend did, or did not do.</param>
    public static void Now(Session session, string reason)
    {
        session.Traffic.ConnectFailures++;
        session.Backend!.History.Failed(reason);
        if (!session.Setup!.Committed) session.Backend!.ReportFailure(session.Reactor.Now, connected: session.Phase > Phase.Dialing);
    }

    /// <summary>
    /// The session's backend closed before its CONNACK: over its connection rate, going down, or because of something in this very
    /// CONNECT. A backend that answers others is not failing. Otherwise blame is deferred until another backend has answered the same
    /// CONNECT; if not, one bad client could eject the whole pool. Where no other is ever asked, it counts at once.
    /// </summary>
    /// <param name="reason">For people: what the backend did.</param>
    public static void Defer(Session session, string reason)
    {
        var setup = session.Setup!;
        long now = session.Reactor.Now;
        session.Traffic.ConnectFailures++;
        session.Backend!.History.Failed(reason);
        if (setup.Committed || session.Backend.HasAnsweredLately(now)) return;
        if (session.Pool.Options.Retry.Tries == 1) session.Backend.ReportFailure(now);
        else setup.BlameDeferred |= 1U << (setup.TriedCount - 1);
    }

    /// <summary>A backend answered the CONNECT: those that closed on it before have failed.</summary>
    public static void Settle(Session session)
    {
        var setup = session.Setup!;
        for (uint left = setup.BlameDeferred; left != 0; left &= left - 1)
        {
            setup.Tried[BitOperations.TrailingZeroCount(left)].ReportFailure(session.Reactor.Now);
        }
        setup.BlameDeferred = 0;
    }
}
