namespace ActorLb.Native.OpenSsl;

/// <summary>Numbers of openssl/ssl.h, tls1.h, x509_vfy.h and x509.h, version 3.0; they are part of the library's binary interface.</summary>
internal static class OpenSslConstants
{
    // OPENSSL_init_ssl (crypto.h): the process's exit must not tear the library down under running threads.
    internal const ulong InitNoAtExit = 0x0008_0000;

    // SSL_get_error (ssl.h)
    internal const int ErrorSsl = 1;
    internal const int ErrorWantRead = 2;
    internal const int ErrorWantWrite = 3;
    internal const int ErrorSyscall = 5;
    internal const int ErrorZeroReturn = 6;

    // OSSL_HANDSHAKE_STATE (ssl.h)
    internal const int StateBefore = 0;
    internal const int StateReadsClientHello = 20;

    // SSL_CTX_ctrl and SSL_ctrl (ssl.h)
    internal const int CtrlSetMode = 33;
    internal const int CtrlSetReadAhead = 41;
    internal const int CtrlSetSessionCacheSize = 42;
    internal const int CtrlSetSessionCacheMode = 44;
    internal const int CtrlSetServerNameCallback = 53;
    internal const int CtrlSetServerNameArgument = 54;
    internal const int CtrlSetHostName = 55;
    internal const int CtrlChainCertificate = 89;
    internal const int CtrlSetMinProtocol = 123;
    internal const int CtrlSetMaxProtocol = 124;

    // SSL_MODE_* (ssl.h)
    internal const int ModeEnablePartialWrite = 0x01;
    internal const int ModeAcceptMovingWriteBuffer = 0x02;
    internal const int ModeAutoRetry = 0x04;
    internal const int ModeNoAutoChain = 0x08;
    internal const int ModeReleaseBuffers = 0x10;

    // SSL_OP_* (ssl.h)
    internal const ulong OptionIgnoreUnexpectedEof = 1UL << 7;
    internal const ulong OptionNoTicket = 1UL << 14;
    internal const ulong OptionNoCompression = 1UL << 17;
    internal const ulong OptionCipherServerPreference = 1UL << 22;
    internal const ulong OptionNoTls10 = 1UL << 26;
    internal const ulong OptionNoTls12 = 1UL << 27;
    internal const ulong OptionNoTls11 = 1UL << 28;
    internal const ulong OptionNoTls13 = 1UL << 29;
    internal const ulong OptionNoRenegotiation = 1UL << 30;

    // SSL_SESS_CACHE_* (ssl.h)
    internal const int SessionCacheOff = 0;
    internal const int SessionCacheClient = 1;
    internal const int SessionCacheServer = 2;
    internal const int SessionCacheNoInternal = 0x300;

    // SSL_VERIFY_* (ssl.h)
    internal const int VerifyNone = 0;
    internal const int VerifyPeer = 1;
    internal const int VerifyFailIfNoPeerCertificate = 2;

    // SSL_TLSEXT_ERR_* (tls1.h)
    internal const int ExtensionOk = 0;
    internal const int ExtensionAlertFatal = 2;
    internal const int ExtensionNoAck = 3;

    // SSL_SENT_SHUTDOWN, SSL_RECEIVED_SHUTDOWN (ssl.h)
    internal const int SentShutdown = 1;
    internal const int ReceivedShutdown = 2;

    // SSL_CB_* (ssl.h): SSL_CB_LOOP, SSL_CB_ALERT, SSL_CB_READ
    internal const int CallbackLoop = 0x01;
    internal const int CallbackAlert = 0x4000;
    internal const int CallbackRead = 0x04;

    // TLS1_VERSION and later (prov_ssl.h)
    internal const int Tls10 = 0x0301;
    internal const int Tls11 = 0x0302;
    internal const int Tls12 = 0x0303;
    internal const int Tls13 = 0x0304;

    // X509_V_FLAG_CRL_CHECK and X509_V_FLAG_CRL_CHECK_ALL, X509_V_ERR_* (x509_vfy.h)
    internal const nuint VerifyCrlCheck = 0x4;
    internal const nuint VerifyCrlCheckAll = 0x8;
    internal const int VerifyErrorCrlNotYetValid = 11;
    internal const int VerifyErrorCrlHasExpired = 12;

    // XN_FLAG_RFC2253 (x509.h): ASN1_STRFLGS_RFC2253 0x317, XN_FLAG_SEP_COMMA_PLUS 1 << 16, XN_FLAG_DN_REV 1 << 20,
    // XN_FLAG_FN_SN 0, XN_FLAG_DUMP_UNKNOWN_FIELDS 1 << 24.
    internal const nuint NameRfc2253 = 0x0111_0317;

    // NID_commonName (obj_mac.h); EVP_PKEY_RSA, EVP_PKEY_DSA, EVP_PKEY_EC (evp.h)
    internal const int NidCommonName = 13;
    internal const int KeyRsa = 6;
    internal const int KeyDsa = 116;
    internal const int KeyEc = 408;

    // BIO_CTRL_INFO (bio.h): BIO_get_mem_data
    internal const int BioControlInfo = 3;

    // CRYPTO_EX_INDEX_SSL_CTX (crypto.h)
    internal const int ExtraDataOfContexts = 1;
}
