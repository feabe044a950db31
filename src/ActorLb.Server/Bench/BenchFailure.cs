using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Authentication;
using ActorLb.Protocol.Failures;
using ActorLb.Protocol.Mqtt;
using MQTTnet.Exceptions;

namespace ActorLb.Server.Bench;

/// <summary>A client's failure; the message is the reason it is counted under: short, and without anything specific to that
/// client.</summary>
internal sealed class BenchFailure(string reason) : Exception(reason)
{
    public const string Closed = "connection closed by the broker";
    public const string Malformed = "malformed packet from the broker";

    /// <summary>Awaits an operation of the MQTT library and turns failures of the network and of the other side into
    /// <see cref="BenchFailure"/>.</summary>
    public static async Task TranslateAsync(Task work)
    {
        try
        {
            await work;
        }
        catch (Exception exception) when (exception is not BenchFailure && ReasonOf(exception) is { } reason)
        {
            throw new BenchFailure(reason);
        }
    }

    /// <inheritdoc cref="TranslateAsync(Task)"/>
    public static async Task<T> TranslateAsync<T>(Task<T> work)
    {
        await TranslateAsync((Task)work);
        return await work;
    }

    /// <summary>The reason to count an exception under, from the innermost informative cause; null when it is not a network
    /// failure.</summary>
    internal static string? ReasonOf(Exception exception)
    {
        Exception[] causes = [.. CausesOf(exception)];
        foreach (var cause in causes)
        {
            switch (cause)
            {
                case BenchFailure failure: return failure.Message;
                case SocketException socket: return SocketFailure.Describe(socket.SocketErrorCode);
                case AuthenticationException tls: return "TLS handshake: " + TlsFailure.Describe(tls);
                case MqttProtocolViolationException: return Malformed;
            }
        }
        if (causes.OfType<HttpRequestException>().FirstOrDefault() is { } http) return "WebSocket: " + HttpFailure.Describe(http);
        if (causes.OfType<WebSocketException>().FirstOrDefault() is { WebSocketErrorCode: WebSocketError.NotAWebSocket or WebSocketError.UnsupportedProtocol or WebSocketError.HeaderError } web)
            return "WebSocket: " + HttpFailure.Describe(web);
        return exception switch
        {
            // The library's decoder throws all kinds of exceptions on invalid input.
            MqttCommunicationException { InnerException: ArgumentException or IndexOutOfRangeException or OverflowException } => Malformed,
            // ObjectDisposedException is an InvalidOperationException: the receiver noticed the end before the sender.
            MqttCommunicationException or IOException or InvalidOperationException => Closed,
            _ => null,
        };
    }

    /// <summary>Return codes of MQTT 3.x (3.1.1, 3.2.2.3) and reason codes of MQTT 5 (3.2.2.2).</summary>
    public static string Refusal(MqttVersion version, byte code)
    {
        string text = version == MqttVersion.V5 && code > 5
            ? code switch
            {
                0x80 => "unspecified error",
                0x81 => "malformed packet",
                0x82 => "protocol error",
                0x84 => "unsupported protocol version",
                0x85 => "client identifier not valid",
                0x86 => "bad user name or password",
                0x87 => "not authorized",
                0x88 => "server unavailable",
                0x89 => "server busy",
                0x8A => "banned",
                0x8C => "bad authentication method",
                0x95 => "packet too large",
                0x97 => "quota exceeded",
                0x9C => "use another server",
                0x9D => "server moved",
                0x9F => "connection rate exceeded",
                _ => "refused",
            }
            : code switch
            {
                1 => "unacceptable protocol version",
                2 => "identifier rejected",
                3 => "server unavailable",
                4 => "bad user name or password",
                5 => "not authorized",
                _ => "refused",
            };
        return $"CONNACK 0x{code:X2} {text}";
    }

    private static IEnumerable<Exception> CausesOf(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException) yield return cause;
    }
}
