using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ActorLb.Protocol.WebSocket;

/// <summary>RFC 6455, 5.2.</summary>
public enum FrameOpcode : byte
{
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// <summary>Who sent the frames: a client's are masked, a server's are not (RFC 6455, 5.1).</summary>
public enum FrameSender : byte { Client, Server }

/// <summary>Why frames are refused. The numbers are stable: they appear in logs and metrics.</summary>
public enum FrameError : byte
{
    None = 0,
    ReservedBits = 1,
    Opcode = 2,
    Mask = 3,
    Length = 4,
    ControlLength = 5,
    ControlFragment = 6,
    NoMessageToContinue = 7,
    MessageNotFinished = 8,
    Text = 9,
    FrameTooLarge = 10,
    MessageTooLarge = 11,
    CloseCode = 12,
    CloseReason = 13,
}

public static class FrameErrors
{
    /// <summary>One clause for logs.</summary>
    public static string Text(this FrameError error) => error switch
    {
        FrameError.None => "no error",
        FrameError.ReservedBits => "a frame sets reserved bits",
        FrameError.Opcode => "a frame's opcode is reserved",
        FrameError.Mask => "a client's frame is unmasked or a server's is masked",
        FrameError.Length => "a frame's length is not in its shortest form or above 2^63",
        FrameError.ControlLength => "a control frame is longer than 125 bytes",
        FrameError.ControlFragment => "a control frame is fragmented",
        FrameError.NoMessageToContinue => "a continuation frame has no message to continue",
        FrameError.MessageNotFinished => "a message begins before the last one ended",
        FrameError.Text => "a text frame was received; MQTT requires binary frames",
        FrameError.FrameTooLarge => "a frame is larger than max-frame-size",
        FrameError.MessageTooLarge => "a message is larger than max-message-size",
        FrameError.CloseCode => "a close frame's code is malformed",
        FrameError.CloseReason => "a close frame's reason is not UTF-8",
        _ => "unknown error",
    };

    /// <summary>Close code to answer with (RFC 6455, 7.4.1).</summary>
    public static ushort CloseCodeFor(FrameError error) => error switch
    {
        FrameError.None => CloseCodes.Normal,
        FrameError.Text => CloseCodes.UnacceptableData,
        FrameError.FrameTooLarge or FrameError.MessageTooLarge => CloseCodes.TooBig,
        FrameError.CloseReason => CloseCodes.InvalidPayload,
        _ => CloseCodes.ProtocolError,
    };
}

/// <summary>RFC 6455, 7.4.1.</summary>
public static class CloseCodes
{
    public const ushort Normal = 1000;
    public const ushort GoingAway = 1001;
    public const ushort ProtocolError = 1002;
    public const ushort UnacceptableData = 1003;

    /// <summary>Stands for a close frame without a code; never sent.</summary>
    public const ushort None = 1005;
    public const ushort InvalidPayload = 1007;
    public const ushort PolicyViolation = 1008;
    public const ushort TooBig = 1009;
    public const ushort InternalError = 1011;

    /// <summary>Registered with IANA: the server is overloaded or restarting.</summary>
    public const ushort ServiceRestart = 1012;
    public const ushort TryAgainLater = 1013;

    /// <summary>Whether a code is allowed in a close frame (7.4.1, 7.4.2).</summary>
    public static bool IsValid(int code) => code is >= 1000 and <= 1014 and not (1004 or 1005 or 1006) or >= 3000 and <= 4999;
}

/// <summary>Header of a frame (RFC 6455, 5.2).</summary>
internal struct FrameHeader
{
    /// <summary>Two bytes, eight of a length, four of a mask.</summary>
    public const int MaxLength = 14;

    /// <summary>Longest payload of a control frame (5.5).</summary>
    public const int MaxControlPayload = 125;

    public FrameOpcode Opcode;
    public bool Final;
    public bool IsMasked;

    /// <summary>Bytes of the header.</summary>
    public int Length;

    public long PayloadLength;

    /// <summary>Mask bytes in memory order.</summary>
    public uint Mask;

    public readonly bool IsControl => Opcode >= FrameOpcode.Close;

    /// <summary>Errors visible in the first two bytes are reported before the rest arrives.</summary>
    public static ReadStatus Read(ReadOnlySpan<byte> bytes, FrameSender sender, out FrameHeader header, out FrameError error)
    {
        header = default;
        error = FrameError.None;
        if (bytes.IsEmpty) return ReadStatus.NeedMore;
        error = CheckFirst(bytes[0], ref header);
        if (error != FrameError.None) return ReadStatus.Invalid;
        if (bytes.Length < 2) return ReadStatus.NeedMore;
        error = CheckSecond(bytes[1], sender, ref header, out int lengthBytes);
        if (error != FrameError.None) return ReadStatus.Invalid;

        header.Length = 2 + lengthBytes + (header.IsMasked ? 4 : 0);
        if (bytes.Length < 2 + lengthBytes) return ReadStatus.NeedMore;
        ulong length = lengthBytes switch
        {
            0 => (uint)(bytes[1] & 0x7F),
            2 => BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
            _ => BinaryPrimitives.ReadUInt64BigEndian(bytes[2..]),
        };
        if (length > long.MaxValue || (lengthBytes == 2 && length < 126) || (lengthBytes == 8 && length <= ushort.MaxValue))
        {
            error = FrameError.Length;
            return ReadStatus.Invalid;
        }
        header.PayloadLength = (long)length;
        if (bytes.Length < header.Length) return ReadStatus.NeedMore;
        if (header.IsMasked) header.Mask = MemoryMarshal.Read<uint>(bytes[(2 + lengthBytes)..]);
        return ReadStatus.Done;
    }

    private static FrameError CheckFirst(byte first, ref FrameHeader header)
    {
        header.Final = (first & 0x80) != 0;
        header.Opcode = (FrameOpcode)(first & 0x0F);
        if ((first & 0x70) != 0) return FrameError.ReservedBits;
        if (header.Opcode is > FrameOpcode.Binary and < FrameOpcode.Close or > FrameOpcode.Pong) return FrameError.Opcode;
        return header.IsControl && !header.Final ? FrameError.ControlFragment : FrameError.None;
    }

    private static FrameError CheckSecond(byte second, FrameSender sender, ref FrameHeader header, out int lengthBytes)
    {
        header.IsMasked = (second & 0x80) != 0;
        int length = second & 0x7F;
        lengthBytes = length switch { 126 => 2, 127 => 8, _ => 0 };
        if (header.IsMasked != (sender == FrameSender.Client)) return FrameError.Mask;
        return header.IsControl && length > MaxControlPayload ? FrameError.ControlLength : FrameError.None;
    }
}
