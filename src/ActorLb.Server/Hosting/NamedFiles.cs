using System.Collections.Immutable;
using System.Security.Cryptography;
using ActorLb.Configuration;
using ActorLb.Configuration.Hocon;
using ActorLb.Native.OpenSsl;
using ActorLb.Server.Admin;

namespace ActorLb.Server.Hosting;

/// <summary>
/// What the loader cannot judge: whether the files of a valid configuration hold what they must, and whether OpenSSL knows the
/// ciphers; and what of them will surprise: dates that are near or over, chains that lead nowhere. Each is told at the place of its key,
/// as the loader's problems are.
/// </summary>
internal sealed class NamedFiles
{
    private readonly IReadOnlyDictionary<string, SourcePosition> _positions;
    private readonly List<ConfigurationError> _errors = [], _warnings = [];
    private readonly DateTimeOffset _now = TimeProvider.System.GetUtcNow();

    private NamedFiles(IReadOnlyDictionary<string, SourcePosition> positions) => _positions = positions;

    /// <summary>The same result, or one without options and with all problems.</summary>
    public static ConfigurationResult Check(ConfigurationResult loaded)
    {
        if (loaded.Options is not { } options) return loaded;
        var files = new NamedFiles(loaded.Positions);
        files.Check(options);
        loaded = loaded with { Warnings = Sort(loaded.Warnings.Concat(files._warnings)) };
        return files._errors.Count == 0 ? loaded : loaded with { Options = null, Errors = Sort(files._errors) };
    }

    private static ImmutableArray<ConfigurationError> Sort(IEnumerable<ConfigurationError> list) =>
        [.. list.OrderBy(e => e.File, StringComparer.Ordinal).ThenBy(e => e.Line).ThenBy(e => e.Column).Distinct()];

    private void Check(ActorLbOptions options)
    {
        Read("actorlb.admin.token-file", options.Admin.TokenFile, file => AdminToken.ReadHash(file));
        Service("actorlb.admin.tls", options.Admin.Tls);
        Read("actorlb.cluster.secret-file", options.Cluster.SecretFile, file => Fleet.Membership.FleetSecurity.ReadSecret(file));
        Service("actorlb.cluster.tls", options.Cluster.Tls);
        foreach (PoolOptions pool in options.Pools.Values)
        {
            if (pool.Tls is not { } tls) continue;
            string block = HoconPath.Child("actorlb.pools", pool.Name) + ".tls";
            Build(block, Keys(block, tls.Certificate, tls.Key, tls.Ca), () => Findings(TlsClientContext.Build(tls)));
        }
        foreach (ListenerOptions listener in options.Listeners.Values)
        {
            if (listener.Tls is not { } tls) continue;
            string block = HoconPath.Child("actorlb.listeners", listener.Name) + ".tls";
            Build(block, Keys(block, tls), () => Findings(TlsServerContext.Build(tls, listener.WebSocket is not null, TimeProvider.System)));
        }
    }

    /// <summary>OpenSSL judges first, in the words that all blocks share; then the runtime, which is what will use the files.</summary>
    private void Service(string block, ServiceTlsOptions? tls)
    {
        if (tls is null) return;
        var asClient = new UpstreamTlsOptions(tls.Ca, ServerName: null, Verify: true, tls.Certificate, tls.Key);
        if (!Build(block, Keys(block, tls.Certificate, tls.Key, tls.Ca), () => Findings(TlsClientContext.Build(asClient)))) return;
        Try(block, null, () =>
        {
            ServiceCertificates.OwnOf(tls)?.Dispose();
            _ = ServiceCertificates.IntermediatesOf(tls);
            _ = ServiceCertificates.TrustOf(tls);
        });
    }

    private bool Build(string block, List<Setting> settings, Func<IEnumerable<TlsProblem>> build)
    {
        try
        {
            foreach (TlsProblem warning in build()) Add(_warnings, block, settings, warning);
            return true;
        }
        catch (TlsConfigurationException e)
        {
            foreach (TlsProblem problem in e.Problems) Add(_errors, block, settings, problem);
            return false;
        }
    }

