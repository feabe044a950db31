using System.Collections.Immutable;
using System.Security.Cryptography;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Tls;

/// <summary>
/// A listener's TLS: immutable but for its ticket keys, shared by all reactors. A reload builds another and disposes this one;
/// connections made from it are not disturbed.
/// </summary>
internal sealed class TlsServerContext : IDisposable
{
    // NGINX's measure (ngx_http_ssl_module, ssl_session_cache): one megabyte can store about 4000 sessions.
    private const long SessionsPerMebibyte = 4000;

    private static readonly byte[] Http = "http/1.1"u8.ToArray();

    // The second is what devices send that were made for AWS IoT, where it stands for MQTT with a client certificate.
    private static readonly ImmutableArray<byte[]> Mqtt = ["mqtt"u8.ToArray(), "x-amzn-mqtt-ca"u8.ToArray()];

    private readonly SslContextHandle _context;

    private TlsServerContext(SslContextHandle context, TlsFindings findings, TicketKeyRing ticketKeys)
    {
        _context = context;
        Dated = [.. findings.Dated];
        Warnings = [.. findings.Warnings];
        TicketKeys = ticketKeys;
    }

    /// <summary>Certificates with their chains, authorities and revocation lists.</summary>
    internal ImmutableArray<DatedEntry> Dated { get; }

    /// <summary>What is legal but will surprise, to be logged once.</summary>
    internal ImmutableArray<TlsProblem> Warnings { get; }

    internal TicketKeyRing TicketKeys { get; }

    /// <summary>Builds the context or throws, naming every problem.</summary>
    /// <param name="webSocket">The listener speaks WebSocket, so ALPN <c>http/1.1</c> is right for it, and goes before <c>mqtt</c>.</param>
    /// <param name="ticketKeys">The ring of the context which this one replaces, so that tickets stay good; null makes a new one.
    /// A key file is read again in any case.</param>
    /// <param name="passesAnything">The listener passes bytes on unseen, so no application protocol of a client's is wrong for it.</param>
    /// <exception cref="TlsConfigurationException">Settings or files cannot be used.</exception>
    internal static TlsServerContext Build(
        ListenerTlsOptions options, bool webSocket, TimeProvider time, TicketKeyRing? ticketKeys = null, bool passesAnything = false)
    {
        var findings = new TlsFindings();
        var problems = findings.Problems;
        var trust = ReadTrust(options, problems);
        var fileKeys = ReadTicketKeys(options, problems);
        var contexts = ImmutableArray.CreateBuilder<SslContextHandle>();
        var names = new List<(string, SslContextHandle)>();
        var seen = new HashSet<(string, string)>();
        var groups = CertificateGroup.Of(options.Certificates);
        if (groups is [] or [{ Names: not [] }, ..])
        {
            problems.Add(new TlsProblem(TlsSetting.Certificate, null, "none is given"));
        }
        else
        {
            foreach (var group in groups)
            {
                var context = SslContextHandle.Create(server: true);
                contexts.Add(context);
                names.AddRange(group.Names.Select(name => (name, context)));

                // What belongs to the listener is reported once, though every name's context needs it; so is a certificate of several groups.
                ApplyListener(context, options, trust, contexts.Count == 1 ? findings : new TlsFindings());
                group.CheckKinds(problems);
                foreach (var certificate in group.Certificates)
                {
                    bool first = seen.Add((certificate.Certificate, certificate.Key));
                    CertificateSettings.Use(
                        context, certificate.Certificate, certificate.Key, trust.Ca, server: true, first ? findings : new TlsFindings());
                }
            }
        }

        var serverNames = ServerNames.Create(names, problems);
        if (problems.Count > 0)
        {
            foreach (var context in contexts)
            {
                context.Dispose();
            }

            throw new TlsConfigurationException([.. problems.Distinct()]) { Warnings = [.. findings.Warnings], Dated = [.. findings.Dated] };
        }

        var ring = ticketKeys ?? new TicketKeyRing(time, options.SessionTimeout);
        ring.LifeTime = options.SessionTimeout;
        if (!fileKeys.IsEmpty)
        {
            ring.Set(fileKeys);
        }

        ServerCallbacks.Install(
            serverNames, contexts.ToImmutable(), webSocket ? [Http, .. Mqtt] : Mqtt, refusesOtherProtocols: !passesAnything, ring);
        return new TlsServerContext(contexts[0], findings, ring);
    }

    /// <summary>Replaces the ticket keys: the first encrypts, all decrypt. Any thread, at any time.</summary>
    internal void SetTicketKeys(ImmutableArray<TicketKey> keys) => TicketKeys.Set(keys);

