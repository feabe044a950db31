using System.Diagnostics;
using ActorLb.Native;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Limits;
using ActorLb.Proxying.Reactors;
using ActorLb.Telemetry;
using ActorLb.Tls;

namespace ActorLb.Proxying;

/// <summary>Ends sessions: at once, with an answer first, or as part of a drain. Every way out of the other steps leads here, so
/// that descriptors, buffers and counts are given back in one place.</summary>
internal sealed class SessionCloser(NodeServices services)
{
    /// <summary>How long a refused client may take to read its answer (milliseconds).</summary>
    internal const int LingerTimeout = 2_000;

    /// <summary>Longest DISCONNECT: its Server Reference is at most 1,024 bytes by configuration.</summary>
    private const int MaxDisconnect = 1_100;

    /// <summary>Closes both descriptors and gives everything back.</summary>
    public void Close(Session session, CloseReason reason)
    {
        var reactor = session.Reactor;
        if (session.Phase == Phase.Free) return;
        if (session.EndReason == CloseReason.None) session.EndReason = ReasonOf(session, reason);
        if (session.Trace is { } trace) SetupTracing.Finish(session, trace, session.EndReason);
        LeaveBackend(session);
        Handshaking.Leave(services, session);
        CloseSide(reactor, ref session.Client);
        Count(session, session.EndReason);
        if (session.EstablishedAt != 0 && CloseReasons.LossOf(session.EndReason) is { } loss) session.Dialled?.History.SessionLost(loss);
        services.AccessLog?.Write(session, session.EndReason, reactor.Now);
        if (services.Damping is { } damping && IsTakeover(session)) NoteTakeover(session, damping);
        if (session.Setup is { } setup)
        {
            reactor.ReturnSetup(setup);
            session.Setup = null;
        }
        if (session.StickyOpened) services.Sticky.Closed(session.StickyHash, session.StickyBackend, session.StickySession);
        else Abandon(session);
        services.Places.Leave(session);
        services.Announced.Leave(session);
        session.Reset();
        reactor.Release(session);
    }

    /// <summary>
    /// Refuses a client that has not sent its CONNECT. One of a network that is not wanted, and one that would first need a
    /// handshake (a thousand times what a refusal costs), is closed at once: false. Another is owed a CONNACK, and has no place while
    /// its CONNECT is awaited.
    /// </summary>
    public bool TurnAway(Session session, CloseReason reason)
    {
        services.Refused.TurnedAway(session, reason);
        var options = session.ListenerState!.Options;
        if (reason == CloseReason.Banned || options.Tls is not null || options.Protocol == Configuration.ListenerProtocol.Tcp)
        {
            Close(session, reason);
            return false;
        }
        session.Setup!.Refusal = reason;
        GiveUpPlace(session);
        return true;
    }

    /// <summary>Ends a session whose client is not read, if its first bytes are those of a probe of this node's own.</summary>
    public bool CutOwnProbe(Session session, ReadOnlySpan<byte> first)
    {
        var probe = services.Probes.FindIn(first);
        if (probe.IsEmpty) return false;
        services.Probes.Arrived(probe, session.Listener.Name);
        Close(session, CloseReason.Loop);
        return true;
    }

    /// <summary>Answers the CONNECT with a refusal, then closes without losing the answer.</summary>
    public void Refuse(Session session, CloseReason reason, RefusalReason refusal)
    {
        Span<byte> connack = stackalloc byte[Connack.MaxRefusalLength];
        int length = !session.IsMqtt ? 0 : Connack.Write(connack, session.Version, refusal);
        Answer(session, reason, connack[..length]);
    }

    /// <summary>The session was not accepted: the sticky map need not remember where it was to go.</summary>
    private void Abandon(Session session)
    {
        if (!session.IsSticky || session.StickyOpened) return;
        session.IsSticky = false;
        services.Sticky.Abandoned(session.StickyHash, session.StickyBackend, session.StickyMadeAt == 0 ? -1 : session.Reactor.Now - session.StickyMadeAt);
    }

