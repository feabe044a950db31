using System.Buffers.Binary;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Protocol;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.ProxyProtocol;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Tls;

namespace ActorLb.Proxying.Intake;

/// <summary>The client's side of the way to a CONNECT: PROXY header, TLS, upgrade, CONNECT, rewrite.</summary>
internal sealed class ClientIntake(NodeServices services, SessionCloser closer, Router router)
{
    private const int FirstRead = 1024;
    private const int FramedRead = 8192;

    // RFC 8446, section 5.1: content type, length of the header, most bytes behind it.
    private const int HandshakeRecord = 22, RecordHeader = 5, MaxRecord = 1 << 14;

    /// <summary>Goes on with a session that has not sent its whole CONNECT.</summary>
    public void Advance(Reactor reactor, Session session)
    {
        switch (session.Phase)
        {
            case Phase.ProxyHeader:
                ReadProxyHeader(reactor, session);
                break;
            case Phase.TlsHandshake:
                if (session.AwaitsPlace || session.AwaitsTurn) LeaveQueue(reactor, session);
                else if (session.Client.Readable || session.Client.PeerClosed || session.HandshakeBegun) Handshake(reactor, session);
                break;
            case Phase.Upgrade:
                ReadUpgrade(reactor, session);
                break;
            case Phase.Connect:
                ReadConnect(reactor, session);
                break;
        }
    }

    /// <summary>The client's address is certain and judged: its bytes are read.</summary>
    public void Begin(Reactor reactor, Session session)
    {
        if (session.Entered!.Tls is null) Secured(reactor, session);
        else StartTls(reactor, session, session.Entered);
    }

    /// <summary>Makes the next step of the client's handshake.</summary>
    public void StepHandshake(Reactor reactor, Session session)
    {
        HandshakeOutcome outcome = Handshaking.Step(services, session, ref session.Client);
        switch (outcome.Status)
        {
            case HandshakeStatus.Done:
                reactor.Counters.TlsHandshakes++;
                if (session.Client.Tls.Reused()) reactor.Counters.TlsResumed++;
                reactor.Counters.HandshakeTime.Record((reactor.Now - session.AcceptedAt) / 1000.0);
                session.Client.Readable = true;
                reactor.SetDeadline(session, session.AcceptedAt + (long)session.Entered!.Options.ConnectTimeout.TotalMilliseconds);
                Secured(reactor, session);
                break;
            case HandshakeStatus.Failed:
                reactor.Counters.TlsFailed++;
                services.Refused.HandshakeFailed(session, outcome.Reason ?? "unknown");
                session.Client.Finished = true;
                closer.Close(reactor, session, CloseReason.TlsFailed);
                break;
        }
    }

    /// <summary>Takes in what a client sends before it is connected to a backend. False when the session is closed.</summary>
    public bool ReadAhead(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        for (var turn = default(Turn); session.Client is { Readable: true, Ended: false };)
        {
            if (setup.InboundLength - setup.ConnectLength >= session.Pool.Options.BufferSize) return true;
            if (!turn.MayRead())
            {
                reactor.Again(session);
                return true;
            }
            if (!Receive(reactor, session, out bool any)) return false;
            if (!any) break;
        }
        return true;
    }

    /// <summary>Peeks, so that not a byte beyond the header leaves the socket: what follows may belong to TLS.</summary>
    private void ReadProxyHeader(Reactor reactor, Session session)
    {
        ref Side client = ref session.Client;
        int peeked = Channel.Peek(ref client, reactor.Scratch);
        if (peeked <= 0)
        {
            if (peeked != Tcp.WouldBlock) closer.Close(reactor, session, GoneUnheard(session));
            return;
        }
        ProxyStatus status = ProxyHeaderReader.Read(
            reactor.Scratch.AsSpan(0, peeked), ProxyHeaderReader.DefaultMaxLength, out ProxyHeader header, out ProxyError error);
        if (status == ProxyStatus.NeedMore)
        {
            if (client.PeerClosed) closer.Close(reactor, session, CloseReason.BadProxyHeader);
            return;
        }
        if (status != ProxyStatus.Done)
        {
            services.Refused.BadProxyHeader(session, error);
            closer.Close(reactor, session, CloseReason.BadProxyHeader);
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
            closer.Close(reactor, session, CloseReason.Loop);
            return;
        }
        SessionCloser.MoveTo(reactor, session, Phase.Connect);
        CloseReason refusal = JudgeTold(session, header.Kind);
        if (refusal == CloseReason.None || closer.TurnAway(reactor, session, refusal)) Begin(reactor, session);
    }

