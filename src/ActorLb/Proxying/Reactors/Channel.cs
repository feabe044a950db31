using System.Runtime.CompilerServices;
using ActorLb.Native;
using ActorLb.Native.OpenSsl;
using ActorLb.Tls;

namespace ActorLb.Proxying.Reactors;

/// <summary>Reads and writes of a <see cref="Side"/>, through TLS where it has any. Results as <see cref="Tcp"/>'s.</summary>
internal static class Channel
{
    /// <summary>Answers to pings and the like are dropped when more bytes than this wait for a peer which does not read.</summary>
    private const int MaxPendingControl = 4096;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Receive(ref Side side, Span<byte> into) =>
        !side.Tls.IsNone ? ReceiveTls(ref side, into) : side.Stream is null ? Tcp.Receive(side.Fd, into) : side.Stream.Receive(into);

    /// <summary>As <see cref="Receive"/> of a side without TLS, and the bytes stay where they are.</summary>
    public static int Peek(ref Side side, Span<byte> into) => side.Stream is null ? Tcp.Peek(side.Fd, into) : side.Stream.Peek(into);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Send(ref Side side, ReadOnlySpan<byte> from) =>
        !side.Tls.IsNone ? SendTls(side.Tls, from) : side.Stream is null ? Tcp.Send(side.Fd, from) : side.Stream.Send(from);

    /// <summary>Whether a read that got less than it asked for has emptied the socket: epoll(7) promises a new event then. TLS
    /// reads a record at a time, so it has to be asked until it would block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsDrained(in Side side, int received, int asked) => received < asked && side.Tls.IsNone && !side.ReadsToBlock;

    /// <summary>Whether such a read was the last: the peer's FIN comes behind all that it sent, and it has come.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsLast(in Side side, int received, int asked) =>
        side.PeerClosed && received < asked && side.Tls.IsNone && !side.HungUp;

    /// <summary>Writes, keeping what the socket does not take. False when the connection failed.</summary>
    /// <param name="more">Something without which the receiver cannot go on follows at once, bytes or the FIN: they may share a segment.</param>
    public static bool Write(Reactor reactor, ref Side side, ReadOnlySpan<byte> bytes, bool more = false)
    {
        if (side.PendingLength == 0 && side.Writable)
        {
            int sent = more && side.Tls.IsNone && side.Stream is null ? Tcp.Send(side.Fd, bytes, Libc.MSG_MORE) : Send(ref side, bytes);
            if (sent == bytes.Length) return true;
            if (sent == Tcp.Failed) return false;
            if (sent > 0) bytes = bytes[sent..];
            // A short count means a full socket buffer too; an event comes when there is room.
            side.Writable = false;
        }
        Keep(reactor, ref side, bytes);
        return true;
    }

    /// <summary>As <see cref="Write"/>, for answers that the peer provokes: dropped when too many wait already. A failed connection
    /// shows at a later read, when what had come before has been read.</summary>
    public static void WriteControl(Reactor reactor, ref Side side, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty || side.Finished || side.PendingLength > MaxPendingControl) return;
        if (!Write(reactor, ref side, bytes)) side.Gone = side.Finished = true;
    }

    /// <summary>Writes what waits. False when the connection failed; afterwards <see cref="Side.PendingLength"/> is what still waits.</summary>
    public static bool Flush(Reactor reactor, ref Side side)
    {
        while (side.PendingLength > 0 && side.Writable)
        {
            int sent = Send(ref side, side.Pending.AsSpan(side.PendingStart, side.PendingLength));
            if (sent == Tcp.Failed) return false;
            if (sent > 0) side.PendingStart += sent;
            else side.Writable = false;
        }
        if (side.PendingLength > 0) return true;
        side.PendingStart = side.PendingEnd = 0;
        reactor.ReturnBuffer(ref side.Pending);
        return true;
    }

    /// <summary>Ends our direction: close_notify under TLS, then FIN. <see cref="Side.Finished"/> stays false where the socket is too
    /// full for close_notify: to be called again when it has room.</summary>
    public static void Finish(ref Side side)
    {
        if (side.Finished) return;
        if (!side.Tls.IsNone && ShutdownTls(side.Tls) == TlsIoStatus.WantWrite)
        {
            side.Writable = false;
            return;
        }
        side.Finished = true;
        if (side.Stream is null) Tcp.ShutdownWrite(side.Fd);
        else side.Stream.Finish();
    }

    /// <summary>Closes the connection and leaves the side as that of no connection.</summary>
    public static void Close(ref Side side)
    {
        if (!side.Tls.IsNone) CloseTls(ref side);
        if (side.Stream is not null) side.Stream.Close();
        else if (side.Fd >= 0) Tcp.Close(side.Fd);
        side = new Side { Fd = -1 };
    }

    // What calls OpenSSL is not inlined into the steps, as Tcp is not.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static TlsIoStatus ShutdownTls(TlsSession tls) => tls.Shutdown();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void CloseTls(ref Side side)
    {
        if (!side.Finished && !side.Ended) side.Tls.Shutdown();
        side.Tls.Dispose();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int ReceiveTls(ref Side side, Span<byte> into)
    {
        var result = side.Tls.Read(into);
        if (result.Drained && !side.ReadsToBlock) side.Readable = false;
        return Result(result);
    }

    /// <summary>A record at a time, until all is written or the socket is full.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int SendTls(TlsSession tls, ReadOnlySpan<byte> from)
    {
        int sent = 0;
        while (sent < from.Length)
        {
            int part = Result(tls.Write(from[sent..]));
            if (part <= 0) return sent > 0 && part == Tcp.WouldBlock ? sent : part == 0 ? Tcp.Failed : part;
            sent += part;
        }
        return sent;
    }

    private static int Result(TlsIoResult result) => result.Status switch
    {
        TlsIoStatus.Ok => result.Count,
        TlsIoStatus.Closed => 0,
        TlsIoStatus.Error => Tcp.Failed,
        _ => Tcp.WouldBlock,
    };

    private static void Keep(Reactor reactor, ref Side side, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        if (side.Pending is null)
        {
            side.Pending = reactor.Buffers.Rent(bytes.Length);
            side.PendingStart = side.PendingEnd = 0;
        }
        else if (side.Pending.Length - side.PendingEnd < bytes.Length)
        {
            int waiting = side.PendingLength;
            byte[] larger = waiting + bytes.Length <= side.Pending.Length ? side.Pending : reactor.Buffers.Rent(waiting + bytes.Length);
            side.Pending.AsSpan(side.PendingStart, waiting).CopyTo(larger);
            if (!ReferenceEquals(larger, side.Pending)) reactor.Buffers.Return(side.Pending);
            side.Pending = larger;
            side.PendingStart = 0;
            side.PendingEnd = waiting;
        }
        bytes.CopyTo(side.Pending.AsSpan(side.PendingEnd));
        side.PendingEnd += bytes.Length;
    }
}
