using System.Buffers.Binary;
using System.Text;
using ActorLb.Protocol.Tests.WebSocket;

namespace ActorLb.FunctionalTests.WebSocket;

/// <summary>A WebSocket client's bytes, written out by hand (RFC 6455, sections 4.1 and 5.2).</summary>
internal static class WebSocketBytes
{
    public static byte[] Upgrade { get; } = Encoding.ASCII.GetBytes(MalformedUpgrades.Valid);

    /// <summary>Settings of the listener that takes <see cref="Upgrade"/>.</summary>
    public const string Listener =
        $"websocket {{ path = \"{MalformedUpgrades.Path}\", hosts = [\"{MalformedUpgrades.Host}\"], origins = [\"{MalformedUpgrades.Origin}\"], max-frame-size = 64KiB, max-message-size = 128KiB }}\n";

    public static byte[] Binary(ReadOnlySpan<byte> payload) => MalformedFrames.Masked(0x82, payload);

    /// <summary>The answer's head, with its empty line, and what came behind it.</summary>
    public static (string Head, byte[] Body) Split(byte[] answer)
    {
        int end = answer.AsSpan().IndexOf("\r\n\r\n"u8);
        return end < 0 ? (Encoding.ASCII.GetString(answer), []) : (Encoding.ASCII.GetString(answer, 0, end + 4), answer[(end + 4)..]);
    }

    /// <summary>The frames of a server, which are not masked.</summary>
    public static IEnumerable<(byte First, byte[] Payload)> Frames(byte[] bytes)
    {
        for (int at = 0; at < bytes.Length;)
        {
            byte first = bytes[at];
            long length = bytes[at + 1];
            Assert.Equal(0, length & 0x80);
            at += 2;
            if (length == 126)
            {
                length = BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at));
                at += 2;
            }
            else if (length == 127)
            {
                length = BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(at));
                at += 8;
            }

            yield return (first, bytes[at..(at + (int)length)]);
            at += (int)length;
        }
    }

    /// <summary>The code of the close frame, which must be the last; 0 without one.</summary>
    public static int CloseCode(byte[] bytes)
    {
        var frames = Frames(bytes).ToArray();
        return frames is [.., (0x88, { Length: >= 2 } payload)] ? BinaryPrimitives.ReadUInt16BigEndian(payload) : 0;
    }
}
