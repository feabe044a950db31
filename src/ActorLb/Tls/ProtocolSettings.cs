using System.Collections.Immutable;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Tls;

/// <summary>Protocol versions and ciphers of a context.</summary>
internal static class ProtocolSettings
{
    private static readonly ImmutableArray<(TlsProtocols Protocol, int Version, ulong Disable)> Versions =
    [
        (TlsProtocols.Tls10, Tls10, OptionNoTls10),
        (TlsProtocols.Tls11, Tls11, OptionNoTls11),
        (TlsProtocols.Tls12, Tls12, OptionNoTls12),
        (TlsProtocols.Tls13, Tls13, OptionNoTls13),
    ];

    internal static void Apply(SslContextHandle context, ListenerTlsOptions options, List<TlsProblem> problems, List<TlsProblem> warnings)
    {
        var enabled = Versions.Where(v => options.Protocols.HasFlag(v.Protocol)).ToList();
        if (enabled.Count == 0)
        {
            problems.Add(new TlsProblem(TlsSetting.Protocols, null, "none is enabled"));
            return;
        }

        // Both: the range overrides the system's openssl.cnf, the options close holes within the range.
        context.Control(CtrlSetMinProtocol, enabled[0].Version);
        context.Control(CtrlSetMaxProtocol, enabled[^1].Version);
        ulong holes = Versions.Where(v => !options.Protocols.HasFlag(v.Protocol)).Aggregate(0UL, (bits, v) => bits | v.Disable);
        _ = LibSsl.SSL_CTX_set_options(context, holes);
        ApplyCiphers(context, options, problems);
        CheckSecurityLevel(context, options, problems, warnings);
    }

    private static void ApplyCiphers(SslContextHandle context, ListenerTlsOptions options, List<TlsProblem> problems)
    {
        LibCrypto.ERR_clear_error();
        if (LibSsl.SSL_CTX_set_cipher_list(context, options.Ciphers) != 1)
        {
            problems.Add(new TlsProblem(TlsSetting.Ciphers, options.Ciphers, OpenSslErrors.Take() ?? "no cipher of this list is known"));
        }

        if (options.CipherSuites is not { } suites)
        {
            return;
        }

        // OpenSSL 3.0 silently skips unknown names and then offers none: tried one by one, it reports which.
        foreach (string suite in suites.Split(':', StringSplitOptions.TrimEntries))
        {
            if (LibSsl.SSL_CTX_set_ciphersuites(context, suite) != 1 || suite.Length == 0)
            {
                problems.Add(new TlsProblem(TlsSetting.CipherSuites, suites, $"\"{suite}\" is no TLS 1.3 suite ({OpenSslErrors.Take() ?? "unknown"})"));
            }
        }

        _ = LibSsl.SSL_CTX_set_ciphersuites(context, suites);
        LibCrypto.ERR_clear_error();
    }

    // OpenSSL 3 signs the handshakes of TLS 1.0 and 1.1 with SHA-1, which only security level 0 allows (SSL_CTX_set_security_level(3)).
    private static void CheckSecurityLevel(
        SslContextHandle context, ListenerTlsOptions options, List<TlsProblem> problems, List<TlsProblem> warnings)
    {
        const TlsProtocols Old = TlsProtocols.Tls10 | TlsProtocols.Tls11;
        if ((options.Protocols & Old) == TlsProtocols.None || LibSsl.SSL_CTX_get_security_level(context) == 0)
        {
            return;
        }

        var problem = new TlsProblem(TlsSetting.Protocols, null, "TLSv1 and TLSv1.1 work only with \"@SECLEVEL=0\" in ciphers");
        if ((options.Protocols & ~Old) == TlsProtocols.None)
        {
            problems.Add(problem);
        }
        else
        {
            warnings.Add(problem);
        }
    }
}
