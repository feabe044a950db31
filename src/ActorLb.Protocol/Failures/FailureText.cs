using System.Net.Http;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
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
        _ when IsOfHttp(e) => OfHttp(e),
        AuthenticationException tls => TlsFailure.Describe(tls),
        CryptographicException pem => PemFailure.Describe(pem),
        IOException io => OfStream(io) ?? FileFailure.Describe(io, ""),
        UnauthorizedAccessException or NotSupportedException => FileFailure.Describe(e, ""),
        _ => e.Message,
    };

    /// <summary>
    /// Loads what <see cref="Describe"/> needs of the runtime: when a node has run out of descriptors no library can be loaded any more,
    /// and there is much to describe.
    /// </summary>
    public static void Prepare()
    {
        foreach (Exception e in (Exception[])[
            new SocketException((int)SocketError.ConnectionRefused), new IOException("a : 'b'"), new UnauthorizedAccessException(),
            new AuthenticationException("a", new IOException("b")), new CryptographicException("a")])
        {
            _ = Describe(e);
        }
    }

    /// <summary>By its name: a node that has run out of descriptors cannot load the libraries of HTTP, and has no need of them.</summary>
    private static bool IsOfHttp(Exception e) => e.GetType().Namespace is "System.Net.Http" or "System.Net.WebSockets";

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static string OfHttp(Exception e) => e switch
    {
        HttpRequestException http => HttpFailure.Describe(http),
        WebSocketException webSocket => HttpFailure.Describe(webSocket),
        HttpIOException http => HttpFailure.Describe(http.HttpRequestError, http),
        _ => e.Message,
    };

    /// <summary>Of a connection's stream; null when the exception is another's.</summary>
    private static string? OfStream(IOException e)
    {
        if (e.InnerException is SocketException socket && IsOfTheRuntime(e)) return SocketFailure.Describe(socket.SocketErrorCode);
        if (e.InnerException is { } inner && (inner is AuthenticationException || IsOfHttp(inner)) && IsOfTheRuntime(e)) return Describe(inner);
        return e is EndOfStreamException || e.Message.Contains("unexpected EOF", StringComparison.Ordinal) ? "the other side closed the connection" : null;
    }

    /// <summary>Rather than one of our own that wraps the reason.</summary>
    private static bool IsOfTheRuntime(IOException e) =>
        e.Message.StartsWith("Unable to ", StringComparison.Ordinal) || e.Message.StartsWith("The decryption operation", StringComparison.Ordinal)
        || e.Message.StartsWith("The encryption operation", StringComparison.Ordinal) || e.Message.StartsWith("Authentication failed", StringComparison.Ordinal);
}