    /// <summary>The server's side of a connection that was just accepted.</summary>
    /// <param name="descriptor">Nonblocking; stays the caller's.</param>
    /// <returns><c>default</c> if there is no memory for it.</returns>
    internal TlsSession Accept(int descriptor)
    {
        nint ssl = LibSsl.SSL_new(_context);
        if (ssl == 0 || LibSsl.SSL_set_fd(ssl, descriptor) != 1)
        {
            LibSsl.SSL_free(ssl);
            LibCrypto.ERR_clear_error();
            return default;
        }

        LibSsl.SSL_set_accept_state(ssl);
        return new TlsSession(ssl);
    }

    public void Dispose() => _context.Dispose();

    private static void ApplyListener(SslContextHandle context, ListenerTlsOptions options, Trust trust, TlsFindings findings)
    {
        ProtocolSettings.Apply(context, options, findings.Problems, findings.Warnings);
        ApplySessions(context, options, trust.SessionContext);
        _ = LibSsl.SSL_CTX_set_options(context, OptionCipherServerPreference);
        if (options.VerifyClient == VerifyClient.Off)
        {
            return;
        }

        if (trust.Ca is { } ca)
        {
            CertificateSettings.Trust(context, options.ClientCa!, ca, announce: true, findings);
        }

        if (trust.Crl is { } crl)
        {
            CertificateSettings.Revoke(context, options, crl, trust.Ca, findings);
        }

        LibSsl.SSL_CTX_set_verify_depth(context, options.VerifyDepth);
        int mode = VerifyPeer | (options.VerifyClient == VerifyClient.On ? VerifyFailIfNoPeerCertificate : 0);
        LibSsl.SSL_CTX_set_verify(
            context, mode, trust.Crl is not null && options.CrlExpired == CrlExpired.Warn ? CertificateSettings.TolerateDatesOfLists : 0);
    }

    private static void ApplySessions(SslContextHandle context, ListenerTlsOptions options, byte[] sessionContext)
    {
        bool cached = options.SessionCache > 0;
        context.Control(CtrlSetSessionCacheMode, cached ? SessionCacheServer : SessionCacheOff);
        if (cached)
        {
            // 0 would be unlimited.
            long sessions = Math.Clamp(options.SessionCache / 1024 * SessionsPerMebibyte / 1024, 1, int.MaxValue);
            context.Control(CtrlSetSessionCacheSize, (nint)sessions);
        }

        if (!options.SessionTickets)
        {
            _ = LibSsl.SSL_CTX_set_options(context, OptionNoTicket);
        }

        // One TLS 1.3 ticket is enough for a client that opens one connection; OpenSSL's two cost a second encryption.
        _ = LibSsl.SSL_CTX_set_num_tickets(context, options.SessionTickets || cached ? 1u : 0u);
        _ = LibSsl.SSL_CTX_set_timeout(context, (nuint)Math.Max(1, (long)options.SessionTimeout.TotalSeconds));
        LibSsl.SetSessionIdContext(context, sessionContext);
    }

    // The context under which sessions are resumed holds all that decides over a client's certificate: a session made before
    // a CA was removed or a certificate revoked is not resumed after it. Nodes with equal settings compute the same.
    private static Trust ReadTrust(ListenerTlsOptions options, List<TlsProblem> problems)
    {
        byte[]? ca = null;
        byte[]? crl = null;
        if (options.VerifyClient != VerifyClient.Off)
        {
            if (options.ClientCa is { } path)
            {
                ca = PemFile.ReadBytes(TlsSetting.Ca, path, problems);
            }
            else
            {
                problems.Add(new TlsProblem(TlsSetting.Ca, null, "verify-client needs it"));
            }

            crl = options.CrlFile is { } crlPath ? PemFile.ReadBytes(TlsSetting.Crl, crlPath, problems) : null;
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(
            [(byte)options.VerifyClient, (byte)Math.Clamp(options.VerifyDepth, 0, byte.MaxValue), (byte)options.CrlCheck, (byte)options.CrlExpired]);
        hash.AppendData(SHA256.HashData(ca ?? []));
        hash.AppendData(SHA256.HashData(crl ?? []));
        return new Trust(ca, crl, hash.GetHashAndReset());
    }

    private static ImmutableArray<TicketKey> ReadTicketKeys(ListenerTlsOptions options, List<TlsProblem> problems)
    {
        if (!options.SessionTickets || options.TicketKeyFile is not { } path
            || PemFile.ReadBytes(TlsSetting.TicketKeyFile, path, problems) is not { } bytes)
        {
            return [];
        }

        var keys = TicketKey.Parse(bytes);
        if (keys.IsEmpty)
        {
            problems.Add(new TlsProblem(
                TlsSetting.TicketKeyFile, path, $"{bytes.Length} bytes are not one or more keys of 80 or of 48 bytes"));
        }

        CryptographicOperations.ZeroMemory(bytes);
        return keys;
    }

    /// <param name="SessionContext">32 bytes, the longest that SSL_CTX_set_session_id_context(3) takes.</param>
    private sealed record Trust(byte[]? Ca, byte[]? Crl, byte[] SessionContext);
}