    /// <summary>Sends the last bytes a client gets, then closes. Without bytes it closes at once.</summary>
    public void Answer(Session session, CloseReason reason, ReadOnlySpan<byte> bytes)
    {
        LeaveBackend(session);
        Abandon(session);
        if (session.EndReason == CloseReason.None) session.EndReason = reason;
        if (bytes.IsEmpty || !WriteFramed(session, bytes))
        {
            Close(session, reason);
            return;
        }
        Linger(session, reason);
    }

    /// <summary>Has a session without CONNACK make room for others. The client gets an answer where it has sent enough to know which.</summary>
    public void Displace(Session session)
    {
        services.Refused.OutOfSetupMemory(session, services.SetupBudget);
        switch (session.Phase)
        {
            case Phase.Upgrade:
                Answer(session, CloseReason.SetupMemory, UpgradeErrors.ServiceUnavailable);
                break;
            case Phase.ProxyHeader or Phase.TlsHandshake or Phase.Lingering:
                Close(session, CloseReason.SetupMemory);
                break;
            default:
                // The version stands at the beginning of a CONNECT; the rest of it need not come.
                if (session.Phase == Phase.Connect) session.Version = session.Setup!.Connect.Version;
                Refuse(session, CloseReason.SetupMemory, Refusals.For(CloseReason.SetupMemory));
                break;
        }
    }

    /// <summary>Closes once the client has what was already written to it.</summary>
    public void Linger(Session session, CloseReason reason)
    {
        var reactor = session.Reactor;
        LeaveBackend(session);
        if (session.EndReason == CloseReason.None) session.EndReason = reason;
        if (CloseReasons.IsRefusal(session.EndReason)) GiveUpPlace(session);
        session.MoveTo(Phase.Lingering);
        // It may have sent much, and takes seconds to read its answer.
        if (session.Setup is { } setup) setup.ReturnBuffers(reactor);
        reactor.SetDeadline(session, reactor.Now + LingerTimeout);
        Linger(session);
    }

    /// <summary>Reads and drops what a refused client still sends: closing with unread bytes would send RST, and RST would take the
    /// answer out of the client's socket.</summary>
    public void Linger(Session session)
    {
        var reactor = session.Reactor;
        ref var client = ref session.Client;
        if (!Channel.Flush(reactor, ref client))
        {
            Close(session, session.EndReason);
            return;
        }
        if (client.PendingLength == 0 && !client.Finished)
        {
            ushort code = session.EndReason is CloseReason.Drained or CloseReason.Rebalanced ? CloseCodes.GoingAway : CloseCodes.Normal;
            session.WebSocket?.WriteClose(reactor, ref client, Direction.ToClient, code);
            if (client.PendingLength == 0) Channel.Finish(ref client);
        }
        if (client.Ended)
        {
            if (client.PendingLength == 0) Close(session, session.EndReason);
            return;
        }
        for (var turn = default(Turn); client.Readable;)
        {
            if (!turn.MayRead())
            {
                reactor.Again(session);
                return;
            }
            int received = Channel.Receive(ref client, reactor.Scratch);
            if (received == Tcp.WouldBlock)
            {
                client.Readable = false;
            }
            else if (received <= 0)
            {
                Close(session, session.EndReason);
                return;
            }
        }
    }

    /// <summary>
    /// Ends a session in an orderly way: what was taken from either side is passed on up to the end of its packet, then an MQTT 5
    /// client gets a DISCONNECT that says why, and the broker gets one where the Will must be suppressed. A packet that does not end in
    /// time is cut.
    /// </summary>
    public void Drain(Session session, DisconnectReason farewell, CloseReason closeReason)
    {
        var reactor = session.Reactor;
        if (session.Phase != Phase.Relay)
        {
            if (session.Phase is not (Phase.Free or Phase.Lingering)) Refuse(session, closeReason, RefusalReason.ServerUnavailable);
            return;
        }
        if (session.Leaving) return;
        session.EndReason = closeReason;
        session.Farewell = farewell;
        // A silent peer won't finish its packet.
        if (closeReason == CloseReason.IdleTimeout || CanLeave(session))
        {
            Leave(session);
            return;
        }
        session.Leaving = true;
        reactor.SetDeadline(session, reactor.Now + LingerTimeout);
        reactor.Again(session);
    }

