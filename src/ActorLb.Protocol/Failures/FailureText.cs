using System.Net.Http;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography;

namespace ActorLb.Protocol.Failures;

/// <summary>
/// Why something failed, in words for operators: the runtime's own messages speak of its types and methods. Both programs use it. The
/// result is part of a sentence, without the address or file, which the caller puts before it.
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
    /// Loads what <see cref="Describe"/> needs from the runtime: once a node has run out of file descriptors no library can be loaded any
    /// more, and that is when there are many failures to describe.
    /// </summary>
    public static void Prepare()
    {
        foreach (var e in (Exception[])[
            new SocketException((int)SocketError.ConnectionRefused), new IOException("a : 'b'"), new UnauthorizedAccessException(),
            new AuthenticationException("a", new IOException("b")), new CryptographicException("a")])
        {
            _ = Describe(e);
        }
    }

    /// <summary>By its name: a node that has run out of descriptors cannot load the HTTP libraries, and such an exception is not
    /// theirs then.</summary>
    private static bool IsOfHttp(Exception e) => e.GetType().Namespace is "System.Net.Http" or "System.Net.WebSockets";

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static string OfHttp(Exception e) => e switch
    {
        HttpRequestException http => HttpFailure.Describe(http),
        WebSocketException webSocket => HttpFailure.Describe(webSocket),
        HttpIOException http => HttpFailure.Describe(http.HttpRequestError, http),
        _ => e.Message,
    };

    /// <summary>For a connection's stream; null for any other exception.</summary>
    private static string? OfStream(IOException e)
    {
        if (e.InnerException is SocketException socket && IsOfTheRuntime(e)) return SocketFailure.Describe(socket.SocketErrorCode);
        if (e.InnerException is { } inner && (inner is AuthenticationException || IsOfHttp(inner)) && IsOfTheRuntime(e)) return Describe(inner);
        return e is EndOfStreamException || e.Message.Contains("unexpected EOF", StringComparison.Ordinal) ? "the other side closed the connection" : null;
    }

    /// <summary>Whether the message is the runtime's, rather than one of ours that wraps the reason.</summary>
    private static bool IsOfTheRuntime(IOException e) =>
        e.Message.StartsWith("Unable to ", StringComparison.Ordinal) || e.Message.StartsWith("The decryption operation", StringComparison.Ordinal)
        || e.Message.StartsWith("The encryption operation", StringComparison.Ordinal) || e.Message.StartsWith("Authentication failed", StringComparison.Ordinal);
}
