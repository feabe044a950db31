using System.Collections.Immutable;
using ActorLb.Configuration;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>Puts certificates, keys, trust anchors and revocation lists into a context. Problems are added to a list.</summary>
internal static class CertificateSettings
{
    /// <summary>The context's own certificate with its chain, and its key.</summary>
    internal static CertificateInfo? Use(SslContextHandle context, string certificatePath, string keyPath, List<TlsProblem> problems)
    {
        var before = problems.Count;
        var pem = PemFile.ReadBytes(TlsSetting.Certificate, certificatePath, problems);
        var chain = pem is null ? [] : PemFile.ReadCertificates(TlsSetting.Certificate, certificatePath, pem, problems);
        var key = PemFile.ReadPrivateKey(keyPath, problems);
        try
        {
            if (problems.Count == before)
            {
                UseChain(context, chain, certificatePath, problems);
            }

            if (problems.Count == before)
            {
                UseKey(context, key, certificatePath, keyPath, problems);
            }
        }
        finally
        {
            chain.ForEach(LibCrypto.X509_free);
            LibCrypto.EVP_PKEY_free(key);
        }

        return problems.Count == before ? CertificateInfo.Read(certificatePath, pem!, problems) : null;
    }

    /// <summary>Trust anchors to verify the peer with.</summary>
    /// <param name="announce">Also name them to the client, which chooses its certificate by them.</param>
    internal static void Trust(SslContextHandle context, string path, byte[] pem, bool announce, List<TlsProblem> problems)
    {
        var anchors = PemFile.ReadCertificates(TlsSetting.Ca, path, pem, problems);
        var store = LibSsl.SSL_CTX_get_cert_store(context);
        foreach (var anchor in anchors)
        {
            if (LibCrypto.X509_STORE_add_cert(store, anchor) != 1
                || (announce && LibSsl.SSL_CTX_add_client_CA(context, anchor) != 1))
            {
                problems.Add(new TlsProblem(TlsSetting.Ca, path, OpenSslErrors.Take() ?? "OpenSSL refuses it"));
            }

            LibCrypto.X509_free(anchor);
        }
    }

    /// <summary>Revocation lists; with them every certificate of a chain but the root needs one, as in NGINX.</summary>
    internal static void Revoke(SslContextHandle context, string path, byte[] pem, List<TlsProblem> problems)
    {
        var lists = PemFile.ReadRevocationLists(path, pem, problems);
        var store = LibSsl.SSL_CTX_get_cert_store(context);
        foreach (var list in lists)
        {
            if (LibCrypto.X509_STORE_add_crl(store, list) != 1)
            {
                problems.Add(new TlsProblem(TlsSetting.Crl, path, OpenSslErrors.Take() ?? "OpenSSL refuses it"));
            }

            LibCrypto.X509_CRL_free(list);
        }

        _ = LibCrypto.X509_STORE_set_flags(store, VerifyCrlCheckAll);
    }

    private static void UseChain(SslContextHandle context, List<nint> chain, string path, List<TlsProblem> problems)
    {
        LibCrypto.ERR_clear_error();
        var used = LibSsl.SSL_CTX_use_certificate(context, chain[0]) == 1;
        for (var i = 1; used && i < chain.Count; i++)
        {
            // SSL_CTX_add1_chain_cert: the context takes a reference of its own.
            used = context.Control(CtrlChainCertificate, 1, chain[i]);
        }

        if (!used)
        {
            problems.Add(new TlsProblem(TlsSetting.Certificate, path, OpenSslErrors.Take() ?? "OpenSSL refuses it"));
        }
    }

    private static void UseKey(SslContextHandle context, nint key, string certificatePath, string keyPath, List<TlsProblem> problems)
    {
        LibCrypto.ERR_clear_error();
        if (LibSsl.SSL_CTX_use_PrivateKey(context, key) != 1 || LibSsl.SSL_CTX_check_private_key(context) != 1)
        {
            problems.Add(new TlsProblem(
                TlsSetting.Key, keyPath, $"does not belong to the certificate {certificatePath} ({OpenSslErrors.Take()})") { Certificate = certificatePath });
        }
    }
}
