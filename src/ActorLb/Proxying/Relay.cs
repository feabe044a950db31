using ActorLb.Native;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Proxying;

/// <summary>
/// Moves bytes both ways between an established session's descriptors, with back-pressure: a direction reads only when
/// everything it read before has been written, so it holds at most one buffer. Allocates nothing.
/// </summary>
internal sealed class Relay(SessionCloser closer)
{
    /// <summary>Reads a direction may make before the reactor's other sessions get their turn.</summary>
    private const int ReadsAtOnce = 8;

    /// <summary>What one side may still take after the other has ended (milliseconds of silence). To an MQTT client whose broker has
    /// ended it is the longest time in all.</summary>
    public const int HalfCloseTimeout = 30_000;

    /// <summary>Silence (milliseconds) after which a client whose broker has ended is closed: nothing but the rest is owed to it.</summary>
    public const int EndedBackendTimeout = 5_000;

    /// <summary>Goes on with what became readable or writable.</summary>
    public void Advance(Reactor reactor, Session session)
    {
        if (!Pump(reactor, session, fromClient: true)) return;
        if (!Pump(reactor, session, fromClient: false)) return;
        if (session.Leaving && SessionCloser.CanLeave(session))
        {
            closer.Leave(reactor, session);
            return;
        }
        if (IsOver(session)) closer.Close(reactor, session, session.EndReason);
        else if (session.Upstream.PeerClosed || session.Client.PeerClosed || session.Upstream.Ended) HalfClosed(reactor, session);
    }

    /// <summary>
    /// One side has ended, even if what it sent before is not all read yet because the other takes nothing. An ended backend has the session
    /// no longer: it would be passed over by new clients for those that cannot be served any more.
    /// </summary>
    private static void HalfClosed(Reactor reactor, Session session)
    {
        bool backend = session.Upstream.PeerClosed || session.Upstream.Ended;
        if (backend && session.BackendEndedAt == 0)
        {
            session.BackendEndedAt = reactor.Now;
            SessionCloser.Uncount(session);
            if (!session.Leaving) reactor.SetDeadline(session, reactor.Now + SessionClock.HalfClosePatience(session));
        }
        else if (!backend && !session.Client.Ended && !session.Leaving)
        {
            // Its end waits behind what the backend does not take.
            reactor.SetDeadline(session, reactor.Now + HalfCloseTimeout);
        }
    }

    private static bool IsOver(Session session) =>
        session.Client.Ended && session.Upstream.Ended && session.Client.PendingLength == 0 && session.Upstream.PendingLength == 0;

    /// <summary>One direction; false when the session is closed.</summary>
    private bool Pump(Reactor reactor, Session session, bool fromClient)
    {
        ref Side source = ref fromClient ? ref session.Client : ref session.Upstream;
        ref Side target = ref fromClient ? ref session.Upstream : ref session.Client;
        if (target.PendingLength > 0)
        {
            if (!target.Writable) return true;
            if (!Channel.Flush(reactor, ref target)) return Failed(reactor, session, targetFailed: true, fromClient);
            if (target.PendingLength > 0) return true;
        }
        if (source.Ended)
        {
            Finish(reactor, session, ref target, fromClient);
            return true;
        }
        int asked = session.Pool.Options.BufferSize;
        for (int reads = 0; source.Readable; reads++)
        {
            if (session.Leaving && session.AtBoundary(fromClient)) return true;
            if (reads == ReadsAtOnce)
            {
                reactor.Again(session);
                return true;
            }
            Span<byte> buffer = reactor.Scratch.AsSpan(Reactor.Headroom, asked);
            int received = Channel.Receive(ref source, buffer);
            if (received > 0)
            {
                if (Channel.IsDrained(source, received, asked)) source.Readable = false;
                bool last = Channel.IsLast(source, received, asked);
                CountBytes(reactor, session, received, fromClient);
                if (!Forward(reactor, session, ref source, ref target, received, fromClient, last)) return false;
                if (target.PendingLength > 0) return true;
                if (last && !source.Ended) End(reactor, session, ref source, ref target, fromClient);
            }
            else if (received == Tcp.WouldBlock)
            {
                source.Readable = false;
            }
            else if (received == 0)
            {
                End(reactor, session, ref source, ref target, fromClient);
            }
            else
            {
                return Failed(reactor, session, targetFailed: false, fromClient);
            }
        }
        return true;
    }

    private bool Forward(Reactor reactor, Session session, ref Side source, ref Side target, int received, bool fromClient, bool last)
    {
        switch (Pass(reactor, session, ref source, ref target, received, fromClient, last))
        {
            case WebSocketOutcome.Ok:
                return true;
            case WebSocketOutcome.Ended:
                End(reactor, session, ref source, ref target, fromClient);
                return true;
            case WebSocketOutcome.Invalid:
                // The sender has been told; a client is also told of what its backend did.
                if (!fromClient) session.WebSocket?.WriteClose(reactor, ref target, toClient: true, CloseCodes.InternalError);
                closer.Linger(reactor, session, fromClient ? CloseReason.BadFrame : CloseReason.BackendProtocol);
                return false;
            default:
                return Failed(reactor, session, targetFailed: true, fromClient);
        }
    }

    private static WebSocketOutcome Pass(
        Reactor reactor, Session session, ref Side source, ref Side target, int received, bool fromClient, bool last)
    {
        if (session.WebSocket is { } webSocket) return webSocket.Forward(reactor, session, ref source, ref target, received, fromClient);
        Span<byte> bytes = Following(reactor, session, reactor.Scratch.AsSpan(Reactor.Headroom, received), fromClient);
        // The receiver can do nothing with a part of a packet: its last bytes need not leave before those that follow.
        bool within = received == session.Pool.Options.BufferSize && session.IsMqtt && !session.AtBoundary(fromClient);
        return Channel.Write(reactor, ref target, bytes, more: last || within) ? WebSocketOutcome.Ok : WebSocketOutcome.Failed;
    }

