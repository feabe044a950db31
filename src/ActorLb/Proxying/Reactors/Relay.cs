using ActorLb.Native;
using ActorLb.Protocol.Mqtt;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Proxying.Reactors;

/// <summary>
/// Moves bytes both ways between an established session's descriptors, with back-pressure: a direction reads only when
/// everything it read before has been written, so it holds at most one buffer. Allocates nothing.
/// </summary>
internal sealed class Relay(SessionCloser closer)
{
    /// <summary>What one side may still take after the other has ended (milliseconds of silence). To an MQTT client whose broker has
    /// ended it is the longest time in all.</summary>
    public const int HalfCloseTimeout = 30_000;

    /// <summary>Silence (milliseconds) after which a client whose broker has ended is closed: nothing but the rest is owed to it.</summary>
    public const int EndedBackendTimeout = 5_000;

    /// <summary>Goes on with what became readable or writable.</summary>
    public void Advance(Session session)
    {
        if (!Pump(session, Direction.ToBackend)) return;
        if (!Pump(session, Direction.ToClient)) return;
        if (session.Leaving && SessionCloser.CanLeave(session))
        {
            closer.Leave(session);
            return;
        }
        if (IsOver(session)) closer.Close(session, session.EndReason);
        else if (session.Upstream.PeerClosed || session.Client.PeerClosed || session.Upstream.Ended || session.Upstream.Gone)
            HalfClosed(session);
    }

    /// <summary>
    /// One side has ended, even if what it sent before is not all read yet because the other takes nothing. An ended backend has the session
    /// no longer: it would be passed over by new clients for those that cannot be served any more.
    /// </summary>
    private static void HalfClosed(Session session)
    {
        var reactor = session.Reactor;
        bool backend = session.Upstream.PeerClosed || session.Upstream.Ended || session.Upstream.Gone;
        if (backend && session.BackendEndedAt == 0)
        {
            session.BackendEndedAt = reactor.Now;
            SessionCloser.Uncount(session);
            int patience = session.Client.Gone ? SessionCloser.LingerTimeout : SessionClock.HalfClosePatience(session);
            if (!session.Leaving) reactor.SetDeadline(session, reactor.Now + patience);
        }
        else if (!backend && session is { Client.Ended: false, Client.Gone: false, Leaving: false })
        {
            // Its end waits behind what the backend does not take.
            reactor.SetDeadline(session, reactor.Now + HalfCloseTimeout);
        }
    }

    private static bool IsOver(Session session) =>
        session.Client.Ended && session.Upstream.Ended && session.Client.PendingLength == 0 && session.Upstream.PendingLength == 0;

    /// <summary>One direction; false when the session is closed.</summary>
    private bool Pump(Session session, Direction direction)
    {
        var reactor = session.Reactor;
        ref var source = ref direction == Direction.ToBackend ? ref session.Client : ref session.Upstream;
        ref var target = ref direction == Direction.ToBackend ? ref session.Upstream : ref session.Client;
        if (target.Gone) return Drop(session, ref source);
        if (target.PendingLength > 0)
        {
            if (!target.Writable) return true;
            if (!Channel.Flush(reactor, ref target)) return Lost(session, client: direction == Direction.ToClient, reading: false);
            if (target.PendingLength > 0) return true;
        }
        if (source.Ended)
        {
            Finish(session, ref target, direction);
            return true;
        }
        for (var turn = default(Turn); source.Readable;)
        {
            if (session.Leaving && session.AtBoundary(direction)) return true;
            if (!turn.MayRead())
            {
                reactor.Again(session);
                return true;
            }
            int asked = session.Pool.Options.BufferSize;
            if (session.WebSocket is { } webSocket) asked = webSocket.ReadSize(asked, direction);
            var buffer = reactor.Scratch.AsSpan(Reactor.Headroom, asked);
            int received = Channel.Receive(ref source, buffer);
            if (received > 0)
            {
                if (Channel.IsDrained(source, received, asked)) source.Readable = false;
                if (received == asked || received >= Turn.LargeRead) session.BulkUntil = reactor.Now + Turn.BulkTime;
                bool last = Channel.IsLast(source, received, asked);
                CountBytes(session, received, direction);
                if (direction == Direction.ToBackend && !session.IsMqtt && session.BytesFromClient - received < Health.OwnProbes.FirstBytes
                    && closer.CutOwnProbe(session, buffer[..received]))
                {
                    return false;
                }

                if (!Forward(session, ref source, ref target, received, direction, last)) return false;
                if (target.PendingLength > 0 || target.Gone) return true;
                if (last && !source.Ended) End(session, ref source, ref target, direction);
            }
            else if (received == Tcp.WouldBlock)
            {
                source.Readable = false;
            }
            else if (received == 0 && !source.Gone)
            {
                End(session, ref source, ref target, direction);
            }
            else
            {
                return Lost(session, client: direction == Direction.ToBackend, reading: true);
            }
        }
        return true;
    }

