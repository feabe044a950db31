using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace ActorLb.Native.OpenSsl;

/// <summary>A certificate file in use, for metrics and the warning before it expires.</summary>
/// <param name="Names">DNS names of the certificate; its CN if it has none.</param>
/// <param name="NotAfter">The earliest of the certificate and the chain behind it in the file.</param>
internal sealed record CertificateInfo(string Path, ImmutableArray<string> Names, DateTimeOffset NotBefore, DateTimeOffset NotAfter)
{
    internal static CertificateInfo? Read(string path, byte[] pem, List<TlsProblem> problems)
    {
        var chain = new X509Certificate2Collection();
        try
        {
            chain.ImportFromPem(Encoding.Latin1.GetString(pem));
            var leaf = chain[0];
            var names = leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(e => e.EnumerateDnsNames())
                .ToImmutableArray();
            if (names.IsEmpty)
            {
                names = [leaf.GetNameInfo(X509NameType.SimpleName, forIssuer: false)];
            }

            return new CertificateInfo(
                path, names, new DateTimeOffset(leaf.NotBefore), new DateTimeOffset(chain.Min(c => c.NotAfter)));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            problems.Add(new TlsProblem(TlsSetting.Certificate, path, e.Message));
            return null;
        }
        finally
        {
            foreach (var certificate in chain)
            {
                certificate.Dispose();
            }
        }
    }
}
