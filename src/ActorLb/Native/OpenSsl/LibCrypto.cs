using System.Runtime.InteropServices;

namespace ActorLb.Native.OpenSsl;

/// <summary>The functions of libcrypto that are used, with the C library's own names and blittable parameters.</summary>
internal static unsafe partial class LibCrypto
{
    private const string Library = "libcrypto.so.3";

    // ---- error queue of the thread ----
    [LibraryImport(Library), SuppressGCTransition] internal static partial ulong BIO_number_read(nint bio);
    [LibraryImport(Library), SuppressGCTransition] internal static partial void ERR_clear_error();
    [LibraryImport(Library), SuppressGCTransition] internal static partial nuint ERR_peek_error();
    [LibraryImport(Library)] internal static partial nuint ERR_get_error();
    [LibraryImport(Library)] internal static partial nint ERR_reason_error_string(nuint error);
    [LibraryImport(Library)] internal static partial void ERR_error_string_n(nuint error, byte* buffer, nuint length);

    // ---- memory and data attached to objects ----
    [LibraryImport(Library)] internal static partial nint BIO_new_mem_buf(byte* buffer, int length);
    [LibraryImport(Library)] internal static partial nint BIO_s_mem();
    [LibraryImport(Library)] internal static partial nint BIO_new(nint method);
    [LibraryImport(Library)] internal static partial int BIO_free(nint bio);
    [LibraryImport(Library)] internal static partial nint BIO_ctrl(nint bio, int command, nint number, byte** pointer);
    [LibraryImport(Library)] internal static partial void CRYPTO_free(nint memory, nint file, int line);
    [LibraryImport(Library)]
    internal static partial int CRYPTO_get_ex_new_index(
        int kind, nint number, nint pointer, nint create, nint copy,
        delegate* unmanaged[Cdecl]<nint, nint, nint, int, nint, nint, void> free);

    // ---- PEM ----
    [LibraryImport(Library)] internal static partial nint PEM_read_bio_X509(nint bio, nint result, nint callback, nint argument);
    [LibraryImport(Library)]
    internal static partial nint PEM_read_bio_PrivateKey(
        nint bio, nint result, delegate* unmanaged[Cdecl]<byte*, int, int, nint, int> password, nint argument);
    [LibraryImport(Library)] internal static partial nint PEM_read_bio_X509_CRL(nint bio, nint result, nint callback, nint argument);

    // ---- certificates ----
    [LibraryImport(Library)] internal static partial void X509_free(nint certificate);
    [LibraryImport(Library)] internal static partial void X509_CRL_free(nint list);
    [LibraryImport(Library)] internal static partial void EVP_PKEY_free(nint key);
    [LibraryImport(Library)] internal static partial int X509_STORE_add_cert(nint store, nint certificate);
    [LibraryImport(Library)] internal static partial int X509_STORE_add_crl(nint store, nint list);
    [LibraryImport(Library)] internal static partial int X509_STORE_set_flags(nint store, nuint flags);
    [LibraryImport(Library)] internal static partial int X509_STORE_CTX_get_error(nint verification);
    [LibraryImport(Library)] internal static partial void X509_STORE_CTX_set_error(nint verification, int error);
    [LibraryImport(Library)] internal static partial nint X509_verify_cert_error_string(nint error);
    [LibraryImport(Library)] internal static partial int X509_VERIFY_PARAM_set1_host(nint parameters, byte* name, nuint length);
    [LibraryImport(Library)] internal static partial int X509_VERIFY_PARAM_set1_ip(nint parameters, byte* address, nuint length);
    [LibraryImport(Library)] internal static partial nint X509_get_serialNumber(nint certificate);
    [LibraryImport(Library)] internal static partial nint X509_get_subject_name(nint certificate);
    [LibraryImport(Library)] internal static partial nint X509_get_issuer_name(nint certificate);
    [LibraryImport(Library)] internal static partial nint X509_get0_notBefore(nint certificate);
    [LibraryImport(Library)] internal static partial nint X509_get0_notAfter(nint certificate);
    [LibraryImport(Library)] internal static partial int X509_cmp(nint one, nint other);
    [LibraryImport(Library)] internal static partial int X509_check_issued(nint issuer, nint subject);
    [LibraryImport(Library)] internal static partial int X509_verify(nint certificate, nint key);
    [LibraryImport(Library)] internal static partial int X509_check_private_key(nint certificate, nint key);
    [LibraryImport(Library)] internal static partial int X509_pubkey_digest(nint certificate, nint digest, byte* output, uint* length);
    [LibraryImport(Library)]
    private static partial int X509_get_signature_info(nint certificate, int* digest, int* key, int* securityBits, uint* flags);

