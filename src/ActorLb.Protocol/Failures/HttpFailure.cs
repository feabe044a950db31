using System.Net.Http;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Authentication;
using System.Text.RegularExpressions;

namespace ActorLb.Protocol.Failures;

/// <summary>Why an HTTP request or a WebSocket upgrade got no valid answer.</summary>
public static partial class HttpFailure
{
    private const string Answered = "the other side's answer to the WebSocket upgrade is invalid";

    public static string Describe(HttpRequestException e) =>
        e.StatusCode is { } status ? $"it answered with HTTP status {(int)status}" : Describe(e.HttpRequestError, e);

    public static string Describe(HttpRequestError error, Exception e)
    {
        for (var inner = e.InnerException; inner is not null; inner = inner.InnerException)
        {
            if (inner is SocketException or AuthenticationException) return FailureText.Describe(inner);
        }
        return error switch
        {
            HttpRequestError.ResponseEnded => "it closed the connection without an HTTP answer",
            HttpRequestError.InvalidResponse => "it does not speak HTTP",
            HttpRequestError.SecureConnectionError => e.InnerException is IOException io ? FailureText.Describe(io) : "the TLS handshake failed",
            HttpRequestError.NameResolutionError => "no such host name",
            HttpRequestError.ConnectionError => "cannot connect",
            HttpRequestError.ConfigurationLimitExceeded => "its answer is too large",
            HttpRequestError.HttpProtocolError or HttpRequestError.VersionNegotiationError => "it violated the HTTP protocol",
            _ => e.InnerException is IOException inner ? FailureText.Describe(inner) : "its answer is not valid HTTP",
        };
    }

    public static string Describe(WebSocketException e)
    {
        if (e.InnerException is HttpRequestException http) return Describe(http);
        if (Status().Match(e.Message) is { Success: true } status) return $"the upgrade to WebSocket got HTTP status {status.Groups["status"].Value} instead of 101";
        return e.WebSocketErrorCode switch
        {
            WebSocketError.ConnectionClosedPrematurely => "the other side closed the connection without a close frame",
            _ when e.InnerException is SocketException or IOException or AuthenticationException or WebSocketException or HttpRequestException =>
                FailureText.Describe(e.InnerException),
            WebSocketError.HeaderError or WebSocketError.NotAWebSocket => Answered,
            _ when e.Message.Contains("header", StringComparison.OrdinalIgnoreCase) => Answered,
            WebSocketError.UnsupportedProtocol => "the other side did not choose the subprotocol mqtt",
            _ => "the other side does not speak WebSocket",
        };
    }

    [GeneratedRegex("status code '(?<status>[0-9]{3})'", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Status();
}
