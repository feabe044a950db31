using ActorLb.Native;
using ActorLb.Protocol;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Tls;

namespace ActorLb.Proxying.Dialing;

/// <summary>From the backend's accept to its CONNACK: PROXY header, TLS, upgrade, CONNECT. What it answers, <see cref="BackendAnswer"/> reads.
/// Until the CONNACK the CONNECT is kept, so that another backend can get it.</summary>
internal sealed class BackendGreeting(
    NodeServices services, SessionCloser closer, Router router, Relay relay, SessionClock clock)
{
    private readonly BackendFaults _faults = new(services, closer, router);
    private readonly BackendAnswer _answer = new(services, closer, router, relay, clock);

    /// <summary>The connection stands: sends what comes before the CONNECT.</summary>
    public void Start(Session session)
    {
        var reactor = session.Reactor;
        if (services.Announced.IsOn && session.Pool.Options.ProxyProtocol != Configuration.ProxyProtocolVersion.Off) services.Announced.Enter(session, reactor.Now);
        Greeting.Compose(session);
        var setup = session.Setup!;
        setup.BackendTime = TryTimes.OfGreeting(session);
        reactor.SetDeadline(session, reactor.Now + setup.BackendTime);
        session.MoveTo(Phases.After(Phase.Dialing, session));
        Advance(session);
    }

    /// <summary>Goes on with whatever step the session is at.</summary>
    public void Advance(Session session)
    {
        var setup = session.Setup!;
        switch (session.Phase)
        {
            case Phase.BackendPreamble:
                if (Send(session, setup.PreambleEnd)) GoOn(session);
                break;
            case Phase.BackendTls:
                if (!session.Reactor.Handshaking.Continue(services, session)) router.TryNext(session, CloseReason.HandshakeLimit);
                break;
            case Phase.BackendUpgrade:
                if (Send(session, setup.UpgradeEnd)) ReadUpgradeReply(session);
                break;
            case Phase.Connack:
                if (!Send(session, setup.OutboundEnd)) break;
                if (!session.IsMqtt) _answer.BeginRelay(session);
                else _answer.Read(session);
                break;
        }
    }

    public void StepHandshake(Session session)
    {
        var outcome = Handshaking.Step(services, session, ref session.Upstream);
        switch (outcome.Status)
        {
            case HandshakeStatus.Done:
                session.Upstream.Readable = true;
                GoOn(session);
                break;
            case HandshakeStatus.Failed:
                _faults.HandshakeFailed(session, outcome.Reason);
                break;
        }
    }

    /// <summary>Goes to the phase that follows.</summary>
    private void GoOn(Session session)
    {
        var next = Phases.After(session.Phase, session);
        if (next == Phase.BackendTls)
        {
            session.Upstream.Tls = session.Pool.Tls!.Connect(session.Upstream.Fd, session.Backend!.Address.Host);
            if (session.Upstream.Tls.IsNone)
            {
                router.TryNext(session, CloseReason.Internal);
                return;
            }
            session.Upstream.Readable = true;
        }
        else
        {
            session.Upstream.Writable = true;
        }
        session.MoveTo(next);
        Advance(session);
    }

    /// <summary>Sends the outbound bytes up to <paramref name="end"/>; false while some wait, or when the backend failed.</summary>
    private bool Send(Session session, int end)
    {
        var setup = session.Setup!;
        while (setup.OutboundStart < end)
        {
            if (!session.Upstream.Writable) return false;
            int sent = Channel.Send(ref session.Upstream, setup.Outbound.AsSpan(setup.OutboundStart, end - setup.OutboundStart));
            if (sent == Tcp.Failed && session.Phase == Phase.Connack && session.IsMqtt)
            {
                // It closed before it had the whole CONNECT, and may have said why: what it sent is read, then the end found.
                setup.OutboundStart = end;
                session.Upstream.Readable = true;
                return true;
            }
            if (sent == Tcp.Failed)
            {
                // Before any other call, which could set another.
                int errno = session.Upstream.Stream is null ? Libc.Errno : session.Reactor.TakeError(session);
                _faults.NotSent(session, errno);
                return false;
            }
            if (sent > 0) setup.OutboundStart += sent;
            else session.Upstream.Writable = false;
        }
        return true;
    }

    private void ReadUpgradeReply(Session session)
    {
        var setup = session.Setup!;
        for (var turn = default(Turn); session is { Phase: Phase.BackendUpgrade, Upstream.Readable: true };)
        {
            if (!turn.MayRead())
            {
                session.Reactor.Again(session);
                return;
            }
            if (!_answer.Receive(session)) return;
            var status = session.WebSocket!.ReadUpgradeReply(setup.Reply.Bytes, out int length, out int code, out var error);
            if (status == ReadStatus.Invalid)
            {
                _faults.UpgradeRefused(session, code, error);
                return;
            }
            if (status == ReadStatus.NeedMore) continue;
            session.MoveTo(Phase.Connack);
            if (!_answer.TakeBehindUpgrade(session, length)) return;
            Advance(session);
        }
    }
}
