using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Authentication;
using ActorLb.Protocol.Mqtt;

namespace ActorLb.Server.Bench;

/// <summary>A client's failure whose message is the reason it is counted under: short, and without anything of that client alone.</summary>
internal sealed class BenchFailure(string reason) : Exception(reason)
{
    /// <summary>The reason to count a client's exception under; null when it is none of the network's.</summary>
    public static string? ReasonOf(Exception exception) => exception switch
    {
        BenchFailure failure => failure.Message,
        SocketException socket => Describe(socket.SocketErrorCode),
        AuthenticationException tls => "TLS handshake: " + (tls.InnerException?.Message ?? tls.Message),
        IOException { InnerException: SocketException socket } => Describe(socket.SocketErrorCode),
        HttpRequestException { InnerException: { } inner } => ReasonOf(inner),
        WebSocketException { InnerException: { } inner } when ReasonOf(inner) is { } reason => reason,
        WebSocketException or HttpRequestException => "WebSocket: " + exception.Message,
        IOException => exception.Message,
        _ => null,
    };

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

    private static string Describe(SocketError error) => error switch
    {
        SocketError.ConnectionRefused => "connection refused",
        SocketError.ConnectionReset => "connection reset",
        SocketError.TimedOut => "connection timed out",
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => "host name not found",
        SocketError.HostUnreachable => "host unreachable",
        SocketError.NetworkUnreachable => "network unreachable",
        SocketError.AddressNotAvailable => "no free source port",
        SocketError.TooManyOpenSockets => "too many open files",
        SocketError.Shutdown => "connection closed",
        _ => "socket error " + error,
    };
}
