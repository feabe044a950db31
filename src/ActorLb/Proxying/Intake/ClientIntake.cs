using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Protocol;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.ProxyProtocol;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;

namespace ActorLb.Proxying.Intake;

/// <summary>The client's side of the way to a CONNECT: PROXY header, TLS, upgrade, CONNECT, rewrite.</summary>
internal sealed class ClientIntake(NodeServices services, SessionCloser closer, Router router)
{
    /// <summary>Bytes of a refused client's CONNECT from which on its version suffices.</summary>
    private const int EnoughToRefuse = 1024;

    private readonly ClientHandshake _handshake = new(services, closer);
    private readonly ConnectChecks _checks = new(services, closer);

    /// <summary>Goes on with a session that has not sent its whole CONNECT.</summary>
    public void Advance(Session session)
    {
        switch (session.Phase)
        {
            case Phase.ProxyHeader:
                ReadProxyHeader(session);
                break;
            case Phase.TlsHandshake:
                if (_handshake.Advance(session)) Secured(session);
                break;
            case Phase.Upgrade:
                ReadUpgrade(session);
                break;
            case Phase.Connect:
                ReadConnect(session);
                break;
        }
    }

    /// <summary>The client's address is certain and judged: its bytes are read.</summary>
    public void Begin(Session session) => GoOn(session, done: Phase.ProxyHeader);

    /// <summary>Makes the next step of the client's handshake.</summary>
    public void StepHandshake(Session session)
    {
        if (_handshake.Step(session)) Secured(session);
    }

    /// <summary>Takes in what a client sends before it is connected to a backend. False when the session is closed.</summary>
    public bool ReadAhead(Session session)
    {
        var setup = session.Setup!;
        for (var turn = default(Turn); session.Client is { Readable: true, Ended: false };)
        {
            if (setup.Inbound.Length - setup.ConnectLength >= session.Pool.Options.BufferSize) return true;
            if (!turn.MayRead())
            {
                session.Reactor.Again(session);
                return true;
            }
            if (!Receive(session, out bool any)) return false;
            if (!any) break;
        }
        return true;
    }

    private void Secured(Session session) => GoOn(session, done: Phase.TlsHandshake);

    /// <summary>Goes to the phase that follows, and reads what has come for it.</summary>
    private void GoOn(Session session, Phase done)
    {
        var next = Phases.After(done, session);
        if (next == Phase.Routing)
        {
            session.Client.Writable = true;
            Complete(session);
            return;
        }
        session.MoveTo(next);
        if (next == Phase.TlsHandshake)
        {
            if (_handshake.Start(session)) Secured(session);
            return;
        }
        session.Client.Writable = true;
        if (session.Client.Readable) Advance(session);
    }

    /// <summary>Peeks, so that not a byte beyond the header leaves the socket: what follows may belong to TLS.</summary>
    private void ReadProxyHeader(Session session)
    {
        var reactor = session.Reactor;
        ref var client = ref session.Client;
        int peeked = Channel.Peek(ref client, reactor.Scratch);
        if (peeked <= 0)
        {
            if (peeked != Tcp.WouldBlock) closer.Close(session, ClientHandshake.GoneUnheard(session));
            return;
        }
        var status = ProxyHeaderReader.Read(
            reactor.Scratch.AsSpan(0, peeked), ProxyHeaderReader.DefaultMaxLength, out var header, out var error);
        if (status == ProxyStatus.NeedMore)
        {
            if (client.PeerClosed) closer.Close(session, CloseReason.BadProxyHeader);
            return;
        }
        if (status != ProxyStatus.Done)
        {
            services.Refused.BadProxyHeader(session, error);
            closer.Close(session, CloseReason.BadProxyHeader);
            return;
        }
        if (header.Kind == ProxyKind.Ip)
        {
            session.Remote = NetEndPoint.From(header.Source);
            session.Local = NetEndPoint.From(header.Destination);
        }
        Channel.Receive(ref client, reactor.Scratch.AsSpan(0, header.TotalLength));
        if (header.Kind == ProxyKind.Ip && services.Announced.IsOn && services.Announced.Find(session, reactor.Now) is { } own)
        {
            services.Refused.OwnConnection(session, own.Pool, own.Backend);
            closer.Close(session, CloseReason.Loop);
            return;
        }
        var refusal = JudgeTold(session, header.Kind);
        if (refusal == CloseReason.None || closer.TurnAway(session, refusal)) Begin(session);
    }

    private CloseReason JudgeTold(Session session, ProxyKind kind)
    {
        // The proxy's own connection, such as its health check, must be accepted (PROXY protocol, 2.2): the lists and limits are for clients.
        if (kind == ProxyKind.Local) return CloseReason.None;
        // Of one that is refused already, only whether to close it at once is still open.
        if (session.Setup!.Refusal == CloseReason.None) return services.Places.Judge(session);
        return services.Places.IsUnwanted(session) ? CloseReason.Banned : CloseReason.None;
    }

    private void ReadUpgrade(Session session)
    {
        var setup = session.Setup!;
        var turn = default(Turn);
        bool any;
        do
        {
            if (!TryReceive(session, ref turn, out any)) return;
            if (setup.Inbound.Length == 0) break;
            var status = UpgradeRequestReader.Read(
                setup.Inbound.Bytes, session.ListenerState!.Upgrade!, out var request, out var error);
            if (status == ReadStatus.Done)
            {
                Upgrade(session, request);
                return;
            }
            if (status == ReadStatus.Invalid)
            {
                services.Refused.BadUpgrade(session, error);
                closer.Answer(session, CloseReason.BadUpgrade, UpgradeErrors.ResponseFor(error));
                return;
            }
        }
        while (any && !session.Client.Ended);
        if (session.Client.Ended) closer.Close(session, CloseReason.ClientGone);
    }

