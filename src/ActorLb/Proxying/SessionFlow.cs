using ActorLb.Native;
using ActorLb.Proxying.Dialing;
using ActorLb.Proxying.Intake;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Sticky;

namespace ActorLb.Proxying;

/// <summary>
/// The way of a connection: which step goes on when a descriptor, a timer or another thread has news of a session. The steps are
/// shared by all reactors and keep no state of their own; a session's state is the session's.
/// </summary>
internal sealed class SessionFlow
{
    private readonly NodeServices _services;
    private readonly Acceptor _acceptor;
    private readonly ClientIntake _intake;
    private readonly Router _router;
    private readonly Dialer _dialer;
    private readonly BackendGreeting _greeting;
    private readonly Relay _relay;
    private readonly SessionClock _clock;

    public SessionFlow(NodeServices services)
    {
        _services = services;
        Closer = new SessionCloser(services);
        _relay = new Relay(Closer);
        _clock = new SessionClock(services, Closer);
        _router = new Router(services, Closer);
        _greeting = new BackendGreeting(services, Closer, _router, _relay, _clock);
        _dialer = new Dialer(services, _router, _greeting);
        _router.Dialer = _dialer;
        _clock.Router = _router;
        _intake = new ClientIntake(services, Closer, _router);
        _acceptor = new Acceptor(services, Closer, _intake);
    }

    public SessionCloser Closer { get; }

    public SetupBudget SetupBudget => _services.SetupBudget;

    public bool Accept(Reactor reactor, ListenerSocket socket) => _acceptor.Accept(reactor, socket);

    /// <summary>Takes in a connection that was accepted elsewhere, or turns it away.</summary>
    public void Admit(Reactor reactor, ListenerSocket socket, in Side client, in NetEndPoint remote, in NetEndPoint local) =>
        _acceptor.Admit(reactor, socket, client, remote, local);

    /// <summary>Connections cannot be accepted for want of descriptors or memory.</summary>
    public void AcceptFailed(Reactor reactor, ListenerSocket socket, int errno) => _acceptor.Rest(reactor, socket, errno);

    /// <summary>Goes on with a session one of whose descriptors had an event.</summary>
    public void Advance(Session session, bool upstream)
    {
        if (session.Phase == Phase.Relay)
        {
            _relay.Advance(session);
            return;
        }
        switch (Phases.StepOf(session.Phase))
        {
            case Step.Intake:
                _intake.Advance(session);
                break;
            case Step.Closer:
                Closer.Linger(session);
                break;
            default:
                // What the client sends meanwhile is kept, so that its going away is seen.
                if (upstream || _intake.ReadAhead(session)) AdvanceBackend(session);
                break;
        }
        session.Reactor.Setups.Settle(session);
    }

    private void AdvanceBackend(Session session)
    {
        switch (Phases.StepOf(session.Phase))
        {
            case Step.Router:
                _router.LookAtWaiting(session);
                break;
            case Step.Dialer:
                _dialer.Advance(session);
                break;
            case Step.Greeting:
                _greeting.Advance(session);
                break;
        }
    }

    public void Expired(Session session)
    {
        _clock.Expired(session);
        session.Reactor.Setups.Settle(session);
    }

    public void StickyAnswered(Session session, in StickyAnswer answer)
    {
        _router.Answered(session, answer);
        session.Reactor.Setups.Settle(session);
    }

    /// <summary>It is the turn of a session that waits for a backend.</summary>
    public void Resume(Session session)
    {
        _router.Resume(session);
        session.Reactor.Setups.Settle(session);
    }

    /// <summary>It is the turn of the session's handshake.</summary>
    public void StepHandshake(Session session)
    {
        session.AwaitsTurn = false;
        if (!session.HandshakeBegun) return;
        if (session.Phase == Phase.TlsHandshake) _intake.StepHandshake(session);
        else if (session.Phase == Phase.BackendTls) _greeting.StepHandshake(session);
        session.Reactor.Setups.Settle(session);
    }

    /// <summary>A handshake that waited for a place has one; <paramref name="session"/> is null when its session has ended since.</summary>
    public void PlaceGranted(Reactor reactor, Session? session) => reactor.Handshaking.PlaceGranted(_services, session);

    public void Close(Session session, CloseReason reason) => Closer.Close(session, reason);
}
