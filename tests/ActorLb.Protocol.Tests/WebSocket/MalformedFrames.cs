using ActorLb.Protocol.WebSocket;

namespace ActorLb.Protocol.Tests.WebSocket;

/// <summary>Frames from a client that must be refused, and why.</summary>
public sealed record MalformedFrame(string Name, byte[] Bytes, FrameError Expected)
{
    /// <summary>Bytes before the bad frame, which is the last, and the data that the good frames there hold.</summary>
    public (int Length, byte[] Payload) Good
    {
        get
        {
            List<byte> payload = [];
            int start = 0;
            while (Bytes.Length - start >= 4 && (Bytes[start + 1] & 0x7F) != 127)
            {
                int length = Bytes[start + 1] & 0x7F, mask = start + 2;
                if (length == 126)
                {
                    length = (Bytes[start + 2] << 8) | Bytes[start + 3];
                    mask += 2;
                }
                int body = mask + 4, end = body + length;
                if (end >= Bytes.Length) break;
                if ((Bytes[start] & 0x08) == 0)
                {
                    for (int i = 0; i < length; i++) payload.Add((byte)(Bytes[body + i] ^ Bytes[mask + (i & 3)]));
                }
                start = end;
            }
            return (start, [.. payload]);
        }
    }

    public override string ToString() => Name;
}

/// <summary>
/// What a client may send behind its upgrade and no broker may see; limits: frames of 64 KiB, messages of 128 KiB. Other test
/// projects link this file; it needs only the protocol library.
/// </summary>
public static class MalformedFrames
{
    public const int MaxFrameSize = 64 << 10;
    public const int MaxMessageSize = 128 << 10;

    public static readonly IReadOnlyList<MalformedFrame> All =
    [
        new("first reserved bit", Masked(0xC2, [1]), FrameError.ReservedBits),
        new("second reserved bit", Masked(0xA2, [1]), FrameError.ReservedBits),
        new("third reserved bit", Masked(0x92, [1]), FrameError.ReservedBits),
        new("reserved bit on a ping", Masked(0xC9, [1]), FrameError.ReservedBits),
        .. Enumerable.Range(3, 5).Concat(Enumerable.Range(11, 5))
            .Select(o => new MalformedFrame($"opcode {o}", Masked((byte)(0x80 | o), [1]), FrameError.Opcode)),
        new("binary not masked", [0x82, 1, 7], FrameError.Mask),
        new("ping not masked", [0x89, 0], FrameError.Mask),
        new("close not masked", [0x88, 2, 3, 0xE8], FrameError.Mask),
        new("empty binary not masked", [0x82, 0], FrameError.Mask),
        new("length 125 in two bytes", [0x82, 0xFE, 0, 125, 1, 2, 3, 4], FrameError.Length),
        new("length 0 in two bytes", [0x82, 0xFE, 0, 0, 1, 2, 3, 4], FrameError.Length),
        new("length 65,535 in eight bytes", [0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3, 4], FrameError.Length),
        new("length with the highest bit", [0x82, 0xFF, 0x80, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], FrameError.Length),
        new("length of all ones", [0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4], FrameError.Length),
        new("ping of 126 bytes", [0x89, 0xFE, 0, 126, 1, 2, 3, 4], FrameError.ControlLength),
        new("pong with a length of eight bytes", [0x8A, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0], FrameError.ControlLength),
        new("close of 126 bytes", [0x88, 0xFE, 0, 126], FrameError.ControlLength),
        new("ping fragment", Masked(0x09, [1]), FrameError.ControlFragment),
        new("pong fragment", Masked(0x0A, [1]), FrameError.ControlFragment),
        new("close fragment", Masked(0x08, [3, 0xE8]), FrameError.ControlFragment),
        new("continuation first", Masked(0x80, [1]), FrameError.NoMessageToContinue),
        new("continuation without end first", Masked(0x00, [1]), FrameError.NoMessageToContinue),
        new("continuation behind a whole message", [.. Masked(0x82, [1]), .. Masked(0x80, [2])], FrameError.NoMessageToContinue),
        new("continuation behind the last fragment",
            [.. Masked(0x02, [1]), .. Masked(0x80, [2]), .. Masked(0x80, [3])], FrameError.NoMessageToContinue),
        new("binary within a message", [.. Masked(0x02, [1]), .. Masked(0x82, [2])], FrameError.MessageNotFinished),
        new("binary within a message behind a ping",
            [.. Masked(0x02, [1]), .. Masked(0x89, []), .. Masked(0x82, [2])], FrameError.MessageNotFinished),
        new("text", Masked(0x81, "hello"u8), FrameError.Text),
        new("text fragment", Masked(0x01, "hello"u8), FrameError.Text),
        new("empty text", Masked(0x81, []), FrameError.Text),
        new("text behind binary", [.. Masked(0x82, [1]), .. Masked(0x81, [2])], FrameError.Text),
        new("one byte too large", [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4], FrameError.FrameTooLarge),
        new("exabytes", [0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4], FrameError.FrameTooLarge),
        new("message one byte too large", [
            .. Masked(0x02, new byte[65535]), .. Masked(0x00, new byte[65535]), .. Masked(0x00, [1, 2]), .. Masked(0x80, [3])],
            FrameError.MessageTooLarge),
        new("close with one byte", Masked(0x88, [3]), FrameError.CloseCode),
        new("close 0", Masked(0x88, [0, 0]), FrameError.CloseCode),
        new("close 999", Masked(0x88, [3, 0xE7]), FrameError.CloseCode),
        new("close 1004", Masked(0x88, [3, 0xEC]), FrameError.CloseCode),
        new("close 1005", Masked(0x88, [3, 0xED]), FrameError.CloseCode),
        new("close 1006", Masked(0x88, [3, 0xEE]), FrameError.CloseCode),
        new("close 1015", Masked(0x88, [3, 0xF7]), FrameError.CloseCode),
        new("close 2999", Masked(0x88, [0x0B, 0xB7]), FrameError.CloseCode),
        new("close 5000", Masked(0x88, [0x13, 0x88]), FrameError.CloseCode),
        new("close with a reason that is not UTF-8", Masked(0x88, [3, 0xE8, 0xFF]), FrameError.CloseReason),
    ];

    /// <summary>A frame as a client sends it, of at most 65,535 bytes.</summary>
    public static byte[] Masked(byte first, ReadOnlySpan<byte> payload)
    {
        byte[] mask = [0x37, 0xFA, 0x21, 0x3D];
        byte[] length = payload.Length < 126
            ? [(byte)(0x80 | payload.Length)]
            : [0xFE, (byte)(payload.Length >> 8), (byte)payload.Length];
        byte[] body = payload.ToArray();
        for (int i = 0; i < body.Length; i++) body[i] ^= mask[i & 3];
        return [first, .. length, .. mask, .. body];
    }
}
