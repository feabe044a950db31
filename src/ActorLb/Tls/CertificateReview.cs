using ActorLb.Native.OpenSsl;

namespace ActorLb.Tls;

/// <summary>Looks for what OpenSSL takes without a word and peers then refuse: chains that lead nowhere, keys and signatures too weak for the
/// security level, revocation lists that do not fit the authorities.</summary>
internal static class CertificateReview
{
    /// <summary>Bits of security that each level asks for (SSL_CTX_set_security_level(3)).</summary>
    private static readonly int[] LevelBits = [0, 80, 112, 128, 192, 256];

    /// <param name="chain">Of a file, in its order.</param>
    /// <param name="anchors">Authorities that peers are known to have; a certificate of theirs needs no chain.</param>
    /// <param name="alone">Whether to warn of a certificate without a chain.</param>
    internal static void Chain(IReadOnlyList<nint> chain, IReadOnlyList<nint> anchors, bool alone, string path, TlsFindings findings)
    {
        if (chain.Count == 1)
        {
            if (!alone || Issued(chain[0], chain[0]) || anchors.Any(a => Issued(a, chain[0])))
            {
                return;
            }

            findings.Warn(TlsSetting.Certificate, path,
                $"holds no chain: clients that do not trust '{CertificateText.Name(LibCrypto.X509_get_issuer_name(chain[0]))}' itself need its certificate behind this one");
            return;
        }

        for (int i = 1; i < chain.Count; i++)
        {
            if (Issued(chain[i], chain[i - 1]))
            {
                continue;
            }

            string one = $"holds '{CertificateText.Name(LibCrypto.X509_get_subject_name(chain[i]))}' as number {i + 1}";
            if (chain.Take(i).Any(c => LibCrypto.X509_cmp(c, chain[i]) == 0))
            {
                findings.Warn(TlsSetting.Certificate, path, $"{one}, which it held before");
            }
            else if (chain.Any(c => c != chain[i] && (Issued(c, chain[i]) || Issued(chain[i], c))))
            {
                findings.Warn(TlsSetting.Certificate, path, $"{one} in the wrong order: each certificate must be signed by the next");
            }
            else
            {
                findings.Warn(TlsSetting.Certificate, path, $"{one}, which is unrelated: it has signed none of the others");
            }

            return;
        }
    }

    /// <summary>Authorities that the context's security level refuses as parts of a peer's chain.</summary>
    internal static void Authorities(SslContextHandle context, IReadOnlyList<nint> anchors, string path, TlsFindings findings)
    {
        int level = LibSsl.SSL_CTX_get_security_level(context);
        int wanted = LevelBits[Math.Clamp(level, 0, LevelBits.Length - 1)];
        foreach (nint anchor in anchors)
        {
            string? weak = Weakness(anchor, wanted);
            if (weak is not null)
            {
                findings.Warn(TlsSetting.Ca, path,
                    $"holds '{CertificateText.Name(LibCrypto.X509_get_subject_name(anchor))}', {weak} for security level {level}: its certificates are refused");
            }
        }
    }

    /// <param name="chain">Whether every certificate of a chain is looked up, or a client's own alone.</param>
    internal static void RevocationLists(
        IReadOnlyList<nint> lists, IReadOnlyList<nint> anchors, bool chain, string path, TlsFindings findings)
    {
        foreach (nint list in lists)
        {
            nint issuer = LibCrypto.X509_CRL_get_issuer(list);
            var named = anchors.Where(a => LibCrypto.X509_NAME_cmp(issuer, LibCrypto.X509_get_subject_name(a)) == 0).ToList();
            if (named.Count == 0)
            {
                findings.Warn(TlsSetting.Crl, path, $"holds the list of '{CertificateText.Name(issuer)}', which is none of client-ca's authorities");
            }
            else if (!named.Any(a => LibCrypto.X509_CRL_verify(list, LibCrypto.X509_get0_pubkey(a)) == 1))
            {
                findings.Warn(TlsSetting.Crl, path, $"holds a list of '{CertificateText.Name(issuer)}' that its key has not signed: all clients with its certificates are refused");
            }
        }

        foreach (nint anchor in anchors)
        {
            nint name = LibCrypto.X509_get_subject_name(anchor);
            if (lists.Any(l => LibCrypto.X509_NAME_cmp(name, LibCrypto.X509_CRL_get_issuer(l)) == 0))
            {
                continue;
            }

            // An authority that signs others is taken to sign no clients.
            if (chain || !anchors.Any(a => a != anchor && Issued(anchor, a)))
            {
                findings.Warn(TlsSetting.Crl, path, $"holds no list of '{CertificateText.Name(name)}' of client-ca: all clients with its certificates are refused");
            }
        }

        LibCrypto.ERR_clear_error();
    }

    /// <summary>What OpenSSL's words mean where the security level refuses a certificate of one's own; empty for other reasons.</summary>
    internal static string Explain(SslContextHandle context, string reason)
    {
        if (!reason.Contains("too small", StringComparison.Ordinal) && !reason.Contains("too weak", StringComparison.Ordinal))
        {
            return "";
        }

        int level = LibSsl.SSL_CTX_get_security_level(context);
        return $": security level {level} of the ciphers asks for {LevelBits[Math.Clamp(level, 0, 5)]} bits, which RSA1024 and SHA1 do not have above level 0 and 1";
    }

    private static bool Issued(nint issuer, nint subject)
    {
        bool issued = LibCrypto.X509_check_issued(issuer, subject) == 0 && LibCrypto.X509_verify(subject, LibCrypto.X509_get0_pubkey(issuer)) == 1;
        LibCrypto.ERR_clear_error();
        return issued;
    }

    private static string? Weakness(nint certificate, int wanted)
    {
        nint key = LibCrypto.X509_get0_pubkey(certificate);
        if (key != 0 && LibCrypto.EVP_PKEY_get_security_bits(key) < wanted)
        {
            return $"whose key ({CertificateText.KeyAlgorithm(certificate)}) is too small";
        }

        // Nobody looks at the signature of what is trusted anyway.
        bool weak = !Issued(certificate, certificate) && LibCrypto.SignatureSecurityBits(certificate) < wanted;
        LibCrypto.ERR_clear_error();
        return weak ? $"whose signature ({CertificateText.SignatureAlgorithm(certificate)}) is too weak" : null;
    }
}
