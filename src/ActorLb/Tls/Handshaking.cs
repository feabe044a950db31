using System.Diagnostics;
using ActorLb.Proxying;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Tls;

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
    private long _spent;
    private long _notBefore;

    /// <summary>Whether a session waits for a turn.</summary>
    public bool Any => _turns.Count > 0;

    /// <summary>Has the session make its next step as soon as it has a turn, and for its first step a place; false when too many
    /// wait for a place. Called when what the step waits for has come.</summary>
    public bool Continue(NodeServices services, Session session)
    {
        if (session.AwaitsPlace) return true;
        if (!session.HasHandshakePlace && (!session.HandshakeBegun || session.AwaitsHello))
        {
            var answer = services.Handshakes.Take(session.Reactor, session.Ticket);
            if (answer == PlaceAnswer.Refused) return false;
            session.AwaitsPlace = answer == PlaceAnswer.Waits;
            if (session.AwaitsPlace) return true;
            Begin(session);
        }
        AwaitTurn(session);
        return true;
    }

    /// <summary>A place was granted; <paramref name="session"/> is null when its session has ended since.</summary>
    public void PlaceGranted(NodeServices services, Session? session)
    {
        if (session is not { AwaitsPlace: true })
        {
            services.Handshakes.Release();
            return;
        }
        session.AwaitsPlace = false;
        Begin(session);
        AwaitTurn(session);
    }

    /// <summary>The session whose turn it is now, if there is one: call <see cref="MayGoOn"/> after its step.</summary>
    /// <param name="events">How many descriptors had news since the last turn; 0 when there is nothing else to do now.</param>
    /// <param name="now">A <see cref="Stopwatch"/> time stamp.</param>
    public bool TryNext(long events, long now, out ulong ticket)
    {
        ticket = 0;
        if (_turns.Count == 0 || (events >= BusyEvents && now < _notBefore)) return false;
        ticket = _turns.Dequeue();
        return true;
    }

    /// <summary>A step was made; false when the reactor must look at its descriptors before the next.</summary>
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
        var outcome = side.Tls.Handshake();
        GiveBackPlace(services, session);
        if (outcome.Status is HandshakeStatus.Done or HandshakeStatus.Failed) session.HandshakeBegun = false;
        // Of a hello in several records only a part has come: the expensive step is still to be made.
        else session.AwaitsHello = side.Tls.AwaitsHello;
        return outcome;
    }

    /// <summary>The session's handshake is over or given up: its place is free, and it waits for none.</summary>
    public static void Leave(NodeServices services, Session session)
    {
        // A session whose place was granted a moment ago gives it back when it hears so.
        if (session.AwaitsPlace) services.Handshakes.TryTakeBack(session.Reactor, session.Ticket);
        session.AwaitsPlace = false;
        session.HandshakeBegun = false;
        GiveBackPlace(services, session);
    }

    private static void Begin(Session session)
    {
        session.HandshakeBegun = session.HasHandshakePlace = true;
        session.AwaitsHello = false;
    }

    private static void GiveBackPlace(NodeServices services, Session session)
    {
        if (!session.HasHandshakePlace) return;
        session.HasHandshakePlace = false;
        services.Handshakes.Release();
    }

    private void AwaitTurn(Session session)
    {
        // A turn that an earlier handshake of the session waited for serves this one too.
        if (session.AwaitsTurn) return;
        session.AwaitsTurn = true;
        _turns.Enqueue(session.Ticket);
    }
}
