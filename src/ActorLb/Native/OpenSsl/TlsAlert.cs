using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Native.OpenSsl;

/// <summary>
/// The last alert that this thread sent or received. OpenSSL tells it only to a callback, which runs on the thread that is inside
/// the library, so one field a thread serves every connection.
/// </summary>
internal static class TlsAlert
{
    [ThreadStatic] private static int s_last;

    internal static void Forget() => s_last = -1;

    /// <summary>The alert since <see cref="Forget"/>: its number (RFC 8446, section 6), or -1.</summary>
    internal static int Last => s_last < 0 ? -1 : s_last & 0xFF;

    internal static string? Describe()
    {
        if (s_last < 0)
        {
            return null;
        }

        // OpenSSL 3.0 has no names for the alerts that RFC 8446, section 6 added.
        var number = s_last & 0xFF;
        var name = number switch
        {
            109 => "missing extension",
            116 => "certificate required",
            120 => "no application protocol",
            _ => OpenSslErrors.Text(LibSsl.SSL_alert_desc_string_long(number)),
        };
        return (s_last & 0x100) != 0 ? $"alert {name} received" : $"alert {name} sent";
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static void OnInfo(nint ssl, int where, int value)
    {
        if ((where & CallbackAlert) != 0)
        {
            s_last = (value & 0xFF) | ((where & CallbackRead) != 0 ? 0x100 : 0);
        }
    }
}
