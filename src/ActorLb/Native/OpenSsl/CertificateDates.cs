using System.Runtime.InteropServices;
using ActorLb.Tls;

namespace ActorLb.Native.OpenSsl;

/// <summary>Reads the times of certificates and revocation lists.</summary>
internal static unsafe class CertificateDates
{
    internal static DatedEntry Of(TlsSetting setting, string path, nint certificate) => new(
        setting, path, CertificateText.Name(LibCrypto.X509_get_subject_name(certificate)),
        Time(LibCrypto.X509_get0_notBefore(certificate)) ?? DateTimeOffset.MinValue,
        Time(LibCrypto.X509_get0_notAfter(certificate)) ?? DateTimeOffset.MaxValue);

    internal static DatedEntry OfList(string path, nint list) => new(
        TlsSetting.Crl, path, CertificateText.Name(LibCrypto.X509_CRL_get_issuer(list)),
        Time(LibCrypto.X509_CRL_get0_lastUpdate(list)) ?? DateTimeOffset.MinValue,
        // The one field that may lack (RFC 5280, 5.1.2.5 wants it all the same): such a list is never too old to OpenSSL.
        Time(LibCrypto.X509_CRL_get0_nextUpdate(list)) ?? DateTimeOffset.MaxValue);

    private static DateTimeOffset? Time(nint time)
    {
        Tm tm;
        if (time == 0 || LibCrypto.ASN1_TIME_to_tm(time, &tm) != 1)
        {
            LibCrypto.ERR_clear_error();
            return null;
        }

        // A leap second is the one value that OpenSSL takes and DateTimeOffset does not.
        return new DateTimeOffset(tm.Year + 1900, tm.Month + 1, tm.Day, tm.Hour, tm.Minute, Math.Min(tm.Second, 59), TimeSpan.Zero);
    }

    /// <summary>The C library's struct tm (time.h); ASN1_TIME_to_tm(3) gives UTC.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Tm
    {
        internal int Second, Minute, Hour, Day, Month, Year, WeekDay, YearDay, IsDaylightSaving;
        internal nint Offset, Zone;
    }
}
