using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ActorLb.Protocol.WebSocket;

/// <summary>
/// Writes frames. A null mask writes a server's frame; a client passes four unpredictable bytes for each frame (RFC 6455, 5.3)
/// and applies <see cref="FrameMask.Apply"/> with them to a payload that it writes itself.
/// </summary>
public static class FrameWriter
{
    public const int MaxHeaderLength = FrameHeader.MaxLength;

    /// <summary>Longest control frame: header, mask, payload.</summary>
    public const int MaxControlLength = 2 + 4 + FrameHeader.MaxControlPayload;

    /// <summary>Longest payload of a ping, pong or close.</summary>
    public const int MaxControlPayload = FrameHeader.MaxControlPayload;

    /// <summary>Bytes of the header in front of a payload of this length.</summary>
    public static int HeaderLength(long payloadLength, bool masked) =>
        2 + (payloadLength < 126 ? 0 : payloadLength <= ushort.MaxValue ? 2 : 8) + (masked ? 4 : 0);

    /// <summary>Header of an unfragmented binary frame.</summary>
    /// <returns>Bytes written.</returns>
    public static int WriteBinaryHeader(Span<byte> destination, long payloadLength, uint? mask = null) =>
        WriteHeader(destination, FrameOpcode.Binary, payloadLength, mask);

    /// <param name="final">False starts or continues a fragmented message.</param>
    /// <returns>Bytes written.</returns>
    public static int WriteHeader(Span<byte> destination, FrameOpcode opcode, long payloadLength, uint? mask = null, bool final = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(payloadLength);
        destination[0] = (byte)((final ? 0x80 : 0) | (int)opcode);
        int maskBit = mask is null ? 0 : 0x80;
        int at = 2;
        if (payloadLength < 126)
        {
            destination[1] = (byte)(maskBit | (int)payloadLength);
        }
        else if (payloadLength <= ushort.MaxValue)
        {
            destination[1] = (byte)(maskBit | 126);
            BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)payloadLength);
            at = 4;
        }
        else
        {
            destination[1] = (byte)(maskBit | 127);
            BinaryPrimitives.WriteUInt64BigEndian(destination[2..], (ulong)payloadLength);
            at = 10;
        }
        if (mask is not uint key) return at;
        MemoryMarshal.Write(destination[at..], key);
        return at + 4;
    }

    /// <summary>A complete frame; the payload is masked while copying when there is a mask.</summary>
    /// <param name="payload">At most <see cref="MaxControlPayload"/> bytes for a control frame.</param>
    /// <returns>Bytes written.</returns>
    public static int Write(Span<byte> destination, FrameOpcode opcode, ReadOnlySpan<byte> payload, uint? mask = null)
    {
        if (opcode >= FrameOpcode.Close) ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, MaxControlPayload, nameof(payload));
        int at = WriteHeader(destination, opcode, payload.Length, mask);
        var body = destination.Slice(at, payload.Length);
        payload.CopyTo(body);
        if (mask is uint key) FrameMask.Apply(body, key);
        return at + payload.Length;
    }

    /// <param name="code">One of <see cref="CloseCodes"/>; <see cref="CloseCodes.None"/> writes an empty frame.</param>
    /// <returns>Bytes written, at most 8.</returns>
    public static int WriteClose(Span<byte> destination, ushort code, uint? mask = null)
    {
        if (code == CloseCodes.None) return Write(destination, FrameOpcode.Close, default, mask);
        Span<byte> body = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(body, code);
        return Write(destination, FrameOpcode.Close, body, mask);
    }
}
