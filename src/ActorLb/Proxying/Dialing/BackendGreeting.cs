using System.Diagnostics;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Protocol;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;
using ActorLb.Tls;
using Microsoft.Extensions.Logging;

namespace ActorLb.Proxying.Dialing;

/// <summary>From the backend's accept to its CONNACK: PROXY header, TLS, upgrade, CONNECT, and the CONNACK's reading. Until the
/// CONNACK the CONNECT is kept, so that another backend can have it.</summary>
internal sealed partial class BackendGreeting(NodeServices services, SessionCloser closer, Router router, Relay relay, SessionClock clock)
{
    /// <summary>Largest reply read before a CONNACK is complete: properties of MQTT 5 may be long, no broker's are this long.</summary>
    private const int MaxReply = 64 * 1024;
    private const int FramedRead = 8192;

    private const string NoUpgrade = "it refused the WebSocket upgrade", NoConnack = "it answered a CONNECT with what is no CONNACK";

    /// <summary>The connection stands: sends what comes before the CONNECT.</summary>
    public void Start(Reactor reactor, Session session)
    {
        if (services.Announced.IsOn && session.Pool.Options.ProxyProtocol != Configuration.ProxyProtocolVersion.Off) services.Announced.Enter(session, reactor.Now);
        Greeting.Compose(reactor, session);
        Setup setup = session.Setup!;
        setup.BackendTime = Router.GreetingTime(reactor, session);
        reactor.SetDeadline(session, reactor.Now + setup.BackendTime);
        bool straight = session.Pool.Tls is null && setup.UpgradeEnd == setup.PreambleEnd;
        SessionCloser.MoveTo(reactor, session, straight ? Phase.Connack : Phase.BackendPreamble);
        Advance(reactor, session);
    }

    /// <summary>Goes on with whatever step the session is at.</summary>
    public void Advance(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        if (session.Phase == Phase.BackendPreamble)
        {
            if (!Send(reactor, session, setup.PreambleEnd)) return;
            if (session.Pool.Tls is { } tls)
            {
                session.Upstream.Tls = tls.Connect(session.Upstream.Fd, session.Backend!.Address.Host);
                if (session.Upstream.Tls.IsNone)
                {
                    router.TryNext(reactor, session, CloseReason.Internal);
                    return;
                }
                SessionCloser.MoveTo(reactor, session, Phase.BackendTls);
                session.Upstream.Readable = true;
            }
            else
            {
                Secured(reactor, session);
                return;
            }
        }
        switch (session.Phase)
        {
            case Phase.BackendTls:
                Handshake(reactor, session);
                break;
            case Phase.BackendUpgrade:
                if (Send(reactor, session, setup.UpgradeEnd)) ReadUpgradeReply(reactor, session);
                break;
            case Phase.Connack:
                if (!Send(reactor, session, setup.OutboundEnd)) break;
                if (!session.IsMqtt) BeginRelay(reactor, session);
                else ReadConnack(reactor, session);
                break;
        }
    }

    public void StepHandshake(Reactor reactor, Session session)
    {
        HandshakeOutcome outcome = Handshaking.Step(services, session, ref session.Upstream);
        switch (outcome.Status)
        {
            case HandshakeStatus.Done:
                session.Upstream.Readable = true;
                Secured(reactor, session);
                break;
            case HandshakeStatus.Failed:
                if (Admits(session, LogLevel.Warning, outcome.Reason ?? "unknown")) Log.HandshakeFailed(services.Logger, session.Backend!.Id, session.Pool.Name, outcome.Reason ?? "unknown");
                Fail(reactor, session, CloseReason.BackendsFailed, outcome.Reason ?? "the TLS handshake failed");
                break;
        }
    }

    private void Handshake(Reactor reactor, Session session)
    {
        if (!reactor.Handshaking.Continue(services, reactor, session)) router.TryNext(reactor, session, CloseReason.HandshakeLimit);
    }

    private void Secured(Reactor reactor, Session session)
    {
        session.Upstream.Writable = true;
        bool upgrade = session.Setup!.UpgradeEnd > session.Setup.PreambleEnd;
        SessionCloser.MoveTo(reactor, session, upgrade ? Phase.BackendUpgrade : Phase.Connack);
        Advance(reactor, session);
    }

