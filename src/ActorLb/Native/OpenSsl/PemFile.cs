using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using ActorLb.Configuration;
using ActorLb.Protocol.Failures;
using ActorLb.Tls;

namespace ActorLb.Native.OpenSsl;

/// <summary>Reads PEM files into OpenSSL's objects. A problem is added to a list and named with the file; it is never thrown.</summary>
internal static unsafe class PemFile
{
    /// <summary>The file's bytes, or null after adding a problem.</summary>
    internal static byte[]? ReadBytes(TlsSetting setting, string path, List<TlsProblem> problems)
    {
        try
        {
            return InputFile.ReadBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string reason = e is FileNotFoundException ? "no such file"
                : e is UnauthorizedAccessException ? "no permission to read it" : FileFailure.Describe(e, path);
            problems.Add(new TlsProblem(setting, path, reason));
            return null;
        }
    }

    /// <summary>All certificates of the file, in its order; the caller frees each. Empty after adding a problem.</summary>
    internal static List<nint> ReadCertificates(TlsSetting setting, string path, byte[] pem, List<TlsProblem> problems) =>
        ReadAll(setting, path, pem, "certificate", &ReadCertificate, &LibCrypto.X509_free, problems);

    /// <summary>All revocation lists of the file; the caller frees each. Empty after adding a problem.</summary>
    internal static List<nint> ReadRevocationLists(string path, byte[] pem, List<TlsProblem> problems) =>
        ReadAll(TlsSetting.Crl, path, pem, "revocation list", &ReadRevocationList, &LibCrypto.X509_CRL_free, problems);

    /// <summary>The private key of the file, which the caller frees; 0 after adding a problem.</summary>
    internal static nint ReadPrivateKey(string path, List<TlsProblem> problems)
    {
        byte[]? pem = ReadBytes(TlsSetting.Key, path, problems);
        if (pem is null)
        {
            return 0;
        }

        try
        {
            fixed (byte* bytes = pem)
            {
                LibCrypto.ERR_clear_error();
                s_passwordAsked = false;
                nint bio = LibCrypto.BIO_new_mem_buf(bytes, pem.Length);
                nint key = LibCrypto.PEM_read_bio_PrivateKey(bio, 0, &OnPassword, 0);
                _ = LibCrypto.BIO_free(bio);
                string? reason = OpenSslErrors.Take();
                if (key == 0)
                {
                    problems.Add(new TlsProblem(TlsSetting.Key, path, s_passwordAsked
                        ? "the key is encrypted; a key without a password is needed"
                        : $"holds no readable PEM private key ({reason})"));
                }

                return key;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pem);
        }
    }

    private static List<nint> ReadAll(
        TlsSetting setting, string path, byte[] pem, string kind,
        delegate* managed<nint, nint> read, delegate* managed<nint, void> free, List<TlsProblem> problems)
    {
        var found = new List<nint>();
        fixed (byte* bytes = pem)
        {
            LibCrypto.ERR_clear_error();
            nint bio = LibCrypto.BIO_new_mem_buf(bytes, pem.Length);
            for (nint item = read(bio); item != 0; item = read(bio))
            {
                found.Add(item);
            }

            _ = LibCrypto.BIO_free(bio);
        }

        // Reading ends with "no start line" at the end of a good file; anything else is a broken entry.
        string? reason = OpenSslErrors.Take();
        if (found.Count > 0 && (reason is null or "no start line"))
        {
            return found;
        }

        problems.Add(new TlsProblem(setting, path, found.Count == 0
            ? $"holds no readable PEM {kind} ({reason ?? "the file is empty"})"
            : $"PEM {kind} number {found.Count + 1} cannot be read ({reason})"));
        foreach (nint item in found)
        {
            free(item);
        }

        found.Clear();
        return found;
    }

    private static nint ReadCertificate(nint bio) => LibCrypto.PEM_read_bio_X509(bio, 0, 0, 0);

    private static nint ReadRevocationList(nint bio) => LibCrypto.PEM_read_bio_X509_CRL(bio, 0, 0, 0);

    [ThreadStatic] private static bool s_passwordAsked;

    // Without a callback OpenSSL would ask on the terminal.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnPassword(byte* buffer, int size, int writing, nint argument)
    {
        s_passwordAsked = true;
        return -1;
    }
}
