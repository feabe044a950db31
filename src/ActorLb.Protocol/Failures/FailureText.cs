using System.Net.Http;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Authentication;
using System.Security.Cryptography;

namespace ActorLb.Protocol.Failures;

/// <summary>
/// Why something failed, in words for operators: the runtime's own texts speak of its types and steps. Both programs ask it; what it says is
/// a part of a sentence, without the address or the file, which the caller puts before it.
/// </summary>
public static class FailureText
{
    public static string Describe(Exception e) => e switch
    {
        SocketException socket => SocketFailure.Describe(socket.SocketErrorCode),
        HttpRequestException http => HttpFailure.Describe(http),
        WebSocketException webSocket => HttpFailure.Describe(webSocket),
        HttpIOException http => HttpFailure.Describe(http.HttpRequestError, http),
        AuthenticationException tls => TlsFailure.Describe(tls),
        CryptographicException pem => PemFailure.Describe(pem),
        IOException io => OfStream(io) ?? FileFailure.Describe(io, ""),
        UnauthorizedAccessException or NotSupportedException => FileFailure.Describe(e, ""),
        _ => e.Message,
    };

    /// <summary>Of a connection's stream; null when the exception is another's.</summary>
    private static string? OfStream(IOException e)
    {
        if (e.InnerException is SocketException socket && IsOfTheRuntime(e)) return SocketFailure.Describe(socket.SocketErrorCode);
        if (e.InnerException is HttpIOException or AuthenticationException && IsOfTheRuntime(e)) return Describe(e.InnerException);
        return e is EndOfStreamException || e.Message.Contains("unexpected EOF", StringComparison.Ordinal) ? "the other side closed the connection" : null;
    }

    /// <summary>Rather than one of our own that wraps the reason.</summary>
    private static bool IsOfTheRuntime(IOException e) =>
        e.Message.StartsWith("Unable to ", StringComparison.Ordinal) || e.Message.StartsWith("The decryption operation", StringComparison.Ordinal)
        || e.Message.StartsWith("The encryption operation", StringComparison.Ordinal) || e.Message.StartsWith("Authentication failed", StringComparison.Ordinal);
}
