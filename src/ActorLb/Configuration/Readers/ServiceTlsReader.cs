namespace ActorLb.Configuration.Readers;

/// <summary>The <c>tls</c> block of the admin endpoint and of the cluster.</summary>
internal static class ServiceTlsReader
{
    public static ServiceTlsOptions Read(Section section, bool certificateRequired, bool caRequired)
    {
        (string? certificate, string? key) = Pair(section, certificateRequired);
        string? ca = section.ReadableFile("ca");
        if (caRequired && !section.Has("ca")) section.Missing("ca");
        section.Close();
        return new ServiceTlsOptions(certificate, key, ca);
    }

    /// <summary>A certificate and its key: both or neither.</summary>
    public static (string? Certificate, string? Key) Pair(Section section, bool required)
    {
        string? certificate = section.ReadableFile("certificate");
        string? key = section.ReadableFile("key");
        bool hasCertificate = section.Has("certificate"), hasKey = section.Has("key");
        if (!hasCertificate && (required || hasKey)) section.Missing("certificate");
        if (!hasKey && (required || hasCertificate)) section.Missing("key");
        return (certificate, key);
    }
}
