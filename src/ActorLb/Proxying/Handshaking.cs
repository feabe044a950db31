using System.Diagnostics;
using ActorLb.Native.OpenSsl;
using ActorLb.Proxying.Tls;

namespace ActorLb.Proxying;

/// <summary>
/// A reactor's handshakes that have a step to make. A step costs up to a millisecond, most of it one signature; made as they come, a
/// storm of them would hold up every relayed message for the whole storm. So they wait here for their turn: <see cref="Slice"/>
/// of steps, or one, after each look at the descriptors; and on a busy reactor none until as much time has gone by again.
/// </summary>
internal sealed class Handshaking
{
    /// <summary>Half a millisecond, less than one signature with RSA, in units of <see cref="Stopwatch"/>.</summary>
    private static readonly long Slice = Stopwatch.Frequency / 2000;

    /// <summary>More events between two turns than the handshaking clients themselves bring: the reactor has much to relay.</summary>
    internal const int BusyEvents = 16;

    private readonly Queue<ulong> _turns = new();
    private readonly Queue<ulong> _held = new();
    private long _spent;
    private long _notBefore;

    /// <summary>Whether somebody waits for a turn.</summary>
    public bool Any => _turns.Count > 0;

    /// <summary>Whether <see cref="YieldPlaces"/> may have something to do.</summary>
    public bool HoldsPlaces => _held.Count > 0;

    /// <summary>Brings the session to its next step, as soon as it has a place and a turn; false when far too many wait for a place.
    /// To be called when what the step waits for has come.</summary>
    public bool Continue(NodeServices services, Reactor reactor, Session session)
    {
        if (session.AwaitsPlace) return true;
        if (!session.HandshakeBegun)
        {
            PlaceAnswer answer = services.Handshakes.Take(reactor, session.Ticket);
            if (answer == PlaceAnswer.Refused) return false;
            session.AwaitsPlace = answer == PlaceAnswer.Waits;
            if (session.AwaitsPlace) return true;
            Begin(reactor, session);
        }
        AwaitTurn(session);
        return true;
    }

    /// <summary>A place was granted; <paramref name="session"/> is null when its session has ended since.</summary>
    public void PlaceGranted(NodeServices services, Reactor reactor, Session? session)
    {
        if (session is not { AwaitsPlace: true })
        {
            services.Handshakes.Release();
            return;
        }
        session.AwaitsPlace = false;
        Begin(reactor, session);
        AwaitTurn(session);
    }

    /// <summary>When others wait for a place, takes it from handshakes that have had one for <see cref="HandshakePlaces.HoldTime"/> and
    /// wait for their peers. They may go on all the same, until their own time is over.</summary>
    public void YieldPlaces(NodeServices services, Reactor reactor)
    {
        HandshakePlaces places = services.Handshakes;
        for (int n = _held.Count; n > 0; n--)
        {
            ulong oldest = _held.Peek();
            Session? session = reactor.Find(oldest);
            bool holds = session?.Setup is { PlaceSince: not 0 };
            if (holds && (reactor.Now - session!.Setup!.PlaceSince < places.HoldTime || places.Waiting == 0)) return;
            _held.Dequeue();
            if (!holds) continue;
            if (session!.AwaitsTurn)
            {
                // It waits for this node, not for its peer.
                Hold(reactor, session);
                continue;
            }
            GiveBack(services, session);
        }
    }

    /// <summary>Whose turn it is now, if anybody's: <see cref="MayGoOn"/> is to follow.</summary>
    /// <param name="events">How many descriptors had news since the last turn; 0 when there is nothing else to do now.</param>
    /// <param name="now">A <see cref="Stopwatch"/> time stamp.</param>
    public bool TryNext(long events, long now, out ulong ticket)
    {
        ticket = 0;
        if (_turns.Count == 0 || (events >= BusyEvents && now < _notBefore)) return false;
        ticket = _turns.Dequeue();
        return true;
    }

    /// <summary>A step was made; false when the descriptors are to be looked at before the next.</summary>
    /// <param name="began">A <see cref="Stopwatch"/> time stamp, as <paramref name="ended"/>.</param>
    /// <param name="ended">When the step was made.</param>
    public bool MayGoOn(long began, long ended)
    {
        _spent += ended - began;
        if (_spent < Slice) return true;
        _notBefore = ended + _spent;
        _spent = 0;
        return false;
    }

    /// <summary>Makes the next step now. The descriptor's flags are as new: a step that waits has read or written until it would block.</summary>
    public static HandshakeOutcome Step(NodeServices services, Session session, ref Side side)
    {
        side.Readable = side.Writable = false;
        HandshakeOutcome outcome = side.Tls.Handshake();
        if (outcome.Status is HandshakeStatus.Done or HandshakeStatus.Failed) End(services, session);
        return outcome;
    }

    /// <summary>The session's handshake is over or given up: its place is free, and it waits for none.</summary>
    public static void Leave(NodeServices services, Reactor reactor, Session session)
    {
        // One whose place was granted a moment ago gives it back when it is told.
        if (session.AwaitsPlace) services.Handshakes.TryTakeBack(reactor, session.Ticket);
        session.AwaitsPlace = false;
        if (session.HandshakeBegun) End(services, session);
    }

    private void Begin(Reactor reactor, Session session)
    {
        session.HandshakeBegun = true;
        Hold(reactor, session);
    }

    private void Hold(Reactor reactor, Session session)
    {
        session.Setup!.PlaceSince = reactor.Now;
        _held.Enqueue(session.Ticket);
    }

    private static void GiveBack(NodeServices services, Session session)
    {
        session.Setup!.PlaceSince = 0;
        services.Handshakes.Release();
    }

    private static void End(NodeServices services, Session session)
    {
        session.HandshakeBegun = false;
        if (session.Setup!.PlaceSince != 0) GiveBack(services, session);
    }

    private void AwaitTurn(Session session)
    {
        // A turn that an earlier handshake of the session waited for serves this one too.
        if (session.AwaitsTurn) return;
        session.AwaitsTurn = true;
        _turns.Enqueue(session.Ticket);
    }
}
