using ActorLb.Protocol;
using ActorLb.Protocol.WebSocket;
using ActorLb.Proxying.Intake;

namespace ActorLb.Proxying.Reactors;

internal enum WebSocketOutcome
{
    /// <summary>What came is unframed (and passed on).</summary>
    Ok,

    /// <summary>The sender's close frame came; it has been answered.</summary>
    Ended,

    /// <summary>Frames that break the protocol; the sender got a close frame.</summary>
    Invalid,

    /// <summary>The receiver's descriptor did not take what was written.</summary>
    Failed,
}

/// <summary>
/// The WebSocket framing of a session that has it on one side or both. Between a WebSocket client and a TCP backend (or the other
/// way round) frames are taken off and put on; between two WebSocket sides that happens until the CONNACK, and afterwards frames go
/// through as they are, a close frame with a code that is not allowed among them: its receiver judges it. Used by the session's reactor alone.
/// </summary>
internal sealed class WebSocketRelay
{
    /// <summary>Largest frame taken from a backend: MQTT's largest packet (MQTT 5, 2.1.4).</summary>
    private const long MaxBackendFrame = 268_435_460;

    /// <summary>Frames that a read should hold at most. Headers cost more than the bytes do: 64 KiB of empty pings take as long as 10 MB
    /// of payload. Frames of more than 64 bytes fill any read.</summary>
    private const int FramesAtOnce = 1024;

    private const int SmallestRead = 1024, FirstRead = 4096, LargestRead = 1 << 20;

    private int _clientRead = FirstRead, _backendRead = FirstRead;
    private FrameReader _client, _backend;
    private FrameTracker _clientTracker, _backendTracker;
    private byte[]? _clientHeld, _backendHeld;
    private bool _passes;
    private bool _closeSentToClient, _closeSentToBackend;
    private readonly byte[]? _backendKey;

    public WebSocketRelay(bool framesClient, bool framesBackend, long maxFrameSize = 0, long maxMessageSize = 0)
    {
        FramesClient = framesClient;
        FramesBackend = framesBackend;
        _client = new FrameReader(FrameSender.Client, maxFrameSize, maxMessageSize);
        _clientTracker = new FrameTracker(FrameSender.Client, maxFrameSize, maxMessageSize);
        if (framesBackend) _backendKey = new byte[AcceptKey.KeyLength];
        ResetBackend();
    }

    public bool FramesClient { get; }

    public bool FramesBackend { get; }

    /// <summary>A new backend is dialled: what was read of the last one's frames is void.</summary>
    public void ResetBackend()
    {
        _backendRead = FirstRead;
        _backend = new FrameReader(FrameSender.Server, MaxBackendFrame);
        _backendTracker = new FrameTracker(FrameSender.Server, MaxBackendFrame);
        _backendHeld = null;
        _closeSentToBackend = false;
        if (_backendKey is null) return;
        Span<byte> nonce = stackalloc byte[AcceptKey.NonceLength];
        RandomBytes.Fill(nonce);
        AcceptKey.WriteKey(nonce, _backendKey);
    }

    /// <summary>Whether a packet of the balancer's own can be slipped into the direction now.</summary>
    public bool AtBoundary(Session session, Direction direction)
    {
        if (_passes) return direction == Direction.ToBackend ? _clientTracker.AtMessageBoundary : _backendTracker.AtMessageBoundary;
        // Frames that are put on here are written whole.
        return direction == Direction.ToBackend ? session.FromClient.AtBoundary : session.FromBackend.AtBoundary;
    }

    // ---- the backend's upgrade ----

    /// <summary>Bytes that the greeting of a WebSocket backend may need beside the CONNECT.</summary>
    public static int GreetingRoom(Session session) => session.WebSocket is not { FramesBackend: true }
        ? 0
        : UpgradeRequestWriter.MaxLength(Values(session, stackalloc byte[Native.NetEndPoint.MaxTextSize], default)) + FrameWriter.MaxHeaderLength;

