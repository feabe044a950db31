using System.Diagnostics;
using ActorLb.Protocol.Mqtt;
using ActorLb.Proxying.Intake;
using ActorLb.Proxying.Reactors;
using ActorLb.Proxying.Routing;

namespace ActorLb.Proxying.Dialing;

/// <summary>What a backend answers to the CONNECT: reads its CONNACK, and its AUTHs before it, and begins the relay or refuses.</summary>
internal sealed class BackendAnswer(NodeServices services, SessionCloser closer, Router router, Relay relay, SessionClock clock)
{
    /// <summary>Largest reply read before a CONNACK is complete: properties of MQTT 5 may be long, no broker's are this long.</summary>
    private const int MaxReply = 64 * 1024;

    private readonly BackendFaults _faults = new(services, closer, router);

    /// <summary>The CONNECT is sent.</summary>
    public void Read(Session session)
    {
        var setup = session.Setup!;
        if (setup.Committed && !Exchange(session)) return;
        // Behind the answer to the upgrade some of it may have come.
        if (setup.Reply.Length > 0) ReadReply(session);
        for (var turn = default(Turn); session is { Phase: Phase.Connack, Upstream: { Readable: true, Ended: false } };)
        {
            if (setup.Committed && session.Client.PendingLength > 0) return;
            if (!turn.MayRead())
            {
                session.Reactor.Again(session);
                return;
            }
            if (!Receive(session)) return;
            ReadReply(session);
        }
        if (session is { Phase: Phase.Connack, Upstream.Ended: true }) _faults.ClosedEarly(session);
    }

    /// <summary>One read behind what is kept of the reply; false when nothing came or the backend was given up.</summary>
    public bool Receive(Session session)
    {
        var setup = session.Setup!;
        if (setup.Reply.Length >= MaxReply)
        {
            _faults.BadReply(session, ConnackError.PacketTooLarge);
            return false;
        }
        bool framed = session.Phase == Phase.Connack && session.WebSocket is { FramesBackend: true };
        return Took(session, SetupReader.Read(session, ref session.Upstream, ref setup.Reply, Direction.ToClient, framed));
    }

    /// <summary>Takes the answer to the upgrade away, and the frames off what came behind it. False when the backend was given up.</summary>
    public bool TakeBehindUpgrade(Session session, int length)
    {
        var behind = SetupReader.UnframeBehind(session, ref session.Upstream, ref session.Setup!.Reply, length, Direction.ToClient);
        return behind == Received.Nothing || Took(session, behind);
    }