    /// <summary>Sends the outbound bytes up to <paramref name="end"/>; false while some wait, or when the backend failed.</summary>
    private bool Send(Reactor reactor, Session session, int end)
    {
        Setup setup = session.Setup!;
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
                int errno = session.Upstream.Stream is null ? Libc.Errno : reactor.TakeError(session);
                string why = session.Upstream.Tls.IsNone ? Libc.ErrorText(errno) : TlsSession.LastError;
                if (Admits(session, LogLevel.Information, why)) Log.NotSent(services.Logger, session.Backend!.Id, session.Pool.Name, Part(session.Phase), why);
                if (session.Upstream.Tls.IsNone && LocalFault.IsShortage(errno)) router.TryNext(reactor, session, CloseReason.LocalShortage);
                else Fail(reactor, session, CloseReason.BackendsFailed, why);
                return false;
            }
            if (sent > 0) setup.OutboundStart += sent;
            else session.Upstream.Writable = false;
        }
        return true;
    }

    private static string Part(Phase phase) => phase switch
    {
        Phase.BackendPreamble => "the PROXY header",
        Phase.BackendUpgrade => "the upgrade request",
        _ => "the first bytes",
    };

    private void ReadUpgradeReply(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        for (var turn = default(Turn); session is { Phase: Phase.BackendUpgrade, Upstream.Readable: true };)
        {
            if (!turn.MayRead())
            {
                reactor.Again(session);
                return;
            }
            if (ReceiveReply(reactor, session) == 0) return;
            ReadStatus status = session.WebSocket!.ReadUpgradeReply(
                setup.Reply.AsSpan(0, setup.ReplyLength), out int length, out int code, out UpgradeError error);
            if (status == ReadStatus.Invalid)
            {
                if (Admits(session, LogLevel.Warning, error.Text())) Log.UpgradeRefused(services.Logger, session.Backend!.Id, session.Pool.Name, code, error.Text());
                UpgradeRefused(reactor, session, error == UpgradeError.Status ? code : 0);
                return;
            }
            if (status == ReadStatus.NeedMore) continue;
            int behind = setup.ReplyLength - length;
            setup.Reply.AsSpan(length, behind).CopyTo(reactor.Scratch.AsSpan(Reactor.Headroom));
            setup.ReplyLength = 0;
            SessionCloser.MoveTo(reactor, session, Phase.Connack);
            if (behind > 0 && !TakeFrames(reactor, session, behind)) return;
            Advance(reactor, session);
        }
    }

    /// <summary>
    /// A status of 400 to 499 blames the request (RFC 9110, 15.5), parts of which are the client's: one bad client must not have the whole
    /// pool out. Bad credentials are bad everywhere, as in a CONNACK.
    /// </summary>
    /// <param name="status">0 when the reply was no answer.</param>
    private void UpgradeRefused(Reactor reactor, Session session, int status)
    {
        Setup setup = session.Setup!;
        if (setup.UpgradeHead is null || status is < 400 or > 499)
        {
            Fail(reactor, session, CloseReason.BackendProtocol, NoUpgrade);
        }
        else if (status is 401 or 403)
        {
            session.Traffic.Refusals++;
            Router.Convict(reactor, setup);
            session.Backend!.ReportSuccess(reactor.Now);
            closer.Refuse(reactor, session, CloseReason.BackendRefused, RefusalReason.NotAuthorized);
        }
        else
        {
            Router.Suspect(reactor, session, NoUpgrade);
            router.TryNext(reactor, session, CloseReason.BackendProtocol);
        }
    }

    /// <summary>Unframes what lies in the scratch buffer behind what is kept of the reply. False when the backend was given up.</summary>
    private bool TakeFrames(Reactor reactor, Session session, int received)
    {
        Setup setup = session.Setup!;
        WebSocketOutcome outcome = session.WebSocket!.Unframe(reactor, ref session.Upstream, received, fromClient: false, out Span<byte> payload);
        if (outcome != WebSocketOutcome.Ok && payload.IsEmpty)
        {
            string why = outcome == WebSocketOutcome.Ended ? "it sent a close frame" : "its WebSocket frames break the protocol";
            if (Admits(session, LogLevel.Warning, why)) Log.BadFrames(services.Logger, session.Backend!.Id, session.Pool.Name, why);
            Fail(reactor, session, CloseReason.BackendProtocol, why);
            return false;
        }
        // Its last frame: nothing that comes behind it counts.
        if (outcome == WebSocketOutcome.Ended) session.Upstream.Ended = true;
        setup.Reply ??= reactor.Buffers.Rent(1024);
        if (setup.Reply.Length - setup.ReplyLength < payload.Length)
        {
            reactor.Buffers.Grow(ref setup.Reply, setup.ReplyLength, setup.ReplyLength + payload.Length);
        }
        payload.CopyTo(setup.Reply.AsSpan(setup.ReplyLength));
        setup.ReplyLength += payload.Length;
        return true;
    }

    private void ReadConnack(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        if (setup.Committed && !Exchange(reactor, session)) return;
        // Behind the answer to the upgrade some of it may have come.
        if (setup.ReplyLength > 0) ReadReply(reactor, session);
        for (var turn = default(Turn); session is { Phase: Phase.Connack, Upstream: { Readable: true, Ended: false } };)
        {
            if (setup.Committed && session.Client.PendingLength > 0) return;
            if (!turn.MayRead())
            {
                reactor.Again(session);
                return;
            }
            int received = ReceiveReply(reactor, session);
            if (received == 0) return;
            ReadReply(reactor, session);
        }
        if (session is { Phase: Phase.Connack, Upstream.Ended: true }) ClosedEarly(reactor, session);
    }

    /// <summary>One read behind what is kept of the reply; 0 when nothing came or the backend was given up.</summary>
    private int ReceiveReply(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        setup.Reply ??= reactor.Buffers.Rent(1024);
        if (setup.ReplyLength == setup.Reply.Length)
        {
            if (setup.ReplyLength >= MaxReply)
            {
                if (Admits(session, LogLevel.Warning, "what is no CONNACK")) Log.BadReply(services.Logger, session.Backend!.Id, session.Pool.Name, ConnackError.PacketTooLarge);
                Fail(reactor, session, CloseReason.BackendProtocol, NoConnack);
                return 0;
            }
            reactor.Buffers.Grow(ref setup.Reply, setup.ReplyLength, setup.Reply.Length * 2);
        }
        bool framed = session.Phase == Phase.Connack && session.WebSocket is { FramesBackend: true };
        Span<byte> room = framed
            ? reactor.Scratch.AsSpan(Reactor.Headroom, session.WebSocket!.ReadSize(FramedRead, fromClient: false))
            : setup.Reply.AsSpan(setup.ReplyLength);
        int received = Channel.Receive(ref session.Upstream, room);
        if (received > 0)
        {
            if (Channel.IsDrained(session.Upstream, received, room.Length)) session.Upstream.Readable = false;
            if (received == room.Length || received >= Turn.LargeRead) session.BulkUntil = reactor.Now + Turn.BulkTime;
            if (framed) return TakeFrames(reactor, session, received) ? received : 0;
            setup.ReplyLength += received;
            return received;
        }
        session.Upstream.Readable = false;
        if (received != Tcp.WouldBlock) ClosedEarly(reactor, session);
        return 0;
    }

    private bool Admits(Session session, LogLevel level, string reason) => services.LogLimit.Admits(level, "backend", session.Backend!.Id, reason);

    private void ClosedEarly(Reactor reactor, Session session)
    {
        Router.Suspect(reactor, session, "it closed the connection before its CONNACK");
        if (Admits(session, LogLevel.Information, "closed before its CONNACK")) Log.ClosedEarly(services.Logger, session.Backend!.Id, session.Pool.Name);
        router.TryNext(reactor, session, CloseReason.BackendsFailed);
    }

    private void ReadReply(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        int auth = 0;
        ConnackStatus status;
        ConnackPacket connack;
        ConnackError error;
        while (true)
        {
            ReadOnlySpan<byte> reply = setup.Reply.AsSpan(auth, setup.ReplyLength - auth);
            status = ConnackReader.Read(reply, session.Version, MaxReply, out connack, out error);
            if (status != ConnackStatus.Auth) break;
            auth += connack.TotalLength;
        }
        if (auth > 0)
        {
            // Enhanced authentication (MQTT 5, 4.12) is between this broker and the client: no other can go on with it.
            setup.Committed = true;
            if (!PassOn(reactor, session, auth)) return;
        }
        switch (status)
        {
            case ConnackStatus.NeedMore:
                return;
            case ConnackStatus.Done:
                Answered(reactor, session, connack);
                return;
            default:
                if (Admits(session, LogLevel.Warning, "what is no CONNACK")) Log.BadReply(services.Logger, session.Backend!.Id, session.Pool.Name, error);
                Fail(reactor, session, CloseReason.BackendProtocol, NoConnack);
                return;
        }
    }

    /// <summary>Gives the client one AUTH or more and takes them off the reply; false when the client is gone.</summary>
    private bool PassOn(Reactor reactor, Session session, int length)
    {
        Setup setup = session.Setup!;
        Span<byte> packet = setup.Reply.AsSpan(0, length);
        Relay.Count(reactor, session, packet, fromClient: false);
        if (!relay.Write(reactor, session, packet, toClient: true))
        {
            closer.Close(reactor, session, CloseReason.ClientGone);
            return false;
        }
        setup.Reply.AsSpan(length, setup.ReplyLength - length).CopyTo(setup.Reply);
        setup.ReplyLength -= length;
        return true;
    }

    /// <summary>Between AUTHs the session relays already, at most a buffer each way. False when it is closed.</summary>
    private bool Exchange(Reactor reactor, Session session)
    {
        if (!Channel.Flush(reactor, ref session.Client))
        {
            closer.Close(reactor, session, CloseReason.ClientGone);
            return false;
        }
        if (!Channel.Flush(reactor, ref session.Upstream))
        {
            closer.Close(reactor, session, CloseReason.BackendReset);
            return false;
        }
        if (session.Upstream.PendingLength > 0) return true;
        if (!SendInbound(reactor, session)) return false;
        // There was no room for more before.
        if (session.Client is { Readable: true, Ended: false }) reactor.Again(session);
        return true;
    }

    /// <summary>Once the session is bound to its broker, what the client sends goes there.</summary>
    private bool SendInbound(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        Span<byte> early = setup.Inbound.AsSpan(setup.ConnectLength, setup.InboundLength - setup.ConnectLength);
        if (early.IsEmpty) return true;
        setup.InboundLength = setup.ConnectLength;
        if (!session.IsMqtt && closer.CutOwnProbe(reactor, session, early)) return false;
        Relay.Count(reactor, session, early, fromClient: true);
        if (relay.Write(reactor, session, early, toClient: false)) return true;
        closer.Close(reactor, session, CloseReason.BackendReset);
        return false;
    }

    private void Answered(Reactor reactor, Session session, in ConnackPacket connack)
    {
        Setup setup = session.Setup!;
        long now = Stopwatch.GetTimestamp();
        session.Traffic.ConnackTime.Record(Stopwatch.GetElapsedTime(setup.DialStamp, now).TotalSeconds);
        reactor.Counters.ConnectTime.Record(Stopwatch.GetElapsedTime(setup.ConnectStamp, now).TotalSeconds);
        Router.Convict(reactor, setup);
        if (!connack.IsAccepted)
        {
            session.Traffic.Refusals++;
            if (!setup.Committed && Connack.IsRetryable(session.Version, connack.Code))
            {
                // "Not me, not now": the backend lives and says so, so it is not counted as a failure.
                session.Backend!.History.Failed($"it refused a CONNECT for now: code 0x{connack.Code:X2}");
                setup.LastRefusal = setup.Reply.AsSpan(0, connack.TotalLength).ToArray();
                router.TryNext(reactor, session, CloseReason.BackendRefused);
                return;
            }
            session.Backend!.ReportSuccess(reactor.Now);
            closer.Answer(reactor, session, CloseReason.BackendRefused, setup.Reply.AsSpan(0, connack.TotalLength));
            return;
        }
        session.Backend!.ReportSuccess(reactor.Now);
        if (connack.HasServerKeepAlive && session.IdleByKeepAlive) session.IdleTimeout = IdleTimeouts.OfKeepAlive(connack.ServerKeepAlive);
        if (connack.AssignedClientId.Length > 0) session.ClientId = connack.AssignedClientId.In(setup.Reply).ToArray();
        OpenSticky(session, connack.AssignedClientId.Length > 0);
        BeginRelay(reactor, session);
    }

    /// <summary>Tells the sticky map of an accepted client; one that was given its id by the broker is told of for its next visit.</summary>
    private void OpenSticky(Session session, bool assigned)
    {
        if (session.Pool.Options.Balance != Configuration.BalanceKind.Sticky) return;
        if (assigned)
        {
            session.StickyHash = services.Sticky.Hash(session.Pool.NameUtf8, session.ClientId);
            session.StickyOutcome = Sticky.StickyOutcome.Fallback;
            session.IsSticky = true;
        }
        if (!session.IsSticky) return;
        session.StickyBackend = BackendDirectory.ReferenceOf(session.Backend!);
        session.StickySession = services.Sticky.Opened(session.StickyHash, session.StickyBackend, session.StickyOutcome);
        session.StickyOpened = true;
    }

    private void BeginRelay(Reactor reactor, Session session)
    {
        Setup setup = session.Setup!;
        if (!session.IsMqtt)
        {
            session.Backend!.ReportSuccess(reactor.Now);
        }
        else
        {
            session.PacketsFromClient++;
            session.BytesFromClient += setup.ConnectLength;
            session.Traffic.BytesToBackend += setup.ConnectLength;
            reactor.Counters.PacketsFromClients++;
            reactor.Counters.BytesFromClients += setup.ConnectLength;
        }
        Span<byte> reply = setup.Reply.AsSpan(0, setup.ReplyLength);
        Relay.Count(reactor, session, reply, fromClient: false);
        bool lost = session.Client.Gone || !relay.Write(reactor, session, reply, toClient: true);
        if (setup.Inbound is not null && !SendInbound(reactor, session)) return;
        session.Setup = null;
        reactor.ReturnSetup(setup);
        SessionCloser.MoveTo(reactor, session, Phase.Relay);
        clock.StartRelay(reactor, session);
        if (lost && !relay.LoseClient(reactor, session)) return;
        relay.Advance(reactor, session);
    }

    private void Fail(Reactor reactor, Session session, CloseReason reason, string why)
    {
        Router.Blame(reactor, session, why);
        router.TryNext(reactor, session, reason);
    }

    private static partial class Log
    {
        [LoggerMessage(1401, LogLevel.Warning, "backend {Backend} of pool {Pool} answered a CONNECT with something other than a CONNACK: {Reason}")]
        public static partial void BadReply(ILogger logger, string backend, string pool, ConnackError reason);

        [LoggerMessage(1402, LogLevel.Information, "backend {Backend} of pool {Pool} closed the connection before its CONNACK")]
        public static partial void ClosedEarly(ILogger logger, string backend, string pool);

        [LoggerMessage(1404, LogLevel.Warning, "backend {Backend} of pool {Pool} refused the upgrade with status {Status}: {Reason}")]
        public static partial void UpgradeRefused(ILogger logger, string backend, string pool, int status, string reason);

        [LoggerMessage(1405, LogLevel.Information, "backend {Backend} of pool {Pool} did not accept {Part}: {Reason}")]
        public static partial void NotSent(ILogger logger, string backend, string pool, string part, string reason);

        [LoggerMessage(1406, LogLevel.Warning, "backend {Backend} of pool {Pool} sent no CONNACK: {Reason}")]
        public static partial void BadFrames(ILogger logger, string backend, string pool, string reason);

        [LoggerMessage(1403, LogLevel.Warning, "backend {Backend} of pool {Pool}: TLS handshake failed: {Reason}")]
        public static partial void HandshakeFailed(ILogger logger, string backend, string pool, string reason);
    }
}
