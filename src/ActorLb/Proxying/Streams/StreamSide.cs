using ActorLb.Native;
using ActorLb.Proxying.Reactors;

namespace ActorLb.Proxying.Streams;

/// <summary>
/// One side of a session as its graph sees it: a chunk that was received and is not read yet, one that is to be sent, and what else is
/// wanted of the ports. Steps of a session may come from timers and messages too, when its graph may not touch its ports: so the steps
/// only say here what they want, and the graph carries it out in its turn.
/// </summary>
internal sealed class StreamSide(SessionGraph graph) : SideStream
{
    /// <summary>Small writes of one turn go together (bytes).</summary>
    private const int MostGathered = 4096;

    private ReadOnlyMemory<byte> _unread;
    private bool _gathers, _ended, _failed, _sendFailed;

    /// <summary>The session that it is a side of; null before it is one, and after.</summary>
    public Session? Session { get; set; }

    public SessionGraph Graph => graph;

    /// <summary>What to dial; null for a client's side.</summary>
    public SocketTarget? Target { get; init; }

    /// <summary>Why the connection failed (an errno); 0 when it did not.</summary>
    public int Error { get; private set; }

    /// <summary>The connection stands, or did.</summary>
    public bool HadRoom { get; set; }

    // ---- what the graph has to do ----

    public byte[]? Unsent { get; private set; }

    public bool Finishing { get; private set; }

    public bool Closing { get; private set; }

    /// <summary>Whether another chunk may come: there is no more than one, unless what was peeked at is not enough.</summary>
    public bool WantsMore => (_unread.IsEmpty || _gathers) && !_ended && !_failed;

    // ---- what the graph reports ----

    public void Received(ReadOnlyMemory<byte> chunk)
    {
        _gathers = false;
        _unread = _unread.IsEmpty ? chunk : (byte[])[.. _unread.Span, .. chunk.Span];
    }

    public void End() => _ended = true;

    public void SendFails() => _sendFailed = true;

    public void Fail(int errno)
    {
        Error = errno;
        _failed = _sendFailed = true;
    }

    public byte[] TakeUnsent()
    {
        byte[] unsent = Unsent!;
        Unsent = null;
        return unsent;
    }

    // ---- what the session asks ----

    public override int Receive(Span<byte> into)
    {
        int length = Copy(into);
        if (length <= 0) return length;
        _gathers = false;
        _unread = _unread[length..];
        if (_unread.IsEmpty)
        {
            _unread = default;
            graph.HasWishes();
        }
        return length;
    }

    public override int Peek(Span<byte> into)
    {
        int length = Copy(into);
        _gathers = length > 0 && length < into.Length;
        if (_gathers) graph.HasWishes();
        return length;
    }

    private int Copy(Span<byte> into)
    {
        if (_unread.IsEmpty) return _failed ? Tcp.Failed : _ended ? 0 : Tcp.WouldBlock;
        int length = Math.Min(into.Length, _unread.Length);
        _unread.Span[..length].CopyTo(into);
        return length;
    }

    public override int Send(ReadOnlySpan<byte> from)
    {
        if (_sendFailed || Finishing) return Tcp.Failed;
        if (Unsent is null) Unsent = from.ToArray();
        else if (Unsent.Length + from.Length <= MostGathered) Unsent = [.. Unsent, .. from];
        else return Tcp.WouldBlock;
        graph.HasWishes();
        return from.Length;
    }

    public override void Finish()
    {
        Finishing = true;
        graph.HasWishes();
    }

    public override void Close()
    {
        Closing = true;
        Session = null;
        _unread = default;
        graph.HasWishes();
    }
}
