using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ActorLb.Protocol.Failures;

namespace ActorLb.Configuration.Checks;

/// <summary>Loads the PEM files of a <see cref="ServiceTlsOptions"/>. Every error names the file and the reason.</summary>
internal static class ServiceCertificates
{
    /// <summary>The certificate that this side presents; null when none is configured.</summary>
    /// <exception cref="InvalidOperationException">A file is missing or unusable.</exception>
    public static X509Certificate2? OwnOf(ServiceTlsOptions options)
    {
        if (options.Certificate is not { } file)
        {
            return options.Key is null ? null : throw new InvalidOperationException($"{options.Key}: a key without a certificate");
        }

        try
        {
            return X509Certificate2.CreateFromPem(InputFile.ReadText(file), InputFile.ReadText(options.Key ?? file));
        }
        catch (Exception e) when (IsUnusable(e))
        {
            throw new InvalidOperationException($"{file}{(options.Key is { } key ? $" with key {key}" : "")}: {PemFailure.Describe(e)}", e);
        }
    }

    /// <summary>The intermediate certificates that follow the certificate in its file.</summary>
    public static X509Certificate2Collection IntermediatesOf(ServiceTlsOptions options)
    {
        var all = new X509Certificate2Collection();
        if (options.Certificate is { } file)
        {
            all.ImportFromPem(InputFile.ReadText(file));
            all.RemoveAt(0);
        }

        return all;
    }

    /// <summary>Trust in the configured authorities only, or null for the machine's.</summary>
    /// <exception cref="InvalidOperationException">The file is missing, unusable or empty.</exception>
    public static X509ChainPolicy? TrustOf(ServiceTlsOptions options)
    {
        if (options.Ca is not { } file)
        {
            return null;
        }

        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPem(InputFile.ReadText(file));
        }
        catch (Exception e) when (IsUnusable(e))
        {
            throw new InvalidOperationException($"{file}: {PemFailure.Describe(e)}", e);
        }

        return policy.CustomTrustStore.Count > 0 ? policy : throw new InvalidOperationException($"{file}: holds no certificate");
    }

    private static bool IsUnusable(Exception e) =>
        e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException;
}
