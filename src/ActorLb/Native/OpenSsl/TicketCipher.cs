using ActorLb.Tls;

namespace ActorLb.Native.OpenSsl;

/// <summary>Arms OpenSSL's cipher and MAC for one ticket, as RFC 5077, section 4 recommends: AES-CBC and HMAC-SHA-256.</summary>
internal static unsafe class TicketCipher
{
    private const int IvLength = 16;

    // Fetched once: a lookup by name for every ticket is slow in OpenSSL 3.
    private static readonly nint Aes128 = LibCrypto.EVP_CIPHER_fetch(0, "AES-128-CBC", 0);
    private static readonly nint Aes256 = LibCrypto.EVP_CIPHER_fetch(0, "AES-256-CBC", 0);

    /// <summary>Results of the ticket callback (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)).</summary>
    internal const int Failed = -1;
    internal const int NoKey = 0;
    internal const int Ok = 1;
    internal const int OkRenew = 2;

    internal static int Encrypt(TicketKeyRing ring, byte* name, byte* iv, nint cipher, nint mac)
    {
        var key = ring.ForEncryption();
        if (LibCrypto.RAND_bytes(iv, IvLength) != 1)
        {
            return Failed;
        }

        key.Name.CopyTo(new Span<byte>(name, TicketKey.NameLength));
        return Arm(key, iv, cipher, mac, encrypt: 1) ? Ok : Failed;
    }

    /// <param name="single">The ticket may be used once (RFC 8446, section 4.6.1 and appendix C.4): the client gets another.</param>
    internal static int Decrypt(TicketKeyRing ring, byte* name, byte* iv, nint cipher, nint mac, bool single)
    {
        var key = ring.ForDecryption(new ReadOnlySpan<byte>(name, TicketKey.NameLength), out bool renew);
        if (key is null)
        {
            return NoKey;
        }

        return !Arm(key, iv, cipher, mac, encrypt: 0) ? Failed : renew || single ? OkRenew : Ok;
    }

    private static bool Arm(TicketKey key, byte* iv, nint cipher, nint mac, int encrypt)
    {
        fixed (byte* aes = key.Aes, hmac = key.Hmac, keyName = "key\0"u8, digestName = "digest\0"u8, digest = "SHA256\0"u8)
        {
            var parameters = stackalloc OsslParameter[3];
            parameters[0] = new OsslParameter
            {
                Key = keyName,
                DataType = OsslParameter.OctetString,
                Data = hmac,
                DataSize = (nuint)key.Hmac.Length,
            };
            parameters[1] = new OsslParameter
            {
                Key = digestName,
                DataType = OsslParameter.Utf8String,
                Data = digest,
                DataSize = 6,
            };
            parameters[2] = default;
            return LibCrypto.EVP_CipherInit_ex(cipher, key.IsLong ? Aes256 : Aes128, 0, aes, iv, encrypt) == 1
                && LibCrypto.EVP_MAC_CTX_set_params(mac, parameters) == 1;
        }
    }
}
