namespace ActorLb.Protocol.WebSocket;

/// <summary>
/// Follows frame boundaries through one direction that is relayed unchanged: nothing is unmasked, and only an incomplete header
/// is kept. Checks headers only: payloads of control frames, including the code of a close frame, are not inspected.
/// </summary>
/// <param name="maxFrameSize">Largest payload of a data frame in bytes.</param>
/// <param name="maxMessageSize">Largest payload of a message over all of its fragments; 0 is unlimited.</param>
public struct FrameTracker(FrameSender sender, long maxFrameSize, long maxMessageSize = 0)
{
    private long _left;
    private long _messageLength;

    /// <summary>The bytes of an incomplete header, first byte lowest; a header has up to 14.</summary>
    private UInt128 _partial;

    private byte _partialLength;
    private bool _inMessage;

    /// <summary>Whether the last byte seen ended a frame, or no byte has been seen: a control frame can be inserted here.</summary>
    public readonly bool AtBoundary => _left == 0 && _partialLength == 0;

    /// <summary>Whether the last byte seen, apart from those of an incomplete header, was within a frame.</summary>
    public readonly bool WithinFrame => _left > 0;

    /// <summary>Bytes of an incomplete header at the end of what was seen: until it is complete it is unknown whether it may be passed
    /// on.</summary>
    public readonly int HeaderBegun => _partialLength;

    /// <summary>Copies the <see cref="HeaderBegun"/> bytes.</summary>
    public readonly void CopyHeaderBegun(Span<byte> into)
    {
        Span<byte> bytes = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128LittleEndian(bytes, _partial);
        bytes[.._partialLength].CopyTo(into);
    }

    /// <summary>Whether no message is unfinished either: another message can be inserted here (RFC 6455, 5.4).</summary>
    public readonly bool AtMessageBoundary => AtBoundary && !_inMessage;

    /// <summary>A close frame has begun.</summary>
    public bool CloseSeen { get; private set; }

    public FrameError Error { get; private set; }

    /// <returns>Frames whose last byte is among <paramref name="bytes"/>.</returns>
    public int Advance(ReadOnlySpan<byte> bytes) => Advance(bytes, stopAtMessage: false, out _);

    /// <summary>Advances only to the end of the current message.</summary>
    /// <returns>Bytes up to it; all of them when it does not end here or on an error. 0 when already there.</returns>
    public int AdvanceToMessageBoundary(ReadOnlySpan<byte> bytes)
    {
        if (AtMessageBoundary) return 0;
        Advance(bytes, stopAtMessage: true, out int taken);
        return taken;
    }

    private int Advance(ReadOnlySpan<byte> bytes, bool stopAtMessage, out int taken)
    {
        int completed = 0;
        taken = 0;
        while (taken < bytes.Length)
        {
            if (Error != FrameError.None)
            {
                taken = bytes.Length;
                return completed;
            }
            if (_left > 0)
            {
                int skipped = (int)Math.Min(_left, bytes.Length - taken);
                taken += skipped;
                _left -= skipped;
            }
            else
            {
                taken += TakeHeader(bytes[taken..]);
            }
            if (!AtBoundary || Error != FrameError.None) continue;
            completed++;
            if (stopAtMessage && !_inMessage) return completed;
        }
        return completed;
    }

    /// <summary>Reads a header, starting with the bytes kept of it, if any.</summary>
    /// <returns>Bytes consumed.</returns>
    private int TakeHeader(ReadOnlySpan<byte> bytes)
    {
        if (_partialLength == 0)
        {
            var status = Begin(bytes, out int length);
            if (status == ReadStatus.Done) return length;
            if (status == ReadStatus.Invalid) return bytes.Length;
        }
        Span<byte> joined = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128LittleEndian(joined, _partial);
        int kept = _partialLength;
        int added = Math.Min(FrameHeader.MaxLength - kept, bytes.Length);
        bytes[..added].CopyTo(joined[kept..]);
        var joinedStatus = Begin(joined[..(kept + added)], out int headerLength);
        if (joinedStatus == ReadStatus.Done)
        {
            _partialLength = 0;
            _partial = 0;
            return headerLength - kept;
        }
        joined[(kept + added)..].Clear();
        _partial = System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(joined);
        _partialLength = (byte)(kept + added);
        return added;
    }

    private ReadStatus Begin(ReadOnlySpan<byte> bytes, out int length)
    {
        var status = FrameHeader.Read(bytes, sender, out var header, out var error);
        length = header.Length;
        if (status == ReadStatus.Done)
        {
            error = Check(header);
            if (error != FrameError.None) status = ReadStatus.Invalid;
        }
        // A refused frame does not count as begun.
        if (error != FrameError.None) _left = 0;
        Error = error;
        return status;
    }

    private FrameError Check(in FrameHeader header)
    {
        _left = header.PayloadLength;
        if (header.IsControl)
        {
            CloseSeen |= header.Opcode == FrameOpcode.Close;
            return FrameError.None;
        }
        if (header.Opcode == FrameOpcode.Text) return FrameError.Text;
        if (header.Opcode == FrameOpcode.Continuation != _inMessage)
            return _inMessage ? FrameError.MessageNotFinished : FrameError.NoMessageToContinue;
        if (header.PayloadLength > maxFrameSize) return FrameError.FrameTooLarge;
        long before = _inMessage ? _messageLength : 0;
        if (maxMessageSize > 0 && header.PayloadLength > maxMessageSize - before) return FrameError.MessageTooLarge;
        _messageLength = before + header.PayloadLength;
        _inMessage = !header.Final;
        return FrameError.None;
    }
}
