using System.Buffers.Text;
using System.Security.Cryptography;

namespace ActorLb.Protocol.WebSocket;

/// <summary>Sec-WebSocket-Key and Sec-WebSocket-Accept (RFC 6455, 4.1 and 4.2.2).</summary>
public static class AcceptKey
{
    /// <summary>Sixteen bytes in base64.</summary>
    public const int KeyLength = 24;

    /// <summary>A SHA-1 digest in base64.</summary>
    public const int AcceptLength = 28;

    public const int NonceLength = 16;

    private static ReadOnlySpan<byte> Guid => "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"u8;

    /// <summary>Whether it is the base64 form of sixteen bytes.</summary>
    public static bool IsValidKey(ReadOnlySpan<byte> key)
    {
        Span<byte> nonce = stackalloc byte[NonceLength + 2];
        // The decoder skips white space, but the fixed length rules it out.
        return key.Length == KeyLength
            && Base64.DecodeFromUtf8(key, nonce, out _, out int written) == System.Buffers.OperationStatus.Done
            && written == NonceLength;
    }

    /// <param name="nonce">Sixteen random bytes.</param>
    /// <param name="destination">Receives <see cref="KeyLength"/> bytes.</param>
    public static void WriteKey(ReadOnlySpan<byte> nonce, Span<byte> destination) =>
        Base64.EncodeToUtf8(nonce[..NonceLength], destination, out _, out _);

    /// <param name="key">As in the request.</param>
    /// <param name="destination">Receives <see cref="AcceptLength"/> bytes.</param>
    public static void WriteAccept(ReadOnlySpan<byte> key, Span<byte> destination)
    {
        Span<byte> text = stackalloc byte[KeyLength + Guid.Length];
        key[..KeyLength].CopyTo(text);
        Guid.CopyTo(text[KeyLength..]);
        Span<byte> digest = stackalloc byte[SHA1.HashSizeInBytes];
#pragma warning disable CA5350 // The protocol requires SHA-1, and no security depends on it here.
        SHA1.HashData(text, digest);
#pragma warning restore CA5350
        Base64.EncodeToUtf8(digest, destination, out _, out _);
    }
}