    /// <summary>The broker has accepted the client, or needs no CONNECT: passes on what came before, and relays from now on.</summary>
    public void BeginRelay(Session session)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
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
        var reply = setup.Reply.Bytes;
        Relay.Count(session, reply, Direction.ToClient);
        bool lost = session.Client.Gone || !relay.Write(session, reply, Direction.ToClient);
        if (setup.Inbound.IsRented && !SendInbound(session)) return;
        session.Setup = null;
        reactor.ReturnSetup(setup);
        session.MoveTo(Phase.Relay);
        clock.StartRelay(session);
        if (lost && !relay.LoseClient(session)) return;
        relay.Advance(session);
    }

    private bool Took(Session session, Received received)
    {
        switch (received)
        {
            case Received.Some:
                return true;
            case Received.End or Received.Failed:
                _faults.ClosedEarly(session);
                return false;
            case Received.CloseFrame:
                _faults.BadFrames(session, "it sent a close frame");
                return false;
            case Received.BadFrame:
                _faults.BadFrames(session, "its WebSocket frames break the protocol");
                return false;
            default:
                return false;
        }
    }

    private void ReadReply(Session session)
    {
        var setup = session.Setup!;
        int auth = 0;
        ConnackStatus status;
        ConnackPacket connack;
        ConnackError error;
        while (true)
        {
            status = ConnackReader.Read(setup.Reply.From(auth), session.Version, MaxReply, out connack, out error);
            if (status != ConnackStatus.Auth) break;
            auth += connack.TotalLength;
        }
        if (auth > 0)
        {
            // Enhanced authentication (MQTT 5, 4.12) is between this broker and the client: no other can go on with it.
            setup.Committed = true;
            if (!PassOn(session, auth)) return;
        }
        switch (status)
        {
            case ConnackStatus.NeedMore:
                return;
            case ConnackStatus.Done:
                Answered(session, connack);
                return;
            default:
                _faults.BadReply(session, error);
                return;
        }
    }

    /// <summary>Gives the client one AUTH or more and takes them off the reply; false when the client is gone.</summary>
    private bool PassOn(Session session, int length)
    {
        var setup = session.Setup!;
        var packet = setup.Reply.Bytes[..length];
        Relay.Count(session, packet, Direction.ToClient);
        if (!relay.Write(session, packet, Direction.ToClient))
        {
            closer.Close(session, CloseReason.ClientGone);
            return false;
        }
        setup.Reply.Skip(length);
        return true;
    }

    /// <summary>Between AUTHs the session relays already, at most a buffer each way. False when it is closed.</summary>
    private bool Exchange(Session session)
    {
        var reactor = session.Reactor;
        if (!Channel.Flush(reactor, ref session.Client))
        {
            closer.Close(session, CloseReason.ClientGone);
            return false;
        }
        if (!Channel.Flush(reactor, ref session.Upstream))
        {
            closer.Close(session, CloseReason.BackendReset);
            return false;
        }
        if (session.Upstream.PendingLength > 0) return true;
        if (!SendInbound(session)) return false;
        // There was no room for more before.
        if (session.Client is { Readable: true, Ended: false }) reactor.Again(session);
        return true;
    }

    /// <summary>Once the session is bound to its broker, what the client sends goes there.</summary>
    private bool SendInbound(Session session)
    {
        var setup = session.Setup!;
        var early = setup.Inbound.From(setup.ConnectLength);
        if (early.IsEmpty) return true;
        setup.Inbound.Cut(setup.ConnectLength);
        if (!session.IsMqtt && closer.CutOwnProbe(session, early)) return false;
        Relay.Count(session, early, Direction.ToBackend);
        if (relay.Write(session, early, Direction.ToBackend)) return true;
        closer.Close(session, CloseReason.BackendReset);
        return false;
    }

    private void Answered(Session session, in ConnackPacket connack)
    {
        var reactor = session.Reactor;
        var setup = session.Setup!;
        long now = Stopwatch.GetTimestamp();
        session.Traffic.ConnackTime.Record(Stopwatch.GetElapsedTime(setup.DialStamp, now).TotalSeconds);
        reactor.Counters.ConnectTime.Record(Stopwatch.GetElapsedTime(setup.ConnectStamp, now).TotalSeconds);
        Blame.Settle(session);
        if (!connack.IsAccepted)
        {
            Refused(session, connack);
            return;
        }
        session.Backend!.ReportSuccess(reactor.Now);
        if (connack.HasServerKeepAlive && session.IdleByKeepAlive) session.IdleTimeout = IdleTimeouts.OfKeepAlive(connack.ServerKeepAlive);
        if (connack.AssignedClientId.Length > 0) session.ClientId = connack.AssignedClientId.In(setup.Reply.Bytes).ToArray();
        OpenSticky(session, connack.AssignedClientId.Length > 0);
        BeginRelay(session);
    }

    private void Refused(Session session, in ConnackPacket connack)
    {
        var setup = session.Setup!;
        ReadOnlySpan<byte> refusal = setup.Reply.Bytes[..connack.TotalLength];
        session.Traffic.Refusals++;
        if (!setup.Committed && Connack.IsRetryable(session.Version, connack.Code))
        {
            // "Not me, not now": the backend lives and says so, so it is not counted as a failure.
            session.Backend!.History.Failed($"it refused a CONNECT for now: code 0x{connack.Code:X2}");
            setup.LastRefusal = refusal.ToArray();
            router.TryNext(session, CloseReason.BackendRefused);
            return;
        }
        session.Backend!.ReportSuccess(session.Reactor.Now);
        closer.Answer(session, CloseReason.BackendRefused, refusal);
    }

    /// <summary>Reports an accepted client to the sticky map; one that got its id from the broker is reported for its next visit.</summary>
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
}
