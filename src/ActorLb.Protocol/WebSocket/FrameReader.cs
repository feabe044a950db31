using System.Buffers.Binary;
using System.Text.Unicode;

namespace ActorLb.Protocol.WebSocket;

/// <summary>What <see cref="FrameReader.Read"/> found.</summary>
public enum FrameEvent : byte
{
    /// <summary>Nothing more here; pass the bytes not consumed again together with what follows them.</summary>
    NeedMore,

    /// <summary>A piece of the stream that binary messages carry.</summary>
    Payload,

    /// <summary>Must be answered with a pong of the same payload (RFC 6455, 5.5.2).</summary>
    Ping,
    Pong,

    /// <summary>The sender's last frame; see <see cref="FrameReader.CloseCode"/>. Anything after it is discarded.</summary>
    Close,

    /// <summary>See <see cref="FrameReader.Error"/>; nothing more is read.</summary>
    Invalid,
}

/// <summary>
/// Turns frames into the byte stream they carry, in place and piece by piece: message and frame boundaries have no meaning in MQTT
/// (MQTT 5, 6). A header or a control frame is consumed only when complete, so at most <see cref="MaxHeldLength"/> bytes have to be
/// kept between two reads.
/// </summary>
public struct FrameReader
{
    /// <summary>Most bytes that <see cref="Read"/> leaves unconsumed: all but the last of a masked control frame.</summary>
    public const int MaxHeldLength = 2 + 4 + FrameHeader.MaxControlPayload - 1;

    private readonly long _maxFrame;
    private readonly long _maxMessage;
    private long _left;
    private long _messageLength;
    private uint _mask;
    private readonly FrameSender _sender;
    private bool _inMessage;
    private bool _ended;

    /// <param name="maxFrameSize">Largest payload of a data frame in bytes.</param>
    /// <param name="maxMessageSize">Largest payload of a message over all of its fragments; 0 is unlimited.</param>
    public FrameReader(FrameSender sender, long maxFrameSize, long maxMessageSize = 0)
    {
        _sender = sender;
        _maxFrame = maxFrameSize;
        _maxMessage = maxMessageSize == 0 ? long.MaxValue : maxMessageSize;
    }

    /// <summary>Frames begun so far, modulo 2^32: the cost of a read depends on its frames more than on its bytes.</summary>
    public int Frames { get; private set; }

    /// <summary>After <see cref="FrameEvent.Close"/>: the sender's code, <see cref="CloseCodes.None"/> if it sent none.</summary>
    public ushort CloseCode { get; private set; }

    /// <summary>After <see cref="FrameEvent.Invalid"/>: why.</summary>
    public FrameError Error { get; private set; }

    /// <summary>Whether the last byte consumed ended a frame.</summary>
    public readonly bool AtFrameBoundary => _left == 0;

    /// <summary>Whether the last byte consumed ended a message, so that what follows can be relayed unchanged.</summary>
    public readonly bool AtMessageBoundary => _left == 0 && !_inMessage;

    /// <param name="bytes">Everything not consumed yet; masked payloads are unmasked in place.</param>
    /// <param name="consumed">Bytes that are done with, including those of <paramref name="payload"/>.</param>
    /// <param name="payload">Offset and length of the payload in <paramref name="bytes"/>; empty except for Payload, Ping, Pong,
    /// Close.</param>
    public FrameEvent Read(Span<byte> bytes, out int consumed, out FieldRange payload)
    {
        consumed = 0;
        payload = default;
        if (Error != FrameError.None) return FrameEvent.Invalid;
        if (_ended)
        {
            consumed = bytes.Length;
            return FrameEvent.NeedMore;
        }
        while (_left == 0)
        {
            var status = FrameHeader.Read(bytes[consumed..], _sender, out var header, out var error);
            if (status == ReadStatus.NeedMore) return FrameEvent.NeedMore;
            if (status == ReadStatus.Invalid) return Fail(error);
            Frames = unchecked(Frames + 1);
            if (header.IsControl) return ReadControl(bytes, header, ref consumed, ref payload);
            error = BeginData(header);
            if (error != FrameError.None) return Fail(error);
            consumed += header.Length;
        }
        int length = (int)Math.Min(_left, bytes.Length - consumed);
        if (length == 0) return FrameEvent.NeedMore;
        payload = new FieldRange(consumed, length);
        if (_sender == FrameSender.Client) _mask = FrameMask.Apply(bytes.Slice(consumed, length), _mask);
        consumed += length;
        _left -= length;
        return FrameEvent.Payload;
    }

    private FrameError BeginData(in FrameHeader header)
    {
        if (header.Opcode == FrameOpcode.Text) return FrameError.Text; // MQTT-6.0.0-1
        if (header.Opcode == FrameOpcode.Continuation != _inMessage)
            return _inMessage ? FrameError.MessageNotFinished : FrameError.NoMessageToContinue;
        if (header.PayloadLength > _maxFrame) return FrameError.FrameTooLarge;
        long before = _inMessage ? _messageLength : 0;
        if (header.PayloadLength > _maxMessage - before) return FrameError.MessageTooLarge;
        _messageLength = before + header.PayloadLength;
        _inMessage = !header.Final;
        _left = header.PayloadLength;
        _mask = header.Mask;
        return FrameError.None;
    }

    private FrameEvent ReadControl(Span<byte> bytes, in FrameHeader header, ref int consumed, ref FieldRange payload)
    {
        int start = consumed + header.Length, length = (int)header.PayloadLength;
        if (bytes.Length - start < length) return FrameEvent.NeedMore;
        var body = bytes.Slice(start, length);
        if (header.IsMasked) FrameMask.Apply(body, header.Mask);
        payload = new FieldRange(start, length);
        consumed = start + length;
        if (header.Opcode != FrameOpcode.Close) return header.Opcode == FrameOpcode.Ping ? FrameEvent.Ping : FrameEvent.Pong;

        var error = ReadClose(body);
        if (error != FrameError.None) return Fail(error);
        _ended = true;
        return FrameEvent.Close;
    }

    /// <summary>5.5.1: empty, or a code and a reason.</summary>
    private FrameError ReadClose(ReadOnlySpan<byte> body)
    {
        CloseCode = CloseCodes.None;
        if (body.IsEmpty) return FrameError.None;
        if (body.Length == 1) return FrameError.CloseCode;
        CloseCode = BinaryPrimitives.ReadUInt16BigEndian(body);
        if (!CloseCodes.IsValid(CloseCode)) return FrameError.CloseCode;
        return Utf8.IsValid(body[2..]) ? FrameError.None : FrameError.CloseReason;
    }

    private FrameEvent Fail(FrameError error)
    {
        Error = error;
        return FrameEvent.Invalid;
    }
}