    /// <summary>Reads what nobody takes any more: closing with unread bytes would send RST, which may overtake what its receiver has
    /// not read yet.</summary>
    private static bool Drop(Session session, ref Side source)
    {
        var reactor = session.Reactor;
        for (var turn = default(Turn); source is { Readable: true, Ended: false };)
        {
            if (!turn.MayRead())
            {
                reactor.Again(session);
                return true;
            }
            int received = Channel.Receive(ref source, reactor.Scratch);
            if (received > 0) continue;
            source.Readable = false;
            source.Ended = received != Tcp.WouldBlock;
        }
        return true;
    }

    private bool Forward(Session session, ref Side source, ref Side target, int received, Direction direction, bool last)
    {
        switch (Pass(session, ref source, ref target, received, direction, last))
        {
            case WebSocketOutcome.Ok:
                return true;
            case WebSocketOutcome.Ended:
                End(session, ref source, ref target, direction);
                return true;
            case WebSocketOutcome.Invalid:
                // The sender has its close frame; a client also gets one for what its backend did.
                if (direction == Direction.ToClient) session.WebSocket?.WriteClose(session.Reactor, ref target, Direction.ToClient, CloseCodes.InternalError);
                closer.Linger(session, direction == Direction.ToBackend ? CloseReason.BadFrame : CloseReason.BackendProtocol);
                return false;
            default:
                return Lost(session, client: direction == Direction.ToClient, reading: false);
        }
    }

    private static WebSocketOutcome Pass(
        Session session, ref Side source, ref Side target, int received, Direction direction, bool last)
    {
        var reactor = session.Reactor;
        if (session.WebSocket is { } webSocket) return webSocket.Forward(session, ref source, ref target, received, direction);
        var bytes = Following(session, reactor.Scratch.AsSpan(Reactor.Headroom, received), direction);
        // The receiver can do nothing with a part of a packet: its last bytes need not leave before those that follow.
        bool within = received == session.Pool.Options.BufferSize && session.IsMqtt && !session.AtBoundary(direction);
        return Channel.Write(reactor, ref target, bytes, more: last || within) ? WebSocketOutcome.Ok : WebSocketOutcome.Failed;
    }

    /// <summary>Counts the packets in the bytes; of a leaving session, returns only the rest of the packet under way.</summary>
    public static Span<byte> Following(Session session, Span<byte> bytes, Direction direction)
    {
        if (session.Leaving && session.IsMqtt)
        {
            var ahead = direction == Direction.ToBackend ? session.FromClient : session.FromBackend;
            bytes = bytes[..ahead.AdvanceToBoundary(bytes)];
        }
        CountPackets(session, bytes, direction);
        return bytes;
    }

    public static void Count(Session session, ReadOnlySpan<byte> bytes, Direction direction)
    {
        CountBytes(session, bytes.Length, direction);
        CountPackets(session, bytes, direction);
    }

