using System.Collections.Immutable;
using ActorLb.Configuration;
using ActorLb.Native.OpenSsl;

namespace ActorLb.Tls;

/// <summary>Certificates that share a context because they are for the same names, each of another kind of key.</summary>
/// <param name="Names">Empty for the default, which answers where no name fits.</param>
internal sealed record CertificateGroup(ImmutableArray<CertificateOptions> Certificates, ImmutableArray<string> Names)
{
    /// <summary>The default first, if there is one. A name that several entries hold gets the certificates of all of them.</summary>
    internal static ImmutableArray<CertificateGroup> Of(ImmutableArray<CertificateOptions> certificates)
    {
        if (certificates.IsDefaultOrEmpty) return [];
        var byName = new OrderedDictionary<string, List<int>>(StringComparer.OrdinalIgnoreCase);
        for (int i = 0; i < certificates.Length; i++)
        {
            foreach (string name in certificates[i].Names.IsEmpty ? [""] : certificates[i].Names)
            {
                if (!byName.TryGetValue(name, out var entries)) byName.Add(name, entries = []);
                entries.Add(i);
            }
        }

        return
        [
            .. byName.GroupBy(n => (n.Key.Length > 0, string.Join(' ', n.Value))).OrderBy(g => g.Key.Item1)
                .Select(g => new CertificateGroup([.. g.First().Value.Select(i => certificates[i])], [.. g.Select(n => n.Key).Where(n => n.Length > 0)])),
        ];
    }

    /// <summary>OpenSSL holds one certificate of each kind of key, and would drop the first of two without a word.</summary>
    internal void CheckKinds(List<TlsProblem> problems)
    {
        if (Certificates.Length == 1) return;
        var kinds = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var certificate in Certificates)
        {
            if (CertificateSettings.KindOf(certificate.Certificate) is not { } kind || kinds.TryAdd(kind, certificate.Certificate)) continue;
            string whose = Names.IsEmpty ? "the listener" : string.Join(", ", Names);
            problems.Add(new TlsProblem(TlsSetting.Certificate, certificate.Certificate,
                $"is the second {kind} certificate of {whose}, after {kinds[kind]}: of each kind, such as RSA and ECDSA, there is one"));
        }
    }
}
