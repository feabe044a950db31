namespace ActorLb.Configuration.Import;

/// <summary>What ports and names tell of the protocol where nothing else does.</summary>
internal static class WellKnown
{
    /// <summary>EMQX's, mosquitto's and the web's.</summary>
    public static bool IsWebSocketPort(int port) => port is 80 or 443 or 8080 or 8083 or 8084 or 9001 or 15675;

    /// <summary>Whether a request line can have it (RFC 9112, section 3.2.1).</summary>
    public static bool IsPath(string text) => text.StartsWith('/') && text.All(c => c is > ' ' and < '\u007f' and not '#');

    /// <summary>Dashboards and APIs of EMQX and RabbitMQ.</summary>
    public static bool IsWebPort(int port) => port is 18083 or 18084 or 8081 or 15672;

    /// <summary>What a listener of protocol tcp does, as a comment beside the key.</summary>
    /// <param name="tlsInside">A directive says that TLS comes.</param>
    public static string Unseen(bool ssl, bool tlsInside, int port) =>
        IsWebPort(port) ? "the web passes unseen"
        : tlsInside || (!ssl && port is 8883 or 8084 or 443) ? "TLS passes unseen; tls here and in the pool reads it"
        : "WebSocket passes unseen; websocket { path = \"/mqtt\" } here and in the pool reads it";

    public static bool IsWebSocketName(string name) =>
        name.Split('-', '_', '.').Any(part => part.ToLowerInvariant() is "ws" or "wss" or "websocket" or "websockets");
}
