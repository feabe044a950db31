namespace ActorLb.Configuration.Import;

/// <summary>The protocol suggested by ports and names, where nothing else decides.</summary>
internal static class WellKnown
{
    /// <summary>Ports of EMQX, mosquitto and the web.</summary>
    public static bool IsWebSocketPort(int port) => port is 80 or 443 or 8080 or 8083 or 8084 or 9001 or 15675;

    /// <summary>Whether a request line can contain it (RFC 9112, section 3.2.1).</summary>
    public static bool IsPath(string text) => text.StartsWith('/') && text.All(c => c is > ' ' and < '\u007f' and not '#');

    /// <summary>Dashboards and APIs of EMQX and RabbitMQ.</summary>
    public static bool IsWebPort(int port) => port is 18083 or 18084 or 8081 or 15672;

    /// <summary>What a listener with protocol tcp does, as a comment next to the key.</summary>
    /// <param name="tlsInside">A directive shows that TLS is passed through.</param>
    public static string Unseen(bool ssl, bool tlsInside, int port) =>
        IsWebPort(port) ? "web traffic is passed through"
        : tlsInside || (!ssl && port is 8883 or 8084 or 443) ? "TLS is passed through; to read it set tls here and in the pool"
        : "WebSocket is passed through; to read it set websocket { path = \"/mqtt\" } here and in the pool";

    public static bool IsWebSocketName(string name) =>
        name.Split('-', '_', '.').Any(part => part.ToLowerInvariant() is "ws" or "wss" or "websocket" or "websockets");
}
