using System.Buffers.Binary;
using ActorLb.Configuration;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Protocol;
using ActorLb.Proxying.Reactors;
using ActorLb.Tls;

namespace ActorLb.Proxying.Intake;

/// <summary>The TLS handshake with a client. Its steps wait for their turn (<see cref="Handshaking"/>); what is no hello takes no place.</summary>
internal sealed class ClientHandshake(NodeServices services, SessionCloser closer)
{
    // RFC 8446, section 5.1: content type, length of the header, most bytes behind it.
    private const int HandshakeRecord = 22, RecordHeader = 5, MaxRecord = 1 << 14;

    /// <summary>Why a client ends that went before its first byte.</summary>
    public static CloseReason GoneUnheard(Session session) =>
        session.ListenerState!.Tls is null ? CloseReason.ClientGone : CloseReason.BareConnect;

    /// <returns>Whether the handshake is complete.</returns>
    public bool Start(Session session)
    {
        var listening = session.ListenerState!;
        session.Client.Tls = listening.Tls!.Accept(session.Client.Fd);
        if (session.Client.Tls.IsNone)
        {
            closer.Close(session, CloseReason.Internal);
            return false;
        }
        var reactor = session.Reactor;
        reactor.SetDeadline(session, Math.Min(session.Deadline, reactor.Now + (long)listening.Options.Tls!.HandshakeTimeout.TotalMilliseconds));
        return session.Client.Readable && GoOn(session);
    }

    /// <summary>The client's descriptor had an event.</summary>
    /// <returns>Whether the handshake is complete.</returns>
    public bool Advance(Session session)
    {
        if (session.AwaitsPlace || session.AwaitsTurn)
        {
            LeaveQueue(session);
            return false;
        }
        return (session.Client.Readable || session.Client.PeerClosed || session.HandshakeBegun) && GoOn(session);
    }

    /// <summary>Makes the next step.</summary>
    /// <returns>Whether the handshake is complete.</returns>
    public bool Step(Session session)
    {
        var reactor = session.Reactor;
        var outcome = Handshaking.Step(services, session, ref session.Client);
        switch (outcome.Status)
        {
            case HandshakeStatus.Done:
                reactor.Counters.TlsHandshakes++;
                if (session.Client.Tls.Reused()) reactor.Counters.TlsResumed++;
                reactor.Counters.HandshakeTime.Record((reactor.Now - session.AcceptedAt) / 1000.0);
                session.Client.Readable = true;
                reactor.SetDeadline(session, session.AcceptedAt + (long)session.ListenerState!.Options.ConnectTimeout.TotalMilliseconds);
                return true;
            case HandshakeStatus.Failed:
                reactor.Counters.TlsFailed++;
                services.Refused.HandshakeFailed(session, outcome.Reason ?? "unknown");
                session.Client.Finished = true;
                closer.Close(session, CloseReason.TlsFailed);
                return false;
            default:
                return false;
        }
    }

    private bool GoOn(Session session)
    {
        // The signature is made and there is none of the client's to check: only cheap steps remain, so don't queue them.
        if (session.HandshakeBegun && !session.Client.Tls.AwaitsHello && session.ListenerState!.Options.Tls!.VerifyClient == VerifyClient.Off) return Step(session);
        if (!session.HandshakeBegun && !AwaitHello(session)) return false;
        if (!session.Reactor.Handshaking.Continue(services, session)) closer.Close(session, CloseReason.HandshakeLimit);
        return false;
    }

    /// <summary>Whether there is something to answer: the client's first record whole, what is no such record, or its end within one.
    /// A part of a hello takes no place. A client that went without a byte began no handshake: its session is closed.</summary>
    private bool AwaitHello(Session session)
    {
        var reactor = session.Reactor;
        ref var client = ref session.Client;
        int peeked = Tcp.Peek(client.Fd, reactor.Scratch.AsSpan(0, RecordHeader + MaxRecord));
        if (peeked == Tcp.WouldBlock)
        {
            client.Readable = false;
            return client.PeerClosed;
        }
        if (peeked <= 0)
        {
            closer.Close(session, GoneUnheard(session));
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
    /// a CONNECT may have come behind what is left.</summary>
    private void LeaveQueue(Session session)
    {
        if (session.HandshakeBegun && !session.Client.Tls.AwaitsHello) return;
        if (session.Client.PeerClosed && services.Handshakes.IsFull) closer.Close(session, CloseReason.ClientGone);
    }
}
