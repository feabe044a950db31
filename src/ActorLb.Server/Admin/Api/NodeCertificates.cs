using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Configuration;
using ActorLb.Hosting;
using ActorLb.Protocol.Admin;
using ActorLb.Tls;

namespace ActorLb.Server.Admin.Api;

/// <summary>
/// Every certificate, authority and revocation list that a node uses. For listeners and pools, those in use; for the admin endpoint and
/// the fleet, which load them only at the start, what their files contain now.
/// </summary>
internal static class NodeCertificates
{
    public static CertificateList List(Node node, AdminOptions admin, DateTimeOffset now)
    {
        var problems = new List<string>();
        IEnumerable<(string Owner, DatedEntry Entry)> all =
            node.Certificates.GroupBy(u => (u.Owner, u.Name)).SelectMany(uses =>
                DatedEntry.InForce(uses.Select(u => u.Certificate), now).Select(e => ($"{uses.Key.Owner} {uses.Key.Name}", e)))
            .Concat(Service("admin", admin.Tls, problems))
            .Concat(Service("cluster", node.Options.Cluster.Seeds.IsEmpty ? null : node.Options.Cluster.Tls, problems));
        CertificateInfo[] listed = [.. all.Select(c => Describe(c.Owner, c.Entry, now)).OrderBy(c => c.NotAfter ?? DateTimeOffset.MaxValue).ThenBy(c => c.Owner, StringComparer.Ordinal)];
        return new CertificateList(node.Options.Node.Name, listed, [.. problems]);
    }

    private static IEnumerable<(string Owner, DatedEntry Entry)> Service(string owner, ServiceTlsOptions? tls, List<string> problems)
    {
        if (tls is null) yield break;
        foreach ((var setting, string? file) in new[] { (TlsSetting.Certificate, tls.Certificate), (TlsSetting.Ca, tls.Ca) })
        {
            if (file is null) continue;
            var found = new X509Certificate2Collection();
            try
            {
                found.ImportFromPem(InputFile.ReadText(file));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
            {
                problems.Add($"{owner}: {file}: {(e is CryptographicException ? "holds no readable PEM certificate" : FileProblem.Describe(e, file))}");
            }
            foreach (var certificate in found)
            {
                yield return (owner, new DatedEntry(setting, file, certificate.Subject, new DateTimeOffset(certificate.NotBefore), new DateTimeOffset(certificate.NotAfter)));
                certificate.Dispose();
            }
        }
    }

    private static CertificateInfo Describe(string owner, DatedEntry entry, DateTimeOffset now) => new(
        owner, entry.Setting switch { TlsSetting.Ca => "ca", TlsSetting.Crl => "crl", _ => "certificate" }, entry.Subject, entry.Path, entry.NotBefore,
        entry.NotAfter == DateTimeOffset.MaxValue ? null : entry.NotAfter, entry.NotAfter == DateTimeOffset.MaxValue ? null : (int)Math.Floor((entry.NotAfter - now).TotalDays),
        entry.StateAt(now) switch { DateState.EndsSoon => "ends soon", DateState.Ended => "ended", DateState.NotBegun => "not yet valid", _ => "good" });
}
