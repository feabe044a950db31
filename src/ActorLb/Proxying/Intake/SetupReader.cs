using ActorLb.Native;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Proxying.Intake;

/// <summary>What a read of a session that does not relay yet has brought.</summary>
internal enum Received
{
    /// <summary>Bytes, though there may be none of MQTT among them.</summary>
    Some,

    /// <summary>None have come yet.</summary>
    Nothing,

    /// <summary>The end of the peer's stream.</summary>
    End,

    /// <summary>The connection has failed.</summary>
    Failed,

    /// <summary>A close frame and no bytes of MQTT before it. It was answered.</summary>
    CloseFrame,

    /// <summary>Frames that break the protocol. The peer got a close frame.</summary>
    BadFrame,
}

/// <summary>Reads what either peer of a session sends before the relay, its frames taken off, behind what is kept of it.</summary>
internal static class SetupReader
{
    private const int FramedRead = 8192;

    /// <summary>One read.</summary>
    /// <param name="direction">Of the bytes: to the backend, those of the client.</param>
    /// <param name="framed">They come in WebSocket frames.</param>
    public static Received Read(Session session, ref Side side, ref PooledBuffer kept, Direction direction, bool framed)
    {
        var reactor = session.Reactor;
        var room = framed
            ? reactor.Scratch.AsSpan(Reactor.Headroom, session.WebSocket!.ReadSize(FramedRead, direction)) : kept.Room(reactor.Buffers);
        int received = Channel.Receive(ref side, room);
        if (received <= 0)
        {
            side.Readable = false;
            return received == Tcp.WouldBlock ? Received.Nothing : received == 0 ? Received.End : Received.Failed;
        }
        if (Channel.IsDrained(side, received, room.Length)) side.Readable = false;
        if (received == room.Length || received >= Turn.LargeRead) session.BulkUntil = reactor.Now + Turn.BulkTime;
        if (framed) return Unframe(session, ref side, ref kept, received, direction);
        kept.Take(received);
        return Received.Some;
    }

    /// <summary>Frames have come behind an upgrade: takes the first bytes away, and the frames off the others.</summary>
    public static Received UnframeBehind(Session session, ref Side side, ref PooledBuffer kept, int length, Direction direction)
    {
        var behind = kept.From(length);
        int count = behind.Length;
        behind.CopyTo(session.Reactor.Scratch.AsSpan(Reactor.Headroom));
        kept.Cut(0);
        return count == 0 ? Received.Nothing : Unframe(session, ref side, ref kept, count, direction);
    }

    /// <summary>Unframes what is in the scratch buffer.</summary>
    private static Received Unframe(Session session, ref Side side, ref PooledBuffer kept, int received, Direction direction)
    {
        var outcome = session.WebSocket!.Unframe(session.Reactor, ref side, received, direction, out var payload);
        if (outcome == WebSocketOutcome.Invalid) return Received.BadFrame;
        kept.Append(session.Reactor.Buffers, payload);
        if (outcome != WebSocketOutcome.Ended) return Received.Some;
        // Nothing that comes behind it counts.
        side.Ended = true;
        return payload.IsEmpty ? Received.CloseFrame : Received.Some;
    }
}
