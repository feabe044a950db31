using System.Collections.Immutable;
using System.Security.Cryptography;

namespace ActorLb.Tls;

/// <summary>
/// One key of session tickets (RFC 5077, section 4), in the two layouts of NGINX's <c>ssl_session_ticket_key</c> files:
/// 80 bytes are name 16, HMAC key 32, AES-256 key 32; 48 bytes are name 16, AES-128 key 16, HMAC key 16.
/// </summary>
internal sealed class TicketKey
{
    internal const int NameLength = 16;
    internal const int LongLength = 80;
    internal const int ShortLength = 48;

    private readonly byte[] _bytes;

    private TicketKey(ReadOnlySpan<byte> bytes) => _bytes = bytes.ToArray();

    internal ReadOnlySpan<byte> Name => _bytes.AsSpan(0, NameLength);

    internal ReadOnlySpan<byte> Aes => IsLong ? _bytes.AsSpan(48, 32) : _bytes.AsSpan(16, 16);

    internal ReadOnlySpan<byte> Hmac => IsLong ? _bytes.AsSpan(16, 32) : _bytes.AsSpan(32, 16);

    internal bool IsLong => _bytes.Length == LongLength;

    /// <summary>The key in its file layout: a secret.</summary>
    internal ReadOnlySpan<byte> Bytes => _bytes;

    internal static TicketKey CreateRandom() => new(RandomNumberGenerator.GetBytes(LongLength));

    /// <summary>
    /// Keys one behind the other, all 80 or all 48 bytes long; 240 bytes are three long ones. The first encrypts, all decrypt.
    /// Empty if the length fits neither.
    /// </summary>
    internal static ImmutableArray<TicketKey> Parse(ReadOnlySpan<byte> bytes)
    {
        int length = bytes.Length % LongLength == 0 ? LongLength : ShortLength;
        if (bytes.Length % length != 0)
        {
            return [];
        }

        var keys = ImmutableArray.CreateBuilder<TicketKey>(bytes.Length / length);
        for (int at = 0; at < bytes.Length; at += length)
        {
            keys.Add(new TicketKey(bytes.Slice(at, length)));
        }

        return keys.MoveToImmutable();
    }
}