    /// <summary>Whether a leaving session has nothing left to pass on.</summary>
    public static bool CanLeave(Session session) =>
        session.Upstream.PendingLength == 0 && session.AtBoundary(Direction.ToBackend) && session.AtBoundary(Direction.ToClient);

    /// <summary>Says farewell where the packets allow it, and closes.</summary>
    public void Leave(Session session)
    {
        // Only for a drain or rebalance: a silent client's Will must be published.
        if (session.EndReason is CloseReason.Drained or CloseReason.Rebalanced && services.SuppressWill && session.IsMqtt
            && !session.Upstream.Finished && session.AtBoundary(Direction.ToBackend))
        {
            Channel.Write(session.Reactor, ref session.Upstream, Framed(session, Disconnect.Clean, Direction.ToBackend));
        }
        bool between = session.AtBoundary(Direction.ToClient);
        if (session.Version == MqttVersion.V5 && between && !session.Client.Finished)
        {
            byte[] reference = services.ServerReferenceUtf8;
            Span<byte> bye = stackalloc byte[MaxDisconnect];
            int length = Disconnect.Write(bye, session.Farewell, session.Farewell == DisconnectReason.UseAnotherServer ? reference : default);
            Answer(session, session.EndReason, bye[..length]);
        }
        else if (session.EndReason != CloseReason.IdleTimeout || session.WebSocket is { FramesClient: true })
        {
            // A WebSocket client gets a close frame, which may stand where no packet may.
            Linger(session, session.EndReason);
        }
        else
        {
            Close(session, session.EndReason);
        }
    }

    /// <summary>Lets go of the backend: its descriptor, buffers and counts. The client stays.</summary>
    public void LeaveBackend(Session session)
    {
        var reactor = session.Reactor;
        if (session.Phase == Phase.BackendTls) Handshaking.Leave(services, session);
        if (session.Upstream.IsOpen)
        {
            if (session.Source >= 0) session.SourcePool!.Leave(session.Source, session.Destination);
            session.Source = -1;
            CloseSide(reactor, ref session.Upstream);
        }
        reactor.Queue.Leave(session);
        session.Setup?.Withdraw();
        Uncount(session);
        session.Traffic = BackendTraffic.None;
    }

    /// <summary>The session is no longer one of its backend's, though its connection may still be open.</summary>
    public static void Uncount(Session session)
    {
        session.Backend?.Release();
        session.Backend = null;
    }

    private void GiveUpPlace(Session session)
    {
        if (services.Places.Refuse(session) is { } oldest) Close(oldest, CloseReason.Internal);
    }

    /// <summary>A client that was refused ends for that reason, whatever came of it while its CONNECT was awaited.</summary>
    private static CloseReason ReasonOf(Session session, CloseReason reason) =>
        session.Setup is { Refusal: not CloseReason.None and var refusal } ? refusal : reason;

    private static bool WriteFramed(Session session, ReadOnlySpan<byte> bytes) =>
        Channel.Write(session.Reactor, ref session.Client, Framed(session, bytes, Direction.ToClient));

    private static ReadOnlySpan<byte> Framed(Session session, ReadOnlySpan<byte> bytes, Direction direction) =>
        session.WebSocket is null ? bytes : session.WebSocket.Frame(session.Reactor, bytes, direction);

    private static void CloseSide(Reactor reactor, ref Side side)
    {
        reactor.ReturnBuffer(ref side.Pending);
        Channel.Close(ref side);
    }

    private static void Count(Session session, CloseReason reason)
    {
        var reactor = session.Reactor;
        reactor.Counters.Closed[(int)reason]++;
        if (CloseReasons.IsRefusal(reason)) session.Listener.CountRefusal(reason);
    }

    /// <summary>The broker ended the session, and not because its client had said goodbye.</summary>
    private static bool IsTakeover(Session session) =>
        session is { EstablishedAt: not 0, EndReason: CloseReason.BackendClosed or CloseReason.BackendReset, ClientId.Length: > 0, FromClient.AtDisconnect: false };

    private void NoteTakeover(Session session, TakeoverDamping damping)
    {
        if (damping.TakenOver(services.Sticky.Hash(session.Pool.NameUtf8, session.ClientId), session.Reactor.Now)) services.Refused.Damped(session, damping.Options);
    }
}