    private IEnumerable<TlsProblem> Findings(TlsServerContext context)
    {
        using (context) return Findings(context.Warnings, context.Dated);
    }

    private IEnumerable<TlsProblem> Findings(TlsClientContext context)
    {
        using (context) return Findings(context.Warnings, context.Dated);
    }

    private IEnumerable<TlsProblem> Findings(ImmutableArray<TlsProblem> warnings, ImmutableArray<DatedEntry> dated) => warnings.Concat(
        DatedEntry.InForce(dated, _now).Where(e => e.TextAt(_now) is not null).Select(e => new TlsProblem(e.Setting, e.Path, e.TextAt(_now)!)));

    private void Add(List<ConfigurationError> told, string block, List<Setting> settings, TlsProblem problem)
    {
        Setting[] meant = [.. settings.Where(s => s.Kind == problem.Setting && (problem.Value is null || s.Value == problem.Value))];
        // One key file may stand beside several certificates.
        Setting? one = meant.FirstOrDefault(s => s.Certificate == problem.Certificate) ?? meant.FirstOrDefault();
        if (one is null) Add(told, block, null, problem.ToString());
        else Add(told, one.Key, one.Value, IsEmpty(one.Value) ? "is empty" : problem.Reason);
    }

    private static bool IsEmpty(string? file) => file is not null && new FileInfo(file) is { Exists: true, Length: 0 };

    private void Read(string key, string? file, Action<string> read)
    {
        if (file is not null) Try(key, file, () => read(file));
    }

    private void Try(string key, string? file, Action use)
    {
        try
        {
            use();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException or CryptographicException)
        {
            string subject = $"{key["actorlb.".Length..]} {file}: ";
            Add(_errors, key, file, e.Message.StartsWith(subject, StringComparison.Ordinal) ? e.Message[subject.Length..] : e.Message);
        }
    }

    private void Add(List<ConfigurationError> told, string key, string? value, string reason)
    {
        // A key of a list that was written by other means than its index stands where its block does.
        string at = key;
        while (!_positions.ContainsKey(at) && at.LastIndexOf('.') is > 0 and var dot) at = at[..dot];
        told.Add(new ConfigurationError(_positions.GetValueOrDefault(at, new SourcePosition("", 1, 1)), key, value, reason));
    }

    private static List<Setting> Keys(string block, string? certificate, string? key, string? ca) =>
    [
        new(TlsSetting.Certificate, block + ".certificate", certificate),
        new(TlsSetting.Key, block + ".key", key),
        new(TlsSetting.Ca, block + ".ca", ca),
    ];

    private static List<Setting> Keys(string block, ListenerTlsOptions tls)
    {
        var settings = new List<Setting>
        {
            new(TlsSetting.Ca, block + ".client-ca", tls.ClientCa),
            new(TlsSetting.Crl, block + ".crl", tls.CrlFile),
            new(TlsSetting.TicketKeyFile, block + ".ticket-key-file", tls.TicketKeyFile),
            new(TlsSetting.Ciphers, block + ".ciphers", tls.Ciphers),
            new(TlsSetting.CipherSuites, block + ".cipher-suites", tls.CipherSuites),
            new(TlsSetting.Protocols, block + ".protocols", null),
            new(TlsSetting.Certificates, block + ".certificates", null),
        };
        foreach (CertificateOptions pair in tls.Certificates)
        {
            settings.Add(new Setting(TlsSetting.Certificate, pair.Paths.Certificate, pair.Certificate));
            settings.Add(new Setting(TlsSetting.Key, pair.Paths.Key, pair.Key) { Certificate = pair.Certificate });
        }
        return settings;
    }

    /// <param name="Key">Its path in the configuration.</param>
    private sealed record Setting(TlsSetting Kind, string Key, string? Value)
    {
        /// <summary>Of a key: the certificate beside it.</summary>
        public string? Certificate { get; init; }
    }
}
