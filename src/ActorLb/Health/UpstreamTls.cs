using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Configuration;

namespace ActorLb.Health;

/// <summary>A probe's TLS to backends: the pool's CA, name and certificate, read once.</summary>
internal sealed class UpstreamTls
{
    private readonly SslClientAuthenticationOptions _options;

    /// <param name="host">Name required in the certificate when the options set none.</param>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A file is not PEM as expected.</exception>
    public UpstreamTls(UpstreamTlsOptions options, string host)
    {
        _options = new SslClientAuthenticationOptions { TargetHost = options.ServerName ?? host };
        if (options.Certificate is { } certificate)
        {
            var own = X509Certificate2.CreateFromPem(InputFile.ReadText(certificate), InputFile.ReadText(options.Key ?? certificate));
            _options.ClientCertificateContext = SslStreamCertificateContext.Create(own, additionalCertificates: null, offline: true);
        }

        if (!options.Verify)
        {
            // The operator has set `verify = off`.
            _options.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        }
        else if (options.Ca is { } ca)
        {
            X509Certificate2Collection roots = [];
            roots.ImportFromPem(InputFile.ReadText(ca));
            _options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            _options.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }
    }

    public SslClientAuthenticationOptions Options => _options;
}