    public int WriteUpgradeRequest(Session session, Span<byte> into) =>
        UpgradeRequestWriter.Write(into, Values(session, stackalloc byte[Native.NetEndPoint.MaxTextSize], _backendKey));

    /// <summary>The CONNECT as a masked frame.</summary>
    public static int WriteConnect(ReadOnlySpan<byte> connect, Span<byte> into) => FrameWriter.Write(into, FrameOpcode.Binary, connect, NewMask());

    public ReadStatus ReadUpgradeReply(ReadOnlySpan<byte> reply, out int length, out int status, out UpgradeError error) =>
        UpgradeResponseReader.Read(reply, _backendKey, MqttSubprotocol.Mqtt, out length, out status, out error);

    // ---- frames ----

    /// <summary>How much to read from a side at once: <paramref name="most"/>, or less where its frames are tiny or may be.</summary>
    public int ReadSize(int most, Direction direction) => Math.Min(most, direction == Direction.ToBackend ? _clientRead : _backendRead);

    /// <summary>Twice as much where reads are full, but no more than so many frames like the last ones.</summary>
    private void Measure(int received, int frames, Direction direction)
    {
        ref int read = ref direction == Direction.ToBackend ? ref _clientRead : ref _backendRead;
        if (received > read / 2) read = Math.Min(2 * read, LargestRead);
        if (frames > FramesAtOnce / 16) read = (int)Math.Clamp((long)received * FramesAtOnce / frames, SmallestRead, read);
    }

    /// <summary>
    /// Takes the frames off <paramref name="received"/> bytes of the reactor's scratch buffer, answers its pings together, and leaves the
    /// MQTT bytes in <paramref name="payload"/>, in the scratch buffer too with room for a frame header before them.
    /// </summary>
    public WebSocketOutcome Unframe(Reactor reactor, scoped ref Side source, int received, Direction direction, out Span<byte> payload)
    {
        ref var reader = ref direction == Direction.ToBackend ? ref _client : ref _backend;
        ref byte[]? held = ref direction == Direction.ToBackend ? ref _clientHeld : ref _backendHeld;
        int start = Reactor.Headroom, end = start + received;
        if (held is not null)
        {
            // The beginning of a header or control frame from the last read goes right before the rest of it.
            start -= held.Length;
            held.CopyTo(reactor.Scratch.AsSpan(start));
            held = null;
        }
        int first = -1, last = -1, pongs = 0, framesBefore = reader.Frames;
        payload = default;
        while (true)
        {
            var found = reader.Read(reactor.Scratch.AsSpan(start, end - start), out int consumed, out var range);
            int at = start + range.Offset;
            start += consumed;
            switch (found)
            {
                case FrameEvent.Payload:
                    if (first < 0) first = last = at;
                    else reactor.Scratch.AsSpan(at, range.Length).CopyTo(reactor.Scratch.AsSpan(last));
                    last += range.Length;
                    break;
                case FrameEvent.Ping:
                    if (pongs > reactor.Pongs.Length - FrameWriter.MaxControlLength) WritePongs(reactor, ref source, ref pongs);
                    pongs += FrameWriter.Write(
                        reactor.Pongs.AsSpan(pongs), FrameOpcode.Pong, reactor.Scratch.AsSpan(at, range.Length), direction == Direction.ToBackend ? null : NewMask());
                    break;
                case FrameEvent.Pong:
                    break;
                case FrameEvent.Close:
                    if (first >= 0) payload = reactor.Scratch.AsSpan(first, last - first);
                    WritePongs(reactor, ref source, ref pongs);
                    WriteClose(reactor, ref source, direction.Back(), reader.CloseCode);
                    return WebSocketOutcome.Ended;
                case FrameEvent.Invalid:
                    WritePongs(reactor, ref source, ref pongs);
                    WriteClose(reactor, ref source, direction.Back(), FrameErrors.CloseCodeFor(reader.Error));
                    return WebSocketOutcome.Invalid;
                default:
                    if (start < end) held = reactor.Scratch.AsSpan(start, end - start).ToArray();
                    if (first >= 0) payload = reactor.Scratch.AsSpan(first, last - first);
                    WritePongs(reactor, ref source, ref pongs);
                    Measure(received, reader.Frames - framesBefore, direction);
                    return WebSocketOutcome.Ok;
            }
        }
    }

