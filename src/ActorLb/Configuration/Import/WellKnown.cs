namespace ActorLb.Configuration.Import;

/// <summary>What ports and names tell of the protocol where nothing else does.</summary>
internal static class WellKnown
{
    /// <summary>EMQX's, mosquitto's and the web's.</summary>
    public static bool IsWebSocketPort(int port) => port is 80 or 443 or 8080 or 8083 or 8084 or 9001 or 15675;

    public static bool IsWebSocketName(string name) =>
        name.Split('-', '_', '.').Any(part => part.ToLowerInvariant() is "ws" or "wss" or "websocket" or "websockets");
}
