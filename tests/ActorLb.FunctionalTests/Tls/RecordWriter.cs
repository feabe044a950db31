using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace ActorLb.FunctionalTests.Tls;

/// <summary>
/// Records of an established TLS 1.2 connection, of any content, which no library sends on demand: AES-128 in GCM (RFC 5288) under
/// the keys that the handshake agreed on (RFC 5246, section 6.3).
/// </summary>
internal sealed partial class RecordWriter
{
    /// <summary>The cipher suites that it knows, as OpenSSL names them.</summary>
    public const string Ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";

    private const int RandomLength = 32;
    private const int MasterLength = 48;
    private const int TagLength = 16;

    private readonly AesGcm _cipher;
    private readonly byte[] _salt;
    private ulong _sequence;

    private RecordWriter(byte[] key, byte[] salt, ulong sequence)
    {
        _cipher = new AesGcm(key, TagLength);
        _salt = salt;
        _sequence = sequence;
    }

    /// <summary>Goes on for the client, which is to write nothing more itself.</summary>
    /// <param name="client">Its handshake is done.</param>
    /// <param name="recordsSent">Under the keys, the Finished message among them.</param>
    public static RecordWriter After(NativeClient client, ulong recordsSent)
    {
        byte[] clientRandom = new byte[RandomLength], serverRandom = new byte[RandomLength], master = new byte[MasterLength];
        nint ssl = client.Tls.Pointer;
        Assert.Equal(RandomLength, (int)SSL_get_client_random(ssl, clientRandom, RandomLength));
        Assert.Equal(RandomLength, (int)SSL_get_server_random(ssl, serverRandom, RandomLength));
        Assert.Equal(MasterLength, (int)SSL_SESSION_get_master_key(SSL_get_session(ssl), master, MasterLength));
        // Keys of client and server, then salts of both.
        byte[] block = Expand(master, [.. "key expansion"u8, .. serverRandom, .. clientRandom], (2 * 16) + (2 * 4));
        return new RecordWriter(block[..16], block[32..36], recordsSent);
    }

    public byte[] Handshake(ReadOnlySpan<byte> content) => Write(22, content);

    public byte[] Data(ReadOnlySpan<byte> content) => Write(23, content);

    private byte[] Write(byte type, ReadOnlySpan<byte> content)
    {
        int length = sizeof(ulong) + content.Length + TagLength;
        byte[] record = [type, 3, 3, (byte)(length >> 8), (byte)length, .. new byte[length]];
        var explicitNonce = record.AsSpan(5, sizeof(ulong));
        BinaryPrimitives.WriteUInt64BigEndian(explicitNonce, _sequence++);
        byte[] associated = [.. explicitNonce, type, 3, 3, (byte)(content.Length >> 8), (byte)content.Length];
        _cipher.Encrypt(
            [.. _salt, .. explicitNonce], content, record.AsSpan(5 + sizeof(ulong), content.Length), record.AsSpan(record.Length - TagLength), associated);
        return record;
    }

    // P_SHA256 of RFC 5246, section 5.
    private static byte[] Expand(byte[] secret, byte[] seed, int count)
    {
        var bytes = new List<byte>();
        for (byte[] a = HMACSHA256.HashData(secret, seed); bytes.Count < count; a = HMACSHA256.HashData(secret, a))
            bytes.AddRange(HMACSHA256.HashData(secret, (byte[])[.. a, .. seed]));
        return [.. bytes[..count]];
    }

    [LibraryImport("libssl.so.3")]
    private static partial nuint SSL_get_client_random(nint ssl, [Out] byte[] into, nuint length);

    [LibraryImport("libssl.so.3")]
    private static partial nuint SSL_get_server_random(nint ssl, [Out] byte[] into, nuint length);

    [LibraryImport("libssl.so.3")]
    private static partial nint SSL_get_session(nint ssl);

    [LibraryImport("libssl.so.3")]
    private static partial nuint SSL_SESSION_get_master_key(nint session, [Out] byte[] into, nuint length);
}
