using System.Collections.Immutable;
using System.Security.Cryptography;
using ActorLb.Configuration;
using ActorLb.Configuration.Checks;
using ActorLb.Configuration.Hocon;
using ActorLb.Discovery.Emqx;
using ActorLb.Native.OpenSsl;
using ActorLb.Protocol.Failures;
using ActorLb.Server.Admin;
using ActorLb.Tls;

namespace ActorLb.Server.Hosting;

/// <summary>
/// Checks that the loader cannot make: whether the files of a valid configuration contain what they must, and whether OpenSSL knows the
/// ciphers; also warns about dates that are near or past, and about incomplete chains. Each problem is reported at its key's position,
/// like the loader's.
/// </summary>
internal sealed class NamedFiles
{
    private readonly ConfigurationResult _loaded;
    private readonly List<ConfigurationError> _errors = [], _warnings = [];
    private readonly DateTimeOffset _now = TimeProvider.System.GetUtcNow();

    private NamedFiles(ConfigurationResult loaded) => _loaded = loaded;

    /// <summary>The same result, or one without options and with all problems, including the loader's own errors.</summary>
    public static ConfigurationResult Check(ConfigurationResult loaded)
    {
        if (loaded.Readable is not { } options) return loaded;
        var files = new NamedFiles(loaded);
        files.Check(options);
        return loaded.WithWarnings(files._warnings).WithErrors(files._errors);
    }

    /// <summary>The loader has reported errors: placeholders for files that it could not read are not checked.</summary>
    private bool IsPartial => _loaded.Options is null;

    private void Check(ActorLbOptions options)
    {
        Read("actorlb.admin.token-file", options.Admin.TokenFile, file => AdminToken.ReadHash(file));
        Service("actorlb.admin.tls", options.Admin.Tls);
        Read("actorlb.telemetry.otlp.headers-file", options.Telemetry.Otlp.HeadersFile, file => Otlp.OtlpHeaders.Read(file));
        Read("actorlb.cluster.secret-file", options.Cluster.SecretFile, file => Fleet.Membership.FleetSecurity.ReadSecret(file));
        Service("actorlb.cluster.tls", options.Cluster.Tls);
        foreach (var pool in options.Pools.Values)
        {
            if (pool.Discovery is EmqxDiscoveryOptions emqx) Emqx(HoconPath.Child("actorlb.pools", pool.Name) + ".backends.emqx", emqx);
            if (pool.Tls is not { } tls) continue;
            string block = HoconPath.Child("actorlb.pools", pool.Name) + ".tls";
            if (IsPartial && (tls.Certificate is null || tls.Key is null)) tls = tls with { Certificate = null, Key = null };
            Build(block, Keys(block, tls.Certificate, tls.Key, tls.Ca), () => Findings(TlsClientContext.Build(tls)));
        }
        foreach (var listener in options.Listeners.Values)
        {
            if (listener.Tls is not { } tls) continue;
            string block = HoconPath.Child("actorlb.listeners", listener.Name) + ".tls";
            if (IsPartial) tls = Present(tls);
            Build(block, Keys(block, tls), () => Findings(TlsServerContext.Build(tls, listener.WebSocket is not null, TimeProvider.System)));
        }
    }

    private void Emqx(string block, EmqxDiscoveryOptions emqx)
    {
        // The loader has already reported it.
        if (emqx.KeyFile.Length > 0) Read(block + ".key-file", emqx.KeyFile, file => EmqxKey.Read(file));
        if (emqx.Ca is not { } ca) return;
        Build(block, Keys(block, null, null, ca), () => Findings(TlsClientContext.Build(new UpstreamTlsOptions(ca, null, Verify: true, null, null))));
    }

    /// <summary>OpenSSL checks first, with messages that all sections share; then the runtime, which will use the files.</summary>
    private void Service(string block, ServiceTlsOptions? tls)
    {
        if (tls is null) return;
        if (IsPartial && (tls.Certificate is null || tls.Key is null)) tls = tls with { Certificate = null, Key = null };
        var asClient = new UpstreamTlsOptions(tls.Ca, ServerName: null, Verify: true, tls.Certificate, tls.Key);
        if (!Build(block, Keys(block, tls.Certificate, tls.Key, tls.Ca), () => Findings(TlsClientContext.Build(asClient)))) return;
        Try(block, null, () =>
        {
            ServiceCertificates.OwnOf(tls)?.Dispose();
            _ = ServiceCertificates.IntermediatesOf(tls);
            _ = ServiceCertificates.TrustOf(tls);
        });
    }

    /// <summary>The listener's TLS without files that the loader could not read; if the default certificate is among them, the first
    /// other one takes its place.</summary>
    private static ListenerTlsOptions Present(ListenerTlsOptions tls)
    {
        var found = tls.Certificates.RemoveAll(c => c.Certificate.Length == 0 || c.Key.Length == 0);
        if (found.Length > 0 && found.All(c => !c.Names.IsEmpty)) found = found.SetItem(0, found[0] with { Names = [] });
        return tls with { Certificates = found, VerifyClient = tls.ClientCa is null ? VerifyClient.Off : tls.VerifyClient };
    }

    private bool Build(string block, List<Setting> settings, Func<IEnumerable<TlsProblem>> build)
    {
        try
        {
            foreach (var warning in build()) Add(_warnings, block, settings, warning);
            return true;
        }
        catch (TlsConfigurationException e)
        {
            bool none = IsPartial && settings.All(s => s.Kind != TlsSetting.Certificate || s.Value is null);
            foreach (var problem in e.Problems)
            {
                if (!none || problem is not { Setting: TlsSetting.Certificate, Value: null }) Add(_errors, block, settings, problem);
            }
            foreach (var warning in Findings(e.Warnings, e.Dated)) Add(_warnings, block, settings, warning);
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
        // One key file may belong to several certificates.
        var one = meant.FirstOrDefault(s => s.Certificate == problem.Certificate) ?? meant.FirstOrDefault();
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
            string subject = $"{key[(key.LastIndexOf('.') + 1)..]} {file}: ", reason = FailureText.Describe(e);
            // The reader names a file by its key, with or without the section around it.
            int at = reason.IndexOf(subject, StringComparison.Ordinal);
            bool isNamed = at == 0 || (at > 0 && key.EndsWith("." + reason[..(at + subject.IndexOf(' '))], StringComparison.Ordinal));
            Add(_errors, key, file, isNamed ? reason[(at + subject.Length)..] : reason);
        }
    }

    /// <summary>A list element that was not written with its own index is reported at its section.</summary>
    private void Add(List<ConfigurationError> told, string key, string? value, string reason) =>
        told.Add(new ConfigurationError(_loaded.PositionOf(key), key, value, reason));

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
        foreach (var pair in tls.Certificates)
        {
            settings.Add(new Setting(TlsSetting.Certificate, pair.Paths.Certificate, pair.Certificate));
            settings.Add(new Setting(TlsSetting.Key, pair.Paths.Key, pair.Key) { Certificate = pair.Certificate });
        }
        return settings;
    }

    /// <param name="Key">Its path in the configuration.</param>
    private sealed record Setting(TlsSetting Kind, string Key, string? Value)
    {
        /// <summary>For a key: its certificate.</summary>
        public string? Certificate { get; init; }
    }
}
