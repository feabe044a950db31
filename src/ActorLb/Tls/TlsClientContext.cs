using System.Collections.Concurrent;
using System.Collections.Immutable;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Tls;

/// <summary>A pool's TLS to its backends: immutable but for the sessions it keeps to resume. Shared by all reactors.</summary>
internal sealed class TlsClientContext : IDisposable
{
    // A pool has far fewer backends; a name beyond the bound connects without resuming.
    private const int MaxTargets = 1024;

    private readonly SslContextHandle _context;
    private readonly ClientSessions _sessions;
    private readonly string? _serverName;
    private readonly bool _verify;
    private readonly ConcurrentDictionary<string, ClientTarget> _targets = new(StringComparer.OrdinalIgnoreCase);

    private TlsClientContext(SslContextHandle context, ClientSessions sessions, UpstreamTlsOptions options, TlsFindings findings)
    {
        _context = context;
        _sessions = sessions;
        _serverName = options.ServerName;
        _verify = options.Verify;
        Dated = [.. findings.Dated];
        Warnings = [.. findings.Warnings];
    }

    /// <summary>The authorities of the backends, and the client certificate with its chain.</summary>
    internal ImmutableArray<DatedEntry> Dated { get; }

    /// <summary>What is legal but will surprise, to be logged once.</summary>
    internal ImmutableArray<TlsProblem> Warnings { get; }

    /// <summary>Builds the context or throws, naming every problem.</summary>
    /// <exception cref="TlsConfigurationException">Settings or files cannot be used.</exception>
    internal static TlsClientContext Build(UpstreamTlsOptions options)
    {
        var findings = new TlsFindings();
        var problems = findings.Problems;
        var context = SslContextHandle.Create(server: false);
        context.Control(CtrlSetMinProtocol, Tls12);
        ApplyTrust(context, options, findings);
        if (options.Certificate is { } path)
        {
            // One file may hold both.
            CertificateSettings.Use(context, path, options.Key ?? path, anchors: null, server: false, findings);
        }
        else if (options.Key is not null)
        {
            problems.Add(new TlsProblem(TlsSetting.Key, null, "is given without a certificate"));
        }

        if (problems.Count > 0)
        {
            context.Dispose();
            throw new TlsConfigurationException([.. problems]) { Warnings = [.. findings.Warnings], Dated = [.. findings.Dated] };
        }

        return new TlsClientContext(context, ClientSessions.Install(context), options, findings);
    }

    /// <summary>The client's side of a connection to a backend.</summary>
    /// <param name="descriptor">Connected or connecting, nonblocking; stays the caller's.</param>
    /// <param name="host">The backend's configured name or address; the configured server name goes before it.</param>
    /// <returns><c>default</c> if there is no memory for it.</returns>
    internal TlsSession Connect(int descriptor, string host)
    {
        nint ssl = LibSsl.SSL_new(_context);
        if (ssl == 0)
        {
            LibCrypto.ERR_clear_error();
            return default;
        }

        var session = new TlsSession(ssl);
        if (LibSsl.SSL_set_fd(ssl, descriptor) != 1 || !TargetOf(_serverName ?? host).Aim(ssl, _verify))
        {
            LibCrypto.ERR_clear_error();
            session.Dispose();
            return default;
        }

        LibSsl.SSL_set_connect_state(ssl);
        return session;
    }

    public void Dispose() => _context.Dispose();

    private ClientTarget TargetOf(string name)
    {
        if (_targets.TryGetValue(name, out var target))
        {
            return target;
        }

        return _targets.Count < MaxTargets
            ? _targets.GetOrAdd(name, static (key, sessions) => sessions.Add(key), _sessions)
            : new ClientTarget(name, slot: 0);
    }

    private static void ApplyTrust(SslContextHandle context, UpstreamTlsOptions options, TlsFindings findings)
    {
        if (options.Ca is { } path)
        {
            if (PemFile.ReadBytes(TlsSetting.Ca, path, findings.Problems) is { } pem)
            {
                CertificateSettings.Trust(context, path, pem, announce: false, findings);
            }
        }
        else if (options.Verify)
        {
            _ = LibSsl.SSL_CTX_set_default_verify_paths(context);
            LibCrypto.ERR_clear_error();
        }

        LibSsl.SSL_CTX_set_verify(context, options.Verify ? VerifyPeer : VerifyNone, 0);
    }
}