    private CloseReason JudgeTold(Session session, ProxyKind kind)
    {
        // The proxy's own connection, such as its health check, is to be accepted (PROXY protocol, 2.2): the lists and limits are for clients.
        if (kind == ProxyKind.Local) return CloseReason.None;
        // Of one that is refused already, only whether it is to be closed at once is still to be seen.
        if (session.Setup!.Refusal == CloseReason.None) return services.Places.Judge(session);
        return services.Places.IsUnwanted(session) ? CloseReason.Banned : CloseReason.None;
    }

    /// <summary>Why a client ends that went before its first byte.</summary>
    private static CloseReason GoneUnheard(Session session) =>
        session.Entered!.Tls is null ? CloseReason.ClientGone : CloseReason.BareConnect;

    private void StartTls(Reactor reactor, Session session, Listener.State listening)
    {
        SessionCloser.MoveTo(reactor, session, Phase.TlsHandshake);
        session.Client.Tls = listening.Tls!.Accept(session.Client.Fd);
        if (session.Client.Tls.IsNone)
        {
            closer.Close(reactor, session, CloseReason.Internal);
            return;
        }
        reactor.SetDeadline(session, Math.Min(session.Deadline, reactor.Now + (long)listening.Options.Tls!.HandshakeTimeout.TotalMilliseconds));
        if (session.Client.Readable) Handshake(reactor, session);
    }

    private void Handshake(Reactor reactor, Session session)
    {
        if (session.HandshakeBegun && !session.Client.Tls.AwaitsHello && session.Entered!.Options.Tls!.VerifyClient == VerifyClient.Off)
        {
            // The signature is made and none of the client's is to be checked: what is left is not worth a wait.
            StepHandshake(reactor, session);
            return;
        }
        if (!session.HandshakeBegun && !AwaitHello(reactor, session)) return;
        if (!reactor.Handshaking.Continue(services, reactor, session)) closer.Close(reactor, session, CloseReason.HandshakeLimit);
    }