    /// <summary>The security level of a certificate's signature; null where OpenSSL does not know it.</summary>
    internal static int? SignatureSecurityBits(nint certificate)
    {
        int bits;
        return X509_get_signature_info(certificate, null, null, &bits, null) == 1 ? bits : null;
    }
    [LibraryImport(Library)] internal static partial nint X509_CRL_get_issuer(nint list);
    [LibraryImport(Library)] internal static partial nint X509_CRL_get0_lastUpdate(nint list);
    [LibraryImport(Library)] internal static partial nint X509_CRL_get0_nextUpdate(nint list);
    [LibraryImport(Library)] internal static partial int X509_CRL_verify(nint list, nint key);
    [LibraryImport(Library)] internal static partial int X509_NAME_cmp(nint one, nint other);
    [LibraryImport(Library)] internal static partial int ASN1_TIME_to_tm(nint time, CertificateDates.Tm* tm);
    [LibraryImport(Library)] internal static partial int X509_digest(nint certificate, nint digest, byte* output, uint* length);
    [LibraryImport(Library)] internal static partial int X509_get_signature_nid(nint certificate);
    [LibraryImport(Library)] internal static partial nint X509_get0_pubkey(nint certificate);
    [LibraryImport(Library)] internal static partial int i2a_ASN1_INTEGER(nint bio, nint number);
    [LibraryImport(Library)] internal static partial int X509_NAME_print_ex(nint bio, nint name, int indent, nuint flags);
    [LibraryImport(Library)] internal static partial int X509_NAME_get_index_by_NID(nint name, int nid, int after);
    [LibraryImport(Library)] internal static partial nint X509_NAME_get_entry(nint name, int index);
    [LibraryImport(Library)] internal static partial nint X509_NAME_ENTRY_get_data(nint entry);
    [LibraryImport(Library)] internal static partial int ASN1_STRING_to_UTF8(byte** output, nint text);
    [LibraryImport(Library)] internal static partial nint OBJ_nid2sn(int nid);
    [LibraryImport(Library)] internal static partial int EVP_PKEY_get_base_id(nint key);
    [LibraryImport(Library)] internal static partial int EVP_PKEY_get_bits(nint key);
    [LibraryImport(Library)] internal static partial int EVP_PKEY_get_security_bits(nint key);
    [LibraryImport(Library)] internal static partial nint EVP_sha1();

    // ---- ciphers and message authentication codes of session tickets ----
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint EVP_CIPHER_fetch(nint library, string algorithm, nint properties);
    [LibraryImport(Library)]
    internal static partial int EVP_CipherInit_ex(nint context, nint cipher, nint engine, byte* key, byte* iv, int encrypt);
    [LibraryImport(Library)] internal static partial int EVP_MAC_CTX_set_params(nint context, OsslParameter* parameters);
    [LibraryImport(Library)] internal static partial int RAND_bytes(byte* buffer, int count);
}

/// <summary>OpenSSL's OSSL_PARAM (openssl/core.h); an array of them ends with one that is all zero.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct OsslParameter
{
    internal const uint Utf8String = 4;
    internal const uint OctetString = 5;

    internal byte* Key;
    internal uint DataType;
    internal byte* Data;
    internal nuint DataSize;
    internal nuint ReturnSize;
}
