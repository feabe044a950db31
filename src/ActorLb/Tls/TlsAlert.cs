using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ActorLb.Native.OpenSsl;
using static ActorLb.Native.OpenSsl.OpenSslConstants;

namespace ActorLb.Tls;

/// <summary>
/// What OpenSSL reports only to a callback, which runs on the thread that is inside the library, so that fields of the thread serve
/// every connection: the last alert that was sent or received, and how many handshake messages one call went through.
/// </summary>
internal static class TlsAlert
{
    /// <summary>Handshake messages that one call may go through, several times what a handshake has.</summary>
    internal const int MaxMessages = 256;

    /// <summary>
    /// The same for a call that reads data. SSL_read goes on by itself while it finds key updates (RFC 8446, section 4.6.3) or refused
    /// renegotiations: a client that sends nothing else would keep the thread for itself, and one that sends a byte now and then
    /// would keep it as long for each.
    /// </summary>
    internal const int MaxMessagesOfRead = 64;

    [ThreadStatic] private static int s_last;
    [ThreadStatic] private static int s_messagesLeft;

    /// <summary>To be called before the library is.</summary>
    /// <param name="messages">Handshake messages that the call may go through.</param>
    internal static void Forget(int messages)
    {
        s_last = -1;
        s_messagesLeft = messages;
    }

    /// <summary>The alert since <see cref="Forget"/>: its number (RFC 8446, section 6), or -1.</summary>
    internal static int Last => s_last < 0 ? -1 : s_last & 0xFF;

    internal static string? Describe()
    {
        if (s_last < 0)
        {
            return null;
        }

        // OpenSSL 3.0 has no names for the alerts that RFC 8446, section 6 added.
        int number = s_last & 0xFF;
        string name = number switch
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
        else if ((where & CallbackLoop) != 0 && --s_messagesLeft < 0)
        {
            // The only way to stop a call from within: it takes the peer for gone.
            LibSsl.SSL_set_shutdown(ssl, SentShutdown | ReceivedShutdown);
        }
    }
}