    /// <summary>Whether there is something to answer: the client's first record whole, what is no such record, or its end within one.
    /// A part of a hello takes no place, and who went without a byte began no handshake: the session is closed.</summary>
    private bool AwaitHello(Reactor reactor, Session session)
    {
        ref Side client = ref session.Client;
        int peeked = Tcp.Peek(client.Fd, reactor.Scratch.AsSpan(0, RecordHeader + MaxRecord));
        if (peeked == Tcp.WouldBlock)
        {
            client.Readable = false;
            return client.PeerClosed;
        }
        if (peeked <= 0)
        {
            closer.Close(reactor, session, GoneUnheard(session));
            return false;
        }
        ReadOnlySpan<byte> bytes = reactor.Scratch.AsSpan(0, peeked);
        if (bytes[0] != HandshakeRecord) session.Setup!.Speaks = SpokenProtocols.Guess(bytes);
        if (client.PeerClosed || bytes[0] != HandshakeRecord) return true;
        if (bytes.Length < RecordHeader) return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[3..]);
        return length > MaxRecord || bytes.Length >= RecordHeader + length;
    }

    /// <summary>In a storm a client that went away while it waited for its turn must not cost a signature. Where that is made already,
    /// a CONNECT may lie behind what is left.</summary>
    private void LeaveQueue(Reactor reactor, Session session)
    {
        if (session.HandshakeBegun && !session.Client.Tls.AwaitsHello) return;
        if (session.Client.PeerClosed && services.Handshakes.IsFull) closer.Close(reactor, session, CloseReason.ClientGone);
    }

    private void Secured(Reactor reactor, Session session)
    {
        session.Client.Writable = true;
        if (session.Entered!.Options.WebSocket is not null)
        {
            SessionCloser.MoveTo(reactor, session, Phase.Upgrade);
            if (session.Client.Readable) ReadUpgrade(reactor, session);
            return;
        }
        if (session.Entered.Options.Protocol == ListenerProtocol.Tcp)
        {
            Complete(reactor, session);
            return;
        }
        SessionCloser.MoveTo(reactor, session, Phase.Connect);
        if (session.Client.Readable) ReadConnect(reactor, session);
    }

    private void ReadConnect(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        int limit = session.Entered!.Options.MaxPacketSize;
        var turn = default(Turn);
        bool any;
        do
        {
            if (!TryReceive(reactor, session, ref turn, out any)) return;
            // Frames may come that hold nothing of it, for as long as a client likes.
            if (setup.InboundLength == 0) continue;
            ReadStatus status = ConnectReader.Read(
                setup.Inbound.AsSpan(0, setup.InboundLength), limit, out setup.Connect, out ConnectError error);
            if (status == ReadStatus.Done)
            {
                setup.ConnectLength = setup.Connect.TotalLength;
                session.Version = setup.Connect.Version;
                Received(reactor, session);
                return;
            }
            if (status == ReadStatus.Invalid)
            {
                services.Refused.BadConnect(session, error);
                closer.Answer(reactor, session, CloseReason.BadConnect, ConnectErrors.ConnackFor(error, setup.Connect.Version));
                return;
            }
            if (setup.Refusal != CloseReason.None && setup.InboundLength >= FirstRead && setup.Connect.Version != MqttVersion.Unknown)
            {
                // How to answer is known: no more of it is kept.
                session.Version = setup.Connect.Version;
                closer.Refuse(reactor, session, setup.Refusal, Refusals.For(setup.Refusal));
                return;
            }
        }
        while (any && !session.Client.Ended);
        if (session.Client.Ended) closer.Close(reactor, session, CloseReason.ClientGone);
    }

    /// <summary>The CONNECT is complete and valid.</summary>
    private void Received(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        Listener.State listening = session.Entered!;
        session.ClientId = setup.Connect.ClientId.In(setup.Inbound).ToArray();
        if (services.Probes.Has(session.ClientId))
        {
            // The probe that waits for the answer says so, with its backend.
            services.Probes.Arrived(session.ClientId, session.Listener.Name);
            closer.Refuse(reactor, session, CloseReason.Loop, Refusals.For(CloseReason.Loop));
            return;
        }
        reactor.Frequent.Count(session.ClientId, reactor.Now);
        if (setup.Refusal != CloseReason.None)
        {
            closer.Refuse(reactor, session, setup.Refusal, Refusals.For(setup.Refusal));
            return;
        }
        // As the client wrote them, and as its broker would see them.
        if (services.Places.IsBanned(session))
        {
            RefuseBanned(reactor, session);
            return;
        }
        NoteUserName(session);
        if (listening.Options.RequireClientId is { } binding && !Matches(session, binding))
        {
            services.Refused.ClientIdMismatch(session, binding.Text);
            closer.Refuse(reactor, session, CloseReason.ClientIdMismatch, RefusalReason.ClientIdNotValid);
            return;
        }
        if (!listening.Options.Rewrite.IsEmpty && ConnectRewrite.Apply(reactor, session, listening.Options.Rewrite, out RefusalReason refusal) is { } failure)
        {
            services.Refused.RewriteFailed(session, failure);
            closer.Refuse(reactor, session, CloseReason.RewriteFailed, refusal);
            return;
        }
        if (!listening.Options.Rewrite.IsEmpty)
        {
            NoteUserName(session);
            if (services.Places.IsBanned(session))
            {
                RefuseBanned(reactor, session);
                return;
            }
        }
        if (services.Damping is { } damping && session.ClientId.Length > 0 && damping.Refuses(KeyOf(session), reactor.Now))
        {
            services.Refused.TurnedAway(session, CloseReason.Damped);
            closer.Refuse(reactor, session, CloseReason.Damped, Refusals.For(CloseReason.Damped));
            return;
        }
        session.IdleByKeepAlive = listening.Options.IdleTimeout is null;
        session.IdleTimeout = IdleTimeouts.Of(listening.Options.IdleTimeout, setup.Connect.KeepAlive);
        Complete(reactor, session);
    }

    /// <summary>For later bans: the name that the broker sees, or the client's own where that is taken out.</summary>
    private static void NoteUserName(Session session)
    {
        FieldRange name = session.Setup!.Connect.UserName;
        if (name.Length > 0) session.UserHash = BanList.HashOf(name.In(session.Setup.Inbound));
    }

    private void RefuseBanned(Reactor reactor, Session session)
    {
        services.Refused.TurnedAway(session, CloseReason.Banned);
        closer.Refuse(reactor, session, CloseReason.Banned, Refusals.For(CloseReason.Banned));
    }

    private ulong KeyOf(Session session) => services.Sticky.Hash(session.Pool.NameUtf8, session.ClientId);

    private void Complete(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        if (session.Client.Gone && setup.InboundLength == setup.ConnectLength)
        {
            closer.Close(reactor, session, CloseReason.ClientGone);
            return;
        }
        reactor.Counters.Handled++;
        session.Within?.Remove(session);
        if (session.WebSocket is null && session.Pool.Options.WebSocketPath is not null)
        {
            session.WebSocket = new WebSocketRelay(framesClient: false, framesBackend: true);
        }
        if (!session.IsMqtt) session.IdleTimeout = IdleTimeouts.Of(session.Entered!.Options.IdleTimeout, 0);
        reactor.ClearDeadline(session);
        router.Start(reactor, session);
    }

    private static bool Matches(Session session, Template binding)
    {
        // One more byte than the id, so that a longer value is seen as such; texts of addresses want some room.
        Span<byte> value = session.ClientId!.Length < 1024 ? stackalloc byte[1024] : new byte[session.ClientId.Length + 64];
        int length = Variables.Write(binding, session, value, out int empty);
        return length > 0 && empty == 0 && value[..length].SequenceEqual(session.ClientId);
    }

    /// <summary>As <see cref="Receive"/>, within a turn. False also when it is over: the session goes on with the next one.</summary>
    private bool TryReceive(Reactor reactor, Session session, ref Turn turn, out bool any)
    {
        if (turn.MayRead()) return Receive(reactor, session, out any);
        any = false;
        reactor.Again(session);
        return false;
    }

    /// <summary>One read into the session's inbound buffer. False when the session is closed.</summary>
    private bool Receive(Reactor reactor, Session session, out bool any)
    {
        ref Side client = ref session.Client;
        Setup setup = session.Setup!;
        any = false;
        if (!client.Readable || client.Ended) return true;
        Span<byte> room;
        if (session.WebSocket is not { FramesClient: true })
        {
            if (setup.Inbound is null) setup.Inbound = reactor.Buffers.Rent(FirstRead);
            else if (setup.Inbound.Length - setup.InboundLength < FirstRead / 4)
            {
                // The next size: what a CONNECT announces is believed only as its bytes come.
                reactor.Buffers.Grow(ref setup.Inbound, setup.InboundLength, setup.Inbound.Length * 2);
            }
            room = setup.Inbound.AsSpan(setup.InboundLength);
        }
        else
        {
            room = reactor.Scratch.AsSpan(Reactor.Headroom, session.WebSocket.ReadSize(FramedRead, fromClient: true));
        }
        int received = Channel.Receive(ref client, room);
        if (received > 0)
        {
            any = true;
            if (Channel.IsDrained(client, received, room.Length)) client.Readable = false;
            if (received == room.Length || received >= Turn.LargeRead) session.BulkUntil = reactor.Now + Turn.BulkTime;
            session.LastFromClient = session.LastActivity = reactor.Now;
            if (session.WebSocket is { FramesClient: true }) return TakeFrames(reactor, session, received);
            setup.InboundLength += received;
            return true;
        }
        if (received == Tcp.WouldBlock)
        {
            client.Readable = false;
        }
        else if (received == 0 && !client.HungUp)
        {
            client.Ended = true;
            client.Readable = false;
        }
        else if (setup.InboundLength > setup.ConnectLength)
        {
            // It may have said what it had to say and left without waiting for the answer: its broker hears it all the same.
            client.Ended = client.Finished = client.Gone = true;
            client.Readable = false;
        }
        else
        {
            closer.Close(reactor, session, CloseReason.ClientGone);
            return false;
        }
        return true;
    }

    private void ReadUpgrade(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        var turn = default(Turn);
        bool any;
        do
        {
            if (!TryReceive(reactor, session, ref turn, out any)) return;
            if (setup.InboundLength == 0) break;
            ReadStatus status = UpgradeRequestReader.Read(
                setup.Inbound.AsSpan(0, setup.InboundLength), session.Entered!.Upgrade!, out UpgradeRequest request, out UpgradeError error);
            if (status == ReadStatus.Done)
            {
                Upgrade(reactor, session, request);
                return;
            }
            if (status == ReadStatus.Invalid)
            {
                services.Refused.BadUpgrade(session, error);
                closer.Answer(reactor, session, CloseReason.BadUpgrade, UpgradeErrors.ResponseFor(error));
                return;
            }
        }
        while (any && !session.Client.Ended);
        if (session.Client.Ended) closer.Close(reactor, session, CloseReason.ClientGone);
    }

    private void Upgrade(Reactor reactor, Session session, in UpgradeRequest request)
    {
        Setup setup = session.Setup!;
        ReadOnlySpan<byte> head = setup.Inbound.AsSpan(0, request.TotalLength);
        setup.Host = request.HostName.In(head).ToArray();
        if (session.Pool.Options.WebSocketPath is not null)
        {
            setup.UpgradeHead = reactor.Buffers.Rent(head.Length);
            head.CopyTo(setup.UpgradeHead);
            setup.Upgrade = request;
            setup.ForwardedIsBelieved = session.Entered!.BelievesForwardedFrom(session.Remote);
        }
        Span<byte> response = stackalloc byte[UpgradeResponse.MaxLength];
        int length = UpgradeResponse.Write(response, request.Key.In(head), request.Subprotocol);
        Channel.WriteControl(reactor, ref session.Client, response[..length]);
        ListenerWebSocketOptions limits = session.Entered!.Options.WebSocket!;
        session.WebSocket = new WebSocketRelay(
            framesClient: true, framesBackend: session.Pool.Options.WebSocketPath is not null, limits.MaxFrameSize, limits.MaxMessageSize);
        SessionCloser.MoveTo(reactor, session, Phase.Connect);

        // Frames may have come right behind the request.
        int behind = setup.InboundLength - request.TotalLength;
        setup.Inbound.AsSpan(request.TotalLength, behind).CopyTo(reactor.Scratch.AsSpan(Reactor.Headroom));
        setup.InboundLength = 0;
        if (behind > 0 && !TakeFrames(reactor, session, behind)) return;
        ReadConnect(reactor, session);
    }

    /// <summary>Unframes what lies in the scratch buffer and keeps its payload. False when the session is closed.</summary>
    private bool TakeFrames(Reactor reactor, Session session, int received)
    {
        Setup setup = session.Setup!;
        WebSocketOutcome outcome = session.WebSocket!.Unframe(reactor, ref session.Client, received, fromClient: true, out Span<byte> payload);
        if (outcome == WebSocketOutcome.Invalid)
        {
            // The close frame was written; Answer waits until the client has it.
            closer.Linger(reactor, session, CloseReason.BadFrame);
            return false;
        }
        if (outcome == WebSocketOutcome.Ended) session.Client.Ended = true;
        setup.Inbound ??= reactor.Buffers.Rent(Math.Max(FirstRead, payload.Length));
        if (setup.Inbound.Length - setup.InboundLength < payload.Length)
        {
            reactor.Buffers.Grow(ref setup.Inbound, setup.InboundLength, setup.InboundLength + payload.Length);
        }
        payload.CopyTo(setup.Inbound.AsSpan(setup.InboundLength));
        setup.InboundLength += payload.Length;
        return true;
    }
}
