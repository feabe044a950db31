using System.Text;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>Fields of an X509* as text, in the forms that NGINX's variables and HAProxy's PROXY headers have.</summary>
internal static unsafe class CertificateText
{
    private const int Sha1Length = 20;

    internal static PeerCertificate Read(nint certificate) => new(
        Serial(certificate), Name(LibCrypto.X509_get_subject_name(certificate)), CommonName(certificate), Fingerprint(certificate),
        SignatureAlgorithm(certificate), KeyAlgorithm(certificate));

    internal static string? CommonName(nint certificate)
    {
        nint name = LibCrypto.X509_get_subject_name(certificate);
        int index = LibCrypto.X509_NAME_get_index_by_NID(name, NidCommonName, -1);
        if (index < 0)
        {
            return null;
        }

        byte* text;
        int length = LibCrypto.ASN1_STRING_to_UTF8(&text, LibCrypto.X509_NAME_ENTRY_get_data(LibCrypto.X509_NAME_get_entry(name, index)));
        if (length < 0)
        {
            LibCrypto.ERR_clear_error();
            return null;
        }

        string value = Encoding.UTF8.GetString(text, length);
        LibCrypto.CRYPTO_free((nint)text, 0, 0);
        return value;
    }

    internal static string? SignatureAlgorithm(nint certificate)
    {
        int nid = LibCrypto.X509_get_signature_nid(certificate);
        return nid == 0 ? null : OpenSslErrors.Text(LibCrypto.OBJ_nid2sn(nid));
    }

    internal static string? KeyAlgorithm(nint certificate)
    {
        nint key = LibCrypto.X509_get0_pubkey(certificate);
        if (key == 0)
        {
            LibCrypto.ERR_clear_error();
            return null;
        }

        int bits = LibCrypto.EVP_PKEY_get_bits(key);
        return LibCrypto.EVP_PKEY_get_base_id(key) switch
        {
            KeyRsa => $"RSA{bits}",
            KeyEc => $"EC{bits}",
            KeyDsa => $"DSA{bits}",
            _ => null,
        };
    }

    private static string Serial(nint certificate)
    {
        nint bio = LibCrypto.BIO_new(LibCrypto.BIO_s_mem());
        _ = LibCrypto.i2a_ASN1_INTEGER(bio, LibCrypto.X509_get_serialNumber(certificate));
        return TakeText(bio);
    }

    /// <summary>A distinguished name.</summary>
    internal static string Name(nint name)
    {
        nint bio = LibCrypto.BIO_new(LibCrypto.BIO_s_mem());
        _ = LibCrypto.X509_NAME_print_ex(bio, name, 0, NameRfc2253);
        return TakeText(bio);
    }

    private static string Fingerprint(nint certificate)
    {
        byte* digest = stackalloc byte[Sha1Length];
        uint length = Sha1Length;
        return LibCrypto.X509_digest(certificate, LibCrypto.EVP_sha1(), digest, &length) == 1
            ? Convert.ToHexStringLower(new ReadOnlySpan<byte>(digest, Sha1Length))
            : "";
    }

    private static string TakeText(nint bio)
    {
        byte* text;
        nint length = LibCrypto.BIO_ctrl(bio, BioControlInfo, 0, &text);
        string value = Encoding.UTF8.GetString(text, (int)length);
        _ = LibCrypto.BIO_free(bio);
        return value;
    }
}