    private static void WritePongs(Reactor reactor, ref Side source, ref int length)
    {
        Channel.WriteControl(reactor, ref source, reactor.Pongs.AsSpan(0, length));
        length = 0;
    }

    /// <summary>Moves what the relay has read from one side to the other.</summary>
    public WebSocketOutcome Forward(Session session, ref Side source, ref Side target, int received, Direction direction)
    {
        var reactor = session.Reactor;
        var bytes = reactor.Scratch.AsSpan(Reactor.Headroom, received);
        if (_passes) return Pass(session, ref source, ref target, received, direction);
        var outcome = WebSocketOutcome.Ok;
        if (direction == Direction.ToBackend ? FramesClient : FramesBackend) outcome = Unframe(reactor, ref source, received, direction, out bytes);
        if (outcome == WebSocketOutcome.Invalid) return outcome;
        if (!bytes.IsEmpty)
        {
            bytes = Relay.Following(session, bytes, direction);
            if (!bytes.IsEmpty && !WriteFramed(reactor, ref target, bytes, direction)) return WebSocketOutcome.Failed;
        }
        if (outcome == WebSocketOutcome.Ok && FramesClient && FramesBackend && !session.Leaving) PassFromHere();
        return outcome;
    }

    /// <summary>Bytes of the balancer's own, framed where the receiver wants frames; valid until the next call.</summary>
    public ReadOnlySpan<byte> Frame(Reactor reactor, ReadOnlySpan<byte> bytes, Direction direction)
    {
        if (!(direction == Direction.ToClient ? FramesClient : FramesBackend)) return bytes;
        int room = bytes.Length + FrameWriter.MaxHeaderLength;
        if (reactor.FrameScratch.Length < room) reactor.FrameScratch = new byte[room];
        return reactor.FrameScratch.AsSpan(0, FrameWriter.Write(reactor.FrameScratch, FrameOpcode.Binary, bytes, direction == Direction.ToClient ? null : NewMask()));
    }

    /// <summary>A close frame, once, where the side speaks WebSocket and stands between two frames.</summary>
    public void WriteClose(Reactor reactor, ref Side side, Direction direction, ushort code = CloseCodes.Normal)
    {
        if (!(direction == Direction.ToClient ? FramesClient : FramesBackend)) return;
        ref bool sent = ref direction == Direction.ToClient ? ref _closeSentToClient : ref _closeSentToBackend;
        var tracker = direction == Direction.ToClient ? _backendTracker : _clientTracker;
        if (sent || (_passes && (tracker.WithinFrame || tracker.CloseSeen))) return;
        sent = true;
        Span<byte> frame = stackalloc byte[16];
        Channel.WriteControl(reactor, ref side, frame[..FrameWriter.WriteClose(frame, code, direction == Direction.ToClient ? null : NewMask())]);
    }

    /// <summary>
    /// One side has ended, and the other hears of it by a close frame; but of a WebSocket client that went without one the backend
    /// hears what the client said, which is nothing.
    /// </summary>
    public void WriteEnd(Reactor reactor, ref Side target, Direction direction)
    {
        if (direction == Direction.ToBackend && FramesClient && !_closeSentToClient) return;
        WriteClose(reactor, ref target, direction);
    }