    /// <summary>Counts the packets in the bytes; of a leaving session's, only what ends the packet under way is to be passed on.</summary>
    public static Span<byte> Following(Reactor reactor, Session session, Span<byte> bytes, bool fromClient)
    {
        if (session.Leaving && session.IsMqtt)
        {
            PacketFramer ahead = fromClient ? session.FromClient : session.FromBackend;
            bytes = bytes[..ahead.AdvanceToBoundary(bytes)];
        }
        CountPackets(reactor, session, bytes, fromClient);
        return bytes;
    }

    public static void Count(Reactor reactor, Session session, ReadOnlySpan<byte> bytes, bool fromClient)
    {
        CountBytes(reactor, session, bytes.Length, fromClient);
        CountPackets(reactor, session, bytes, fromClient);
    }

    private static void CountBytes(Reactor reactor, Session session, int length, bool fromClient)
    {
        session.LastActivity = reactor.Now;
        if (fromClient)
        {
            session.LastFromClient = reactor.Now;
            session.BytesFromClient += length;
            session.Traffic.BytesToBackend += length;
            reactor.Counters.BytesFromClients += length;
        }
        else
        {
            session.BytesFromBackend += length;
            session.Traffic.BytesFromBackend += length;
            reactor.Counters.BytesFromBackends += length;
        }
    }

    /// <param name="bytes">MQTT, without frames.</param>
    public static void CountPackets(Reactor reactor, Session session, ReadOnlySpan<byte> bytes, bool fromClient)
    {
        if (!session.IsMqtt) return;
        if (fromClient)
        {
            int packets = session.FromClient.Advance(bytes);
            session.PacketsFromClient += packets;
            reactor.Counters.PacketsFromClients += packets;
        }
        else
        {
            int packets = session.FromBackend.Advance(bytes);
            session.PacketsFromBackend += packets;
            reactor.Counters.PacketsFromBackends += packets;
        }
    }

    private void End(Reactor reactor, Session session, ref Side source, ref Side target, bool fromClient)
    {
        source.Ended = true;
        source.Readable = false;
        // The first end names the reason; the other side follows.
        if (session.EndReason == CloseReason.None)
        {
            session.EndReason = TakenLeave(session) ?? (fromClient ? CloseReason.ClientClosed : CloseReason.BackendClosed);
        }
        if (target.PendingLength == 0) Finish(reactor, session, ref target, fromClient);
        if (!session.Leaving && session.BackendEndedAt == 0) reactor.SetDeadline(session, reactor.Now + HalfCloseTimeout);
    }

    /// <summary>Writes MQTT bytes of a session outside the pump, framed where the receiver wants frames. False when it is gone.</summary>
    public bool Write(Reactor reactor, Session session, ReadOnlySpan<byte> bytes, bool toClient)
    {
        if (bytes.IsEmpty) return true;
        ref Side target = ref toClient ? ref session.Client : ref session.Upstream;
        return Channel.Write(reactor, ref target, session.WebSocket is null ? bytes : session.WebSocket.Frame(reactor, bytes, toClient));
    }

    private static void Finish(Reactor reactor, Session session, ref Side target, bool fromClient)
    {
        // Nothing but a FIN is left to send to either side, and closing sends it.
        bool over = IsOver(session) && target.Tls.IsNone;
        if (target.Finished || over) return;
        session.WebSocket?.WriteEnd(reactor, ref target, fromClient);
        // What the socket did not take of the close frame goes first: the next flush comes here again.
        if (target.PendingLength == 0) Channel.Finish(ref target);
    }

    /// <summary>After a DISCONNECT the other side may well be the first to close: it was still its sender who ended the session.</summary>
    private static CloseReason? TakenLeave(Session session)
    {
        if (session.FromClient.AtDisconnect) return CloseReason.ClientClosed;
        return session.FromBackend.AtDisconnect ? CloseReason.BackendClosed : null;
    }

    private bool Failed(Reactor reactor, Session session, bool targetFailed, bool fromClient)
    {
        bool clientFailed = fromClient != targetFailed;
        if (targetFailed) LastWords(reactor, session, fromClient: clientFailed);
        CloseReason reason = session.EndReason;
        if (reason == CloseReason.None) reason = TakenLeave(session) ?? (clientFailed ? CloseReason.ClientReset : CloseReason.BackendReset);
        if (clientFailed) closer.Close(reactor, session, reason);
        else closer.Linger(reactor, session, reason);
        return false;
    }

    /// <summary>
    /// Passes on what a side had sent before it stopped taking anything: a broker that says DISCONNECT and closes resets the connection
    /// when a PUBLISH crosses it, and the client should hear why. Only as far as the other side takes it at once.
    /// </summary>
    private static void LastWords(Reactor reactor, Session session, bool fromClient)
    {
        ref Side source = ref fromClient ? ref session.Client : ref session.Upstream;
        ref Side target = ref fromClient ? ref session.Upstream : ref session.Client;
        int asked = session.Pool.Options.BufferSize;
        while (!source.Ended && !target.Finished && target.PendingLength == 0)
        {
            int received = Channel.Receive(ref source, reactor.Scratch.AsSpan(Reactor.Headroom, asked));
            if (received <= 0) return;
            CountBytes(reactor, session, received, fromClient);
            if (Pass(reactor, session, ref source, ref target, received, fromClient, last: false) != WebSocketOutcome.Ok) return;
        }
    }
}
