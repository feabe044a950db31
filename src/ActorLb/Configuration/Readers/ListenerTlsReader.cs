using System.Collections.Immutable;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Readers;

/// <summary>The <c>tls</c> block of a listener.</summary>
internal static class ListenerTlsReader
{
    public static ListenerTlsOptions Read(Section section)
    {
        var certificates = ImmutableArray.CreateBuilder<CertificateOptions>();
        ReadPairs(section, [], certificates);
        ReadCertificates(section, certificates);
        var verify = section.Choice("verify-client", VerifyClient.Off, ConfigurationNames.Verify);
        var result = new ListenerTlsOptions(
            certificates.ToImmutable(),
            Protocols(section),
            section.Text("ciphers", ConfigurationDefaults.Ciphers),
            section.OptionalText("cipher-suites"),
            section.Size("session-cache", absent: 10 << 20, min: 1 << 10, max: 16L << 30, offIsZero: true),
            section.Duration("session-timeout", TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(1), TimeSpan.FromDays(7)),
            section.Flag("session-tickets", absent: true),
            section.ReadableFile("ticket-key-file"),
            section.ReadableFile("client-ca"),
            verify,
            section.Integer("verify-depth", absent: 1, min: 0, max: 100),
            section.ReadableFile("crl"),
            section.Choice("crl-check", CrlCheck.Leaf, ConfigurationNames.CrlChecks),
            section.Choice("crl-expired", CrlExpired.Refuse, ConfigurationNames.CrlExpiries),
            section.Duration("handshake-timeout", TimeSpan.FromSeconds(10), ConfigurationDefaults.Instant, TimeSpan.FromHours(1)),
            section.Integer("max-handshakes", absent: 256, min: 1, max: 1_000_000));
        if (verify != VerifyClient.Off && !section.Has("client-ca"))
        {
            section.Missing("client-ca", "is required with verify-client: the authorities that sign the clients' certificates");
        }
        section.Close();
        return result;
    }

    private static void ReadCertificates(Section tls, ImmutableArray<CertificateOptions>.Builder certificates)
    {
        foreach ((string path, var element) in tls.Elements("certificates") ?? [])
        {
            if (element is not HoconObject fields)
            {
                tls.Report.Error(element, path, $"is {element.Kind}, but {{ names, certificate, key }} is expected");
                continue;
            }
            var section = new Section(fields, path, tls.Report);
            // Several entries for one name must have different kinds of key, which only the files can show.
            var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
            var names = ImmutableArray.CreateBuilder<string>();
            foreach ((string namePath, var scalar) in section.Scalars("names", "a host name"))
            {
                string name = scalar.Text.StartsWith("*.", StringComparison.Ordinal) ? scalar.Text[2..] : scalar.Text;
                if (!AddressText.IsHost(name)) tls.Report.Error(scalar, namePath, "is not a host name, exact or with a leading '*.'");
                else if (!seen.Add(scalar.Text)) tls.Report.Error(scalar, namePath, "is listed twice");
                else names.Add(scalar.Text);
            }
            if (section.Elements("names") is null or { Count: 0 }) section.Missing("names");
            ReadPairs(section, names.ToImmutable(), certificates);
            section.Close();
        }
    }

    /// <summary>A certificate and its key, or lists of both.</summary>
    private static void ReadPairs(Section section, ImmutableArray<string> names, ImmutableArray<CertificateOptions>.Builder result)
    {
        List<(string Path, string? File)> certificates = section.ReadableFiles("certificate"), keys = section.ReadableFiles("key");
        if (certificates.Count == 0) section.Missing("certificate");
        if (keys.Count == 0) section.Missing("key");
        if (certificates.Count > 0 && keys.Count > 0 && certificates.Count != keys.Count)
        {
            section.Error("key", section.Get("key")!, $"has {keys.Count} entries, but certificate has {certificates.Count}: list each certificate's key at the same position");
        }
        foreach ((var certificate, var key) in certificates.Zip(keys))
        {
            result.Add(new CertificateOptions(names, certificate.File ?? "", key.File ?? "") { Paths = (certificate.Path, key.Path) });
        }
    }

    private static TlsProtocols Protocols(Section section)
    {
        if (!section.Has("protocols")) return ConfigurationDefaults.Protocols;
        var result = TlsProtocols.None;
        string known = ConfigurationNames.List(ConfigurationNames.TlsVersions);
        foreach ((string path, var scalar) in section.Scalars("protocols", $"one of {known}"))
        {
            if (ConfigurationNames.TryFind(ConfigurationNames.TlsVersions, scalar.Text, out var version)) result |= version;
            else section.Report.Error(scalar, path, $"is not one of {known}");
        }
        if (section.Elements("protocols") is { Count: 0 }) section.Error("protocols", section.Get("protocols")!, "is empty");
        return result;
    }
}
