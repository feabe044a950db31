using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace ActorLb.Cli;

/// <summary>The PEM files given on the command line. A file that cannot be used is a <see cref="UsageException"/> that names the option,
/// the file and the reason.</summary>
internal static class PemFiles
{
    public static X509Certificate2 Certificate(string certificate, string? key)
    {
        string own = Read("--cert", certificate);
        using var shown = Parse("--cert", certificate, own);
        string option = key is null ? "--cert" : "--key", keyFile = key ?? certificate;
        string pem = key is null ? own : Read(option, keyFile);
        try
        {
            return X509Certificate2.CreateFromPem(own, pem);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new UsageException($"{option} {keyFile}: {WhyNot(pem, certificate)}");
        }
    }

    public static X509Certificate2Collection Authorities(string file)
    {
        string pem = Read("--ca", file);
        Parse("--ca", file, pem).Dispose();
        var result = new X509Certificate2Collection();
        try
        {
            result.ImportFromPem(pem);
        }
        catch (CryptographicException)
        {
            throw new UsageException($"--ca {file}: it contains a certificate that cannot be read");
        }
        return result;
    }

    private static string Read(string option, string file) => InputFile.ReadText($"{option} ", file);

    private static X509Certificate2 Parse(string option, string file, string pem)
    {
        try
        {
            return X509Certificate2.CreateFromPem(pem);
        }
        catch (CryptographicException)
        {
            throw new UsageException($"{option} {file}: holds no readable PEM certificate");
        }
    }

    private static string WhyNot(string pem, string certificate)
    {
        if (pem.Contains("ENCRYPTED", StringComparison.Ordinal)) return "the key is encrypted; a key without a password is needed";
        return CanBeRead(RSA.Create, pem) || CanBeRead(ECDsa.Create, pem)
            ? $"does not belong to the certificate {certificate}"
            : "holds no readable PEM private key";
    }

    private static bool CanBeRead(Func<AsymmetricAlgorithm> create, string pem)
    {
        using var key = create();
        try
        {
            key.ImportFromPem(pem);
            return true;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return false;
        }
    }
}
