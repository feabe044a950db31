using System.Runtime.InteropServices;

namespace ActorLb.Native.OpenSsl;

/// <summary>Reads the error queue that OpenSSL keeps for each thread.</summary>
internal static unsafe class OpenSslErrors
{
    private const int MaxReasons = 3;

    /// <summary>Empties the queue and returns its distinct reasons, oldest (the cause) first; null when it was empty.</summary>
    internal static string? Take()
    {
        var reasons = new List<string>(1);
        for (var code = LibCrypto.ERR_get_error(); code != 0; code = LibCrypto.ERR_get_error())
        {
            var reason = Describe(code);
            if (reasons.Count < MaxReasons && !reasons.Contains(reason, StringComparer.Ordinal))
            {
                reasons.Add(reason);
            }
        }

        return reasons.Count == 0 ? null : string.Join("; ", reasons);
    }

    internal static string Text(nint utf8) => Marshal.PtrToStringUTF8(utf8) ?? "";

    private static string Describe(nuint code)
    {
        var reason = LibCrypto.ERR_reason_error_string(code);
        if (reason != 0)
        {
            return Text(reason);
        }

        var buffer = stackalloc byte[256];
        LibCrypto.ERR_error_string_n(code, buffer, 256);
        return Text((nint)buffer);
    }
}
