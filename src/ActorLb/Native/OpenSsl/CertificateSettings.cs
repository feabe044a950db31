using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Tls;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>Puts certificates, keys, trust anchors and revocation lists into a context, and reports what it finds in them.</summary>
internal static unsafe class CertificateSettings
{
    private const int Sha1Length = 20;

    /// <summary>A certificate with its chain, and its key. A context holds one of each kind of key; the handshake chooses.</summary>
    /// <param name="anchors">The file of authorities that peers are known to trust; null is none.</param>
    /// <param name="server">Whether the peer is a client, who mostly has no more than roots.</param>
    internal static void Use(
        SslContextHandle context, string certificatePath, string keyPath, byte[]? anchors, bool server, TlsFindings findings)
    {
        var problems = findings.Problems;
        int before = problems.Count;
        byte[]? pem = PemFile.ReadBytes(TlsSetting.Certificate, certificatePath, problems);
        var chain = pem is null ? [] : PemFile.ReadCertificates(TlsSetting.Certificate, certificatePath, pem, problems);
        nint key = PemFile.ReadPrivateKey(keyPath, problems);
        var trusted = anchors is null ? [] : PemFile.ReadCertificates(TlsSetting.Ca, "", anchors, []);
        try
        {
            if (problems.Count == before)
            {
                CheckKey(chain, key, certificatePath, keyPath, problems);
            }

            if (problems.Count == before)
            {
                UseChain(context, chain, key, certificatePath, keyPath, problems);
            }

            if (problems.Count == before)
            {
                CertificateReview.Chain(chain, trusted, alone: server, certificatePath, findings);
                findings.Dated.AddRange(chain.Select((c, i) => CertificateDates.Of(TlsSetting.Certificate, certificatePath, c) with { IsLeaf = i == 0 }));
            }
        }
        finally
        {
            chain.ForEach(LibCrypto.X509_free);
            trusted.ForEach(LibCrypto.X509_free);
            LibCrypto.EVP_PKEY_free(key);
        }
    }

    /// <summary>The kind of key of a file's first certificate, of which a context holds one; null when it cannot be read.</summary>
    internal static string? KindOf(string certificatePath)
    {
        var ignored = new List<TlsProblem>();
        byte[]? pem = PemFile.ReadBytes(TlsSetting.Certificate, certificatePath, ignored);
        var chain = pem is null ? [] : PemFile.ReadCertificates(TlsSetting.Certificate, certificatePath, pem, ignored);
        nint key = chain.Count == 0 ? 0 : LibCrypto.X509_get0_pubkey(chain[0]);
        string? kind = key == 0 ? null : LibCrypto.EVP_PKEY_get_base_id(key) switch
        {
            KeyRsa => "RSA",
            KeyEc => "ECDSA",
            KeyDsa => "DSA",
            var other => OpenSslErrors.Text(LibCrypto.OBJ_nid2sn(other)),
        };
        chain.ForEach(LibCrypto.X509_free);
        LibCrypto.ERR_clear_error();
        return kind;
    }

    /// <summary>Trust anchors to verify the peer with.</summary>
    /// <param name="announce">Also name them to the client, which chooses its certificate by them.</param>
    internal static void Trust(SslContextHandle context, string path, byte[] pem, bool announce, TlsFindings findings)
    {
        var anchors = PemFile.ReadCertificates(TlsSetting.Ca, path, pem, findings.Problems);
        nint store = LibSsl.SSL_CTX_get_cert_store(context);
        foreach (nint anchor in anchors)
        {
            if (LibCrypto.X509_STORE_add_cert(store, anchor) != 1
                || (announce && LibSsl.SSL_CTX_add_client_CA(context, anchor) != 1))
            {
                findings.Problems.Add(new TlsProblem(TlsSetting.Ca, path, OpenSslErrors.Take() ?? "OpenSSL refuses it"));
            }

            findings.Dated.Add(CertificateDates.Of(TlsSetting.Ca, path, anchor) with { KeyId = KeyIdOf(anchor) });
        }

        CertificateReview.Authorities(context, anchors, path, findings);
        anchors.ForEach(LibCrypto.X509_free);
    }