    private WebSocketOutcome Pass(Session session, ref Side source, ref Side target, int received, Direction direction)
    {
        var reactor = session.Reactor;
        ref var tracker = ref direction == Direction.ToBackend ? ref _clientTracker : ref _backendTracker;
        // The beginning of a header was held back at the end of the last read, and goes before the rest of it.
        int start = Reactor.Headroom - tracker.HeaderBegun;
        tracker.CopyHeaderBegun(reactor.Scratch.AsSpan(start));
        int end = Reactor.Headroom;
        if (session.Leaving)
        {
            end += tracker.AdvanceToMessageBoundary(reactor.Scratch.AsSpan(Reactor.Headroom, received));
        }
        else
        {
            Measure(received, tracker.Advance(reactor.Scratch.AsSpan(Reactor.Headroom, received)), direction);
            end += received;
        }
        if (tracker.Error != FrameError.None)
        {
            WriteClose(reactor, ref source, direction.Back(), FrameErrors.CloseCodeFor(tracker.Error));
            return WebSocketOutcome.Invalid;
        }
        end -= tracker.HeaderBegun;
        if (start == end) return WebSocketOutcome.Ok;
        return Channel.Write(reactor, ref target, reactor.Scratch.AsSpan(start, end - start)) ? WebSocketOutcome.Ok : WebSocketOutcome.Failed;
    }

    /// <summary>Between two WebSocket sides frames are relayed as they are, from the first moment after the CONNACK at which both
    /// directions stand between two messages. Not one direction before the other: who reads frames answers pings, into the other
    /// direction, where a frame of somebody else's may just be on its way.</summary>
    private void PassFromHere() =>
        _passes = _client.AtMessageBoundary && _clientHeld is null && _backend.AtMessageBoundary && _backendHeld is null;

    private bool WriteFramed(Reactor reactor, ref Side target, Span<byte> payload, Direction direction)
    {
        if (!(direction == Direction.ToBackend ? FramesBackend : FramesClient)) return Channel.Write(reactor, ref target, payload);
        // No data behind a close frame (RFC 6455, 5.5.1).
        if (direction == Direction.ToBackend ? _closeSentToBackend : _closeSentToClient) return true;
        uint? mask = direction == Direction.ToBackend ? NewMask() : null;
        int header = FrameWriter.HeaderLength(payload.Length, mask is not null);
        // The payload lies in the scratch buffer with Headroom before it: the header goes there, nothing is copied.
        int start = (int)System.Runtime.CompilerServices.Unsafe.ByteOffset(
            ref reactor.Scratch[0], ref System.Runtime.InteropServices.MemoryMarshal.GetReference(payload));
        var frame = reactor.Scratch.AsSpan(start - header, header + payload.Length);
        FrameWriter.WriteBinaryHeader(frame, payload.Length, mask);
        if (mask is { } key) FrameMask.Apply(frame[header..], key);
        return Channel.Write(reactor, ref target, frame);
    }

    private static UpgradeRequestValues Values(Session session, Span<byte> address, ReadOnlySpan<byte> key)
    {
        var setup = session.Setup!;
        ReadOnlySpan<byte> head = setup.UpgradeHead.AsSpan(0, setup.Upgrade.TotalLength);
        return new UpgradeRequestValues
        {
            Path = session.Pool.WebSocketPathUtf8,
            Query = setup.Upgrade.Query.In(head),
            Host = head.IsEmpty ? session.Pool.HostUtf8 : setup.Upgrade.Host.In(head),
            Key = key.IsEmpty ? new byte[AcceptKey.KeyLength] : key,
            Subprotocol = MqttSubprotocol.Mqtt,
            RemoteAddress = address[..session.Remote.WriteAddressText(address)],
            Client = head,
            ClientRequest = setup.Upgrade,
            Passed = session.ListenerState!.Passed,
            IsBelieved = setup.ForwardedIsBelieved,
        };
    }

    /// <summary>Masks must be unguessable for the sender of the payload (RFC 6455, 10.3).</summary>
    private static uint NewMask()
    {
        Span<byte> mask = stackalloc byte[4];
        RandomBytes.Fill(mask);
        return BitConverter.ToUInt32(mask);
    }
}