    private void Upgrade(Session session, in UpgradeRequest request)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        ReadOnlySpan<byte> head = setup.Inbound.Bytes[..request.TotalLength];
        setup.Host = request.HostName.In(head).ToArray();
        if (session.Pool.Options.WebSocketPath is not null)
        {
            setup.UpgradeHead = reactor.Buffers.Rent(head.Length);
            head.CopyTo(setup.UpgradeHead);
            setup.Upgrade = request;
            setup.ForwardedIsBelieved = session.ListenerState!.BelievesForwardedFrom(session.Remote);
        }
        Span<byte> response = stackalloc byte[UpgradeResponse.MaxLength];
        int length = UpgradeResponse.Write(response, request.Key.In(head), request.Subprotocol);
        Channel.WriteControl(reactor, ref session.Client, response[..length]);
        var limits = session.ListenerState!.Options.WebSocket!;
        session.WebSocket = new WebSocketRelay(
            framesClient: true, framesBackend: session.Pool.Options.WebSocketPath is not null, limits.MaxFrameSize, limits.MaxMessageSize);
        session.MoveTo(Phase.Connect);
        // Frames may have come right behind the request.
        if (!Unframed(session, SetupReader.UnframeBehind(session, ref session.Client, ref setup.Inbound, request.TotalLength, Direction.ToBackend))) return;
        ReadConnect(session);
    }

    private void ReadConnect(Session session)
    {
        var setup = session.Setup!;
        int limit = session.ListenerState!.Options.MaxPacketSize;
        var turn = default(Turn);
        bool any;
        do
        {
            if (!TryReceive(session, ref turn, out any)) return;
            // Frames may come that hold nothing of it, for as long as a client likes.
            if (setup.Inbound.Length == 0) continue;
            var status = ConnectReader.Read(setup.Inbound.Bytes, limit, out setup.Connect, out var error);
            if (status == ReadStatus.Done)
            {
                setup.ConnectLength = setup.Connect.TotalLength;
                session.Version = setup.Connect.Version;
                if (_checks.Pass(session)) Complete(session);
                return;
            }
            if (status == ReadStatus.Invalid)
            {
                services.Refused.BadConnect(session, error);
                closer.Answer(session, CloseReason.BadConnect, ConnectErrors.ConnackFor(error, setup.Connect.Version));
                return;
            }
            if (setup.Refusal != CloseReason.None && setup.Inbound.Length >= EnoughToRefuse && setup.Connect.Version != MqttVersion.Unknown)
            {
                // How to answer is known: no more of it is kept.
                session.Version = setup.Connect.Version;
                closer.Refuse(session, setup.Refusal, Refusals.For(setup.Refusal));
                return;
            }
        }
        while (any && !session.Client.Ended);
        if (session.Client.Ended) closer.Close(session, CloseReason.ClientGone);
    }

    /// <summary>Nothing is awaited of the client any more: it gets a backend.</summary>
    private void Complete(Session session)
    {
        var setup = session.Setup!;
        if (session.Client.Gone && setup.Inbound.Length == setup.ConnectLength)
        {
            closer.Close(session, CloseReason.ClientGone);
            return;
        }
        session.Reactor.Counters.Handled++;
        session.Within?.Remove(session);
        if (session.WebSocket is null && session.Pool.Options.WebSocketPath is not null)
        {
            session.WebSocket = new WebSocketRelay(framesClient: false, framesBackend: true);
        }
        if (!session.IsMqtt) session.IdleTimeout = IdleTimeouts.Of(session.ListenerState!.Options.IdleTimeout, 0);
        session.Reactor.ClearDeadline(session);
        router.Start(session);
    }

    /// <summary>As <see cref="Receive"/>, within a turn. False also when that is over: the session goes on with the next one.</summary>
    private bool TryReceive(Session session, ref Turn turn, out bool any)
    {
        if (turn.MayRead()) return Receive(session, out any);
        any = false;
        session.Reactor.Again(session);
        return false;
    }

    /// <summary>One read behind what is kept. False when the session is closed.</summary>
    private bool Receive(Session session, out bool any)
    {
        ref var client = ref session.Client;
        var setup = session.Setup!;
        any = false;
        if (!client.Readable || client.Ended) return true;
        var received = SetupReader.Read(session, ref client, ref setup.Inbound, Direction.ToBackend, framed: session.WebSocket is { FramesClient: true });
        switch (received)
        {
            case Received.Nothing:
                return true;
            case Received.End when !client.HungUp:
                client.Ended = true;
                return true;
            case Received.End or Received.Failed when setup.Inbound.Length > setup.ConnectLength:
                // It may have said what it had to say and left without waiting for the answer: its broker hears it all the same.
                client.Ended = client.Finished = client.Gone = true;
                return true;
            case Received.End or Received.Failed:
                closer.Close(session, CloseReason.ClientGone);
                return false;
            default:
                any = true;
                session.LastFromClient = session.LastActivity = session.Reactor.Now;
                return Unframed(session, received);
        }
    }

    /// <summary>False when the frames broke the protocol: the session is closed when the client has the close frame.</summary>
    private bool Unframed(Session session, Received received)
    {
        if (received != Received.BadFrame) return true;
        closer.Linger(session, CloseReason.BadFrame);
        return false;
    }
}
