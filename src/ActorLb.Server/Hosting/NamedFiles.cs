using System.Collections.Immutable;
using System.Security.Cryptography;
using ActorLb.Cluster.Transport;
using ActorLb.Configuration;
using ActorLb.Configuration.Hocon;
using ActorLb.Native.OpenSsl;
using ActorLb.Server.Admin;

namespace ActorLb.Server.Hosting;

/// <summary>
/// What the loader cannot judge: whether the files of a valid configuration hold what they must, and whether OpenSSL knows the
/// ciphers. Each problem is told at the place of its key, as the loader's are.
/// </summary>
internal sealed class NamedFiles
{
    private readonly IReadOnlyDictionary<string, SourcePosition> _positions;
    private readonly List<ConfigurationError> _errors = [];

    private NamedFiles(IReadOnlyDictionary<string, SourcePosition> positions) => _positions = positions;

    /// <summary>The same result, or one without options and with all problems.</summary>
    public static ConfigurationResult Check(ConfigurationResult loaded)
    {
        if (loaded.Options is not { } options) return loaded;
        var files = new NamedFiles(loaded.Positions);
        files.Check(options);
        if (files._errors.Count == 0) return loaded;
        return loaded with
        {
            Options = null,
            Errors = [.. files._errors.OrderBy(e => e.File, StringComparer.Ordinal).ThenBy(e => e.Line).ThenBy(e => e.Column)],
        };
    }

    private void Check(ActorLbOptions options)
    {
        Read("actorlb.admin.token-file", options.Admin.TokenFile, file => AdminToken.ReadHash(file));
        Service("actorlb.admin.tls", options.Admin.Tls);
        Read("actorlb.cluster.secret-file", options.Cluster.SecretFile, file => PeerSecurity.ReadSecret(file));
        Service("actorlb.cluster.tls", options.Cluster.Tls);
        Service("actorlb.cluster.etcd.tls", options.Cluster.Etcd.Tls);
        Read("actorlb.cluster.etcd.password-file", options.Cluster.Etcd.PasswordFile, file =>
        {
            if (InputFile.ReadText(file).TrimEnd('\r', '\n').Length == 0) throw new IOException("is empty");
        });
        foreach (PoolOptions pool in options.Pools.Values)
        {
            if (pool.Tls is not { } tls) continue;
            string block = HoconPath.Child("actorlb.pools", pool.Name) + ".tls";
            Build(block, Keys(block, tls.Certificate, tls.Key, tls.Ca), () => TlsClientContext.Build(tls).Dispose());
        }
        foreach (ListenerOptions listener in options.Listeners.Values)
        {
            if (listener.Tls is not { } tls) continue;
            string block = HoconPath.Child("actorlb.listeners", listener.Name) + ".tls";
            Build(block, Keys(block, tls), () => TlsServerContext.Build(tls, listener.WebSocket is not null, TimeProvider.System).Dispose());
        }
    }

    /// <summary>OpenSSL judges first, in the words that all blocks share; then the runtime, which is what will use the files.</summary>
    private void Service(string block, ServiceTlsOptions? tls)
    {
        if (tls is null) return;
        var asClient = new UpstreamTlsOptions(tls.Ca, ServerName: null, Verify: true, tls.Certificate, tls.Key);
        if (!Build(block, Keys(block, tls.Certificate, tls.Key, tls.Ca), () => TlsClientContext.Build(asClient).Dispose())) return;
        Try(block, null, () =>
        {
            ServiceCertificates.OwnOf(tls)?.Dispose();
            _ = ServiceCertificates.IntermediatesOf(tls);
            _ = ServiceCertificates.TrustOf(tls);
        });
    }

    private bool Build(string block, List<Setting> settings, Action build)
    {
        try
        {
            build();
            return true;
        }
        catch (TlsConfigurationException e)
        {
            foreach (TlsProblem problem in e.Problems)
            {
                Setting[] meant = [.. settings.Where(s => s.Kind == problem.Setting && (problem.Value is null || s.Value == problem.Value))];
                // One key file may stand beside several certificates.
                Setting? one = meant.FirstOrDefault(s => s.Certificate == problem.Certificate) ?? meant.FirstOrDefault();
                if (one is null) Add(block, null, problem.ToString());
                else Add(one.Key, one.Value, IsEmpty(one.Value) ? "is empty" : problem.Reason);
            }
            return false;
        }
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
            Add(key, file, e.Message.StartsWith(subject, StringComparison.Ordinal) ? e.Message[subject.Length..] : e.Message);
        }
    }

    private void Add(string key, string? value, string reason)
    {
        // A key of a list that was written by other means than its index stands where its block does.
        string at = key;
        while (!_positions.ContainsKey(at) && at.LastIndexOf('.') is > 0 and var dot) at = at[..dot];
        _errors.Add(new ConfigurationError(_positions.GetValueOrDefault(at, new SourcePosition("", 1, 1)), key, value, reason));
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
        for (int i = 0; i < tls.Certificates.Length; i++)
        {
            // The first is the block's own.
            string at = i == 0 ? block : HoconPath.Element(block + ".certificates", i - 1);
            (string certificate, string key) = (tls.Certificates[i].Certificate, tls.Certificates[i].Key);
            settings.Add(new Setting(TlsSetting.Certificate, at + ".certificate", certificate));
            settings.Add(new Setting(TlsSetting.Key, at + ".key", key) { Certificate = certificate });
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