    private static void CountBytes(Session session, int length, Direction direction)
    {
        var reactor = session.Reactor;
        session.LastActivity = reactor.Now;
        if (direction == Direction.ToBackend)
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
    public static void CountPackets(Session session, ReadOnlySpan<byte> bytes, Direction direction)
    {
        var reactor = session.Reactor;
        if (!session.IsMqtt) return;
        if (direction == Direction.ToBackend)
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

    private void End(Session session, ref Side source, ref Side target, Direction direction)
    {
        var reactor = session.Reactor;
        source.Ended = true;
        source.Readable = false;
        // The first end names the reason; the other side follows.
        if (session.EndReason == CloseReason.None)
        {
            session.EndReason = TakenLeave(session) ?? (direction == Direction.ToBackend ? CloseReason.ClientClosed : CloseReason.BackendClosed);
        }
        if (target.PendingLength == 0) Finish(session, ref target, direction);
        if (!session.Leaving && session.BackendEndedAt == 0) reactor.SetDeadline(session, reactor.Now + HalfCloseTimeout);
    }

    /// <summary>Writes MQTT bytes of a session outside the pump, framed where the receiver wants frames. False when it is gone.</summary>
    public bool Write(Session session, ReadOnlySpan<byte> bytes, Direction direction)
    {
        var reactor = session.Reactor;
        if (bytes.IsEmpty) return true;
        ref var target = ref direction == Direction.ToClient ? ref session.Client : ref session.Upstream;
        return Channel.Write(reactor, ref target, session.WebSocket is null ? bytes : session.WebSocket.Frame(reactor, bytes, direction));
    }

    private static void Finish(Session session, ref Side target, Direction direction)
    {
        // Nothing but a FIN is left to send to either side, and closing sends it.
        bool over = IsOver(session) && target.Tls.IsNone;
        if (target.Finished || over) return;
        session.WebSocket?.WriteEnd(session.Reactor, ref target, direction);
        // What the socket did not take of the close frame goes first: the next flush comes here again.
        if (target.PendingLength == 0) Channel.Finish(ref target);
    }

    /// <summary>After a DISCONNECT the other side may well be the first to close: it was still its sender who ended the session.</summary>
    private static CloseReason? TakenLeave(Session session)
    {
        if (session.FromClient.AtDisconnect) return CloseReason.ClientClosed;
        return session.FromBackend.AtDisconnect ? CloseReason.BackendClosed : null;
    }

    /// <summary>The client takes nothing any more, as was seen outside the pump. False when the session is closed.</summary>
    public bool LoseClient(Session session) => Lost(session, client: true, reading: session.Client.Ended);

    /// <summary>
    /// A side's connection failed. What it had sent before is passed on all the same, as long as the other side goes on taking it: a
    /// client may publish and reset at once, and a broker that says DISCONNECT and closes resets the connection when a PUBLISH crosses
    /// it. A write that fails is therefore not the end; a read that does is. False when the session is closed.
    /// </summary>
    private bool Lost(Session session, bool client, bool reading)
    {
        var reactor = session.Reactor;
        ref var lost = ref client ? ref session.Client : ref session.Upstream;
        ref var other = ref client ? ref session.Upstream : ref session.Client;
        if (other.Gone)
        {
            NameEnd(session, client: !client);
            closer.Close(session, session.EndReason);
            return false;
        }
        if (reading) NameEnd(session, client);
        if (reading && !client)
        {
            closer.Linger(session, session.EndReason);
            return false;
        }
        reactor.ReturnBuffer(ref lost.Pending);
        lost.PendingStart = lost.PendingEnd = 0;
        lost.Gone = lost.Finished = true;
        lost.Ended |= reading;
        lost.Readable = !reading;
        if (!reading) reactor.Again(session);
        else if (other.PendingLength == 0) Finish(session, ref other, Direction.ToBackend);
        // The rest of a backend's is its client's to take, in the time that every ended backend leaves it.
        if (client) reactor.SetDeadline(session, reactor.Now + SessionCloser.LingerTimeout);
        return true;
    }

    /// <summary>The time is up in which the rest of a lost client was to be passed on: it lasts while there is more of it.</summary>
    public static void GoneTooLong(Session session, SessionCloser closer)
    {
        var reactor = session.Reactor;
        long until = session.LastFromClient + SessionCloser.LingerTimeout;
        if (until > reactor.Now)
        {
            reactor.SetDeadline(session, until);
            return;
        }
        NameEnd(session, client: true);
        closer.Close(session, session.EndReason);
    }

    /// <summary>The reason of an end by reset, unless there is one already.</summary>
    public static void NameEnd(Session session, bool client)
    {
        if (session.EndReason != CloseReason.None) return;
        session.EndReason = TakenLeave(session) ?? (client ? CloseReason.ClientReset : CloseReason.BackendReset);
    }
}
