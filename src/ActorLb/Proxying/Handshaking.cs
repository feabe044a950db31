using ActorLb.Native.OpenSsl;
using ActorLb.Proxying.Tls;

namespace ActorLb.Proxying;

/// <summary>Lends a session's TLS to the handshake threads, a step at a time.</summary>
internal static class Handshaking
{
    /// <summary>Has the next step made; the outcome comes to the reactor as a message. False when far too many handshakes wait.</summary>
    public static bool Step(NodeServices services, Reactor reactor, Session session, TlsSession tls)
    {
        HandshakePool pool = services.Handshakes!;
        session.Borrowed = true;
        if (session.HandshakeBegun)
        {
            pool.Submit(tls, (long)session.Ticket, reactor);
            return true;
        }
        session.HandshakeBegun = pool.TryBegin(tls, (long)session.Ticket, reactor);
        session.Borrowed = session.HandshakeBegun;
        return session.HandshakeBegun;
    }

    /// <summary>Makes a later step of a begun handshake on the reactor's own thread.</summary>
    public static HandshakeOutcome Finish(NodeServices services, Session session, TlsSession tls)
    {
        HandshakeOutcome outcome = tls.Handshake();
        if (outcome.Status is HandshakeStatus.Done or HandshakeStatus.Failed)
        {
            session.HandshakeBegun = false;
            services.Handshakes!.Abandon();
        }
        return outcome;
    }

    /// <summary>Takes the session back from the queue of those that wait for a place, if it is there.</summary>
    public static void TakeBack(NodeServices services, Reactor reactor, Session session)
    {
        if (!session.Borrowed || !services.Handshakes!.TryTakeBack((long)session.Ticket, reactor)) return;
        session.Borrowed = session.HandshakeBegun = false;
    }

    /// <summary>Whether the descriptor has become what the step waits for, as told by events that came while the step ran. A peer that
    /// has closed its direction is read to its end, but makes no room to write.</summary>
    public static bool IsReady(in Side side, HandshakeOutcome outcome) =>
        outcome.Status == HandshakeStatus.WantWrite ? side.Writable : side.Readable || side.PeerClosed;
}
