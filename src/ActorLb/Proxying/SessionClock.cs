using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying;

/// <summary>What happens when a session's deadline comes. An established session's timer is not moved by
/// traffic: when it comes, it looks at what happened since and sets the next.</summary>
internal sealed partial class SessionClock(NodeServices services, SessionCloser closer)
{
    /// <summary>How long a session relays before its backend's socket gets keep-alive and user time-out (milliseconds): four system
    /// calls fewer for a client that is soon gone, and at the moment when many connect. Until the CONNACK other time-outs hold.</summary>
    private const int WatchAfter = 1000;

    public Router Router { private get; set; } = null!;

    public void Expired(Session session)
    {
        switch (Phases.OverdueOf(session.Phase))
        {
            case Overdue.Idle:
                Idle(session);
                break;
            case Overdue.ClientSilent:
                closer.Close(session, CloseReason.ConnectTimeout);
                break;
            case Overdue.QueueTimeout:
                Router.GiveUp(session, CloseReason.QueueTimeout);
                break;
            case Overdue.BackendSilent when session.AwaitsPlace:
                // For its turn among this node's own handshakes: the backend was not even asked.
                Router.TryNext(session, CloseReason.HandshakeLimit);
                break;
            case Overdue.BackendSilent:
                Blame.Now(session, Phases.OwedBy(session));
                // After an AUTH the silence may be the client's.
                if (!session.Setup!.Committed) LogSilent(session);
                Router.TryNext(session, CloseReason.BackendsFailed);
                break;
            default:
                closer.Close(session, session.EndReason == CloseReason.None ? CloseReason.BackendsFailed : session.EndReason);
                break;
        }
    }

    /// <summary>Sets the timer of a session that begins to relay; that of a client which has gone is the relay's to set.</summary>
    public void StartRelay(Session session)
    {
        var reactor = session.Reactor;
        session.EstablishedAt = session.LastFromClient = session.LastActivity = reactor.Now;
        if (session.Client.Gone) return;
        if (session is { Client.Ended: false, Upstream.Ended: false })
        {
            Schedule(session);
            return;
        }
        // The client ended its direction before the CONNACK came, or the broker with it.
        session.EndReason = session.Client.Ended ? CloseReason.ClientClosed : CloseReason.BackendClosed;
        reactor.SetDeadline(session, reactor.Now + Relay.HalfCloseTimeout);
    }

    private void LogSilent(Session session)
    {
        string backend = session.Backend!.Id, owed = Phases.OwedBy(session);
        if (services.LogLimit.Admits(LogLevel.Warning, "backend", backend, owed))
            Log.BackendSilent(services.Logger, backend, session.Pool.Name, owed, session.Setup!.BackendTime / 1000.0);
    }

    private void Idle(Session session)
    {
        var reactor = session.Reactor;
        if (session.Leaving)
        {
            closer.Leave(session);
            return;
        }
        if (session.Client.Gone)
        {
            Relay.GoneTooLong(session, closer);
            return;
        }
        if (session.Client.PeerClosed || session.Client.Ended || session.BackendEndedAt != 0)
        {
            HalfClosed(session);
            return;
        }
        if (!session.BackendWatched)
        {
            session.BackendWatched = true;
            reactor.WatchPeer(session);
        }
        if (session.IdleByKeepAlive && session.Upstream.PendingLength > 0)
        {
            // The broker does not take what it was sent, so nothing is read from the client: its silence is not its own.
            reactor.SetDeadline(session, reactor.Now + session.IdleTimeout);
            return;
        }
        if (session.IdleTimeout > 0)
        {
            long last = session.IdleByKeepAlive ? session.LastFromClient : session.LastActivity;
            if (reactor.Now - last >= session.IdleTimeout)
            {
                closer.Drain(session, Protocol.Mqtt.DisconnectReason.KeepAliveTimeout, CloseReason.IdleTimeout);
                return;
            }
        }
        Schedule(session);
    }

    /// <summary>
    /// How long a half-closed session may be silent. An MQTT client whose broker has ended is owed nothing but the rest, and soon; to end
    /// one direction and go on with the other is usual with plain TCP alone.
    /// </summary>
    public static int HalfClosePatience(Session session) =>
        session.BackendEndedAt != 0 && session.IsMqtt ? Relay.EndedBackendTimeout : Relay.HalfCloseTimeout;

    private void HalfClosed(Session session)
    {
        var reactor = session.Reactor;
        long last = Math.Max(session.LastActivity, session.BackendEndedAt);
        long deadline = last + HalfClosePatience(session);
        if (session.BackendEndedAt != 0 && session.IsMqtt) deadline = Math.Min(deadline, session.BackendEndedAt + Relay.HalfCloseTimeout);
        if (reactor.Now < deadline)
        {
            reactor.SetDeadline(session, deadline);
            return;
        }
        if (session.Upstream.Gone) Relay.NameEnd(session, client: false);
        var reason = session.BackendEndedAt == 0 ? CloseReason.ClientClosed
            : session.Upstream.HungUp && !session.Upstream.Ended ? CloseReason.BackendReset : CloseReason.BackendClosed;
        // Closed with something of the client's unread, its socket would drop what it was sent.
        if (session.BackendEndedAt != 0) closer.Linger(session, reason);
        else closer.Close(session, reason);
    }

    private static void Schedule(Session session)
    {
        var reactor = session.Reactor;
        long deadline = session.IdleTimeout == 0 ? long.MaxValue
            : (session.IdleByKeepAlive ? session.LastFromClient : session.LastActivity) + session.IdleTimeout;
        if (!session.BackendWatched) deadline = Math.Min(deadline, session.EstablishedAt + WatchAfter);
        if (deadline == long.MaxValue) reactor.ClearDeadline(session);
        else reactor.SetDeadline(session, deadline);
    }

    private static partial class Log
    {
        [LoggerMessage(1501, LogLevel.Warning, "backend {Backend} of pool {Pool}: {Owed} within {Seconds:0.###} s")]
        public static partial void BackendSilent(ILogger logger, string backend, string pool, string owed, double seconds);
    }
}