    /// <summary>Revocation lists; the certificates that <c>crl-check</c> names each need one of their issuer's.</summary>
    /// <param name="authorities">Content of the file of trust anchors.</param>
    internal static void Revoke(SslContextHandle context, ListenerTlsOptions options, byte[] pem, byte[]? authorities, TlsFindings findings)
    {
        string path = options.CrlFile!;
        var lists = PemFile.ReadRevocationLists(path, pem, findings.Problems);
        var anchors = authorities is null ? [] : PemFile.ReadCertificates(TlsSetting.Ca, "", authorities, []);
        nint store = LibSsl.SSL_CTX_get_cert_store(context);
        foreach (nint list in lists)
        {
            if (LibCrypto.X509_STORE_add_crl(store, list) != 1)
            {
                findings.Problems.Add(new TlsProblem(TlsSetting.Crl, path, OpenSslErrors.Take() ?? "OpenSSL refuses it"));
            }

            findings.Dated.Add(CertificateDates.OfList(path, list) with { IsUsedWhenOver = options.CrlExpired == CrlExpired.Warn });
        }

        bool chain = options.CrlCheck == CrlCheck.Chain;
        CertificateReview.RevocationLists(lists, anchors, chain, path, findings);
        _ = LibCrypto.X509_STORE_set_flags(store, chain ? VerifyCrlCheck | VerifyCrlCheckAll : VerifyCrlCheck);
        lists.ForEach(LibCrypto.X509_CRL_free);
        anchors.ForEach(LibCrypto.X509_free);
    }

    /// <summary>For SSL_CTX_set_verify(3): a revocation list past its next update, or before its time, is used all the same.</summary>
    internal static nint TolerateDatesOfLists => (nint)(delegate* unmanaged[Cdecl]<int, nint, int>)&OnVerify;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnVerify(int good, nint verification)
    {
        if (good == 1 || LibCrypto.X509_STORE_CTX_get_error(verification) is not (VerifyErrorCrlNotYetValid or VerifyErrorCrlHasExpired))
        {
            return good;
        }

        // What is left here would be the connection's verify result.
        LibCrypto.X509_STORE_CTX_set_error(verification, 0);
        return 1;
    }

    private static void CheckKey(List<nint> chain, nint key, string certificatePath, string keyPath, List<TlsProblem> problems)
    {
        LibCrypto.ERR_clear_error();
        if (LibCrypto.X509_check_private_key(chain[0], key) == 1)
        {
            return;
        }

        string? reason = OpenSslErrors.Take();
        int owner = chain.FindIndex(c => LibCrypto.X509_check_private_key(c, key) == 1);
        LibCrypto.ERR_clear_error();
        problems.Add(owner < 0
            ? new TlsProblem(TlsSetting.Key, keyPath, $"does not belong to the certificate {certificatePath} ({reason})") { Certificate = certificatePath }
            : new TlsProblem(TlsSetting.Certificate, certificatePath, $"is in the wrong order: the certificate of the key, which must come first, is number {owner + 1}"));
    }

    private static void UseChain(SslContextHandle context, List<nint> chain, nint key, string path, string keyPath, List<TlsProblem> problems)
    {
        LibCrypto.ERR_clear_error();
        bool used = LibSsl.SSL_CTX_use_certificate(context, chain[0]) == 1;
        for (int i = 1; used && i < chain.Count; i++)
        {
            // SSL_CTX_add1_chain_cert: the context takes a reference of its own, for the certificate that it was given last.
            used = context.Control(CtrlChainCertificate, 1, chain[i]);
        }

        if (!used)
        {
            string reason = OpenSslErrors.Take() ?? "OpenSSL refuses it";
            problems.Add(new TlsProblem(TlsSetting.Certificate, path, reason + CertificateReview.Explain(context, reason)));
        }
        else if (LibSsl.SSL_CTX_use_PrivateKey(context, key) != 1)
        {
            problems.Add(new TlsProblem(TlsSetting.Key, keyPath, OpenSslErrors.Take() ?? "OpenSSL refuses it") { Certificate = path });
        }
    }

    private static string KeyIdOf(nint certificate)
    {
        byte* digest = stackalloc byte[Sha1Length];
        uint length = Sha1Length;
        return LibCrypto.X509_pubkey_digest(certificate, LibCrypto.EVP_sha1(), digest, &length) == 1
            ? Convert.ToHexStringLower(new ReadOnlySpan<byte>(digest, Sha1Length))
            : "";
    }
}
