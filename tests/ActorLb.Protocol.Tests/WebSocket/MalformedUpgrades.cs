using System.Text;
using ActorLb.Protocol.WebSocket;

namespace ActorLb.Protocol.Tests.WebSocket;

/// <summary>An upgrade request that must be refused once it is whole, and why.</summary>
public sealed record MalformedUpgrade(string Name, byte[] Bytes, UpgradeError Expected)
{
    public override string ToString() => Name;
}

/// <summary>
/// Requests that must not upgrade on a listener with path <c>/mqtt</c> host <c>mqtt.example.com</c> and one origin. Other test projects
/// link this file; it needs only the protocol library.
/// </summary>
public static class MalformedUpgrades
{
    public const string Path = "/mqtt";
    public const string Host = "mqtt.example.com";
    public const string Origin = "https://app.example.com";

    public const string Valid =
        "GET /mqtt HTTP/1.1\r\nHost: mqtt.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

    private const string Key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    public static readonly IReadOnlyList<MalformedUpgrade> All =
    [
        // Request line.
        Line("", UpgradeError.RequestLine),
        Line("GET", UpgradeError.RequestLine),
        Line("GET /mqtt", UpgradeError.RequestLine),
        Line("GET  HTTP/1.1", UpgradeError.RequestLine),
        Line(" GET /mqtt HTTP/1.1", UpgradeError.RequestLine),
        Line("GET  /mqtt HTTP/1.1", UpgradeError.RequestLine),
        Line("GET /mqtt  HTTP/1.1", UpgradeError.RequestLine),
        Line("GET /mqtt x HTTP/1.1", UpgradeError.RequestLine),
        Line("GET\t/mqtt\tHTTP/1.1", UpgradeError.RequestLine),
        Line("G@T /mqtt HTTP/1.1", UpgradeError.RequestLine),
        Line("GET mqtt HTTP/1.1", UpgradeError.RequestLine),
        Line("GET * HTTP/1.1", UpgradeError.RequestLine),
        Line("GET ftp://mqtt.example.com/mqtt HTTP/1.1", UpgradeError.RequestLine),
        Line("GET /mqtt#part HTTP/1.1", UpgradeError.RequestLine),
        Line("GET /mqtt HTTP/1.1 ", UpgradeError.RequestLine),
        Line("GET /mqtt HTTX/1.1", UpgradeError.RequestLine),
        Line("GET /mqtt http/1.1", UpgradeError.RequestLine),
        Line("GET /mqtt HTTP/11", UpgradeError.RequestLine),
        Line("GET /mqtt HTTP/1.a", UpgradeError.RequestLine),
        Line("GET /mq\u00fctt HTTP/1.1", UpgradeError.RequestLine),
        Line("GET /mqtt\0 HTTP/1.1", UpgradeError.RequestLine),
        new("line feed alone", Bytes(Valid.Replace("\r\n", "\n", StringComparison.Ordinal)), UpgradeError.RequestLine),
        new("carriage return within the line", Bytes("GET /mqtt\r HTTP/1.1\r\n\r\n"), UpgradeError.RequestLine),
        new("tls hello", [0x16, 3, 1, 2, 0, 1, 0, 1], UpgradeError.RequestLine),
        new("plain MQTT", [0x10, 13, 0, 4, .. "MQTT"u8, 4, 2, 0, 60, 0, 1, (byte)'c'], UpgradeError.RequestLine),
        Line("GET /" + new string('a', 4090) + " HTTP/1.1", UpgradeError.TargetTooLong, "target too long"),
        Line("POST /mqtt HTTP/1.1", UpgradeError.Method),
        Line("get /mqtt HTTP/1.1", UpgradeError.Method),
        Line("CONNECT mqtt.example.com:80 HTTP/1.1", UpgradeError.Method),
        Line("OPTIONS * HTTP/1.1", UpgradeError.Method),
        Line("GET /mqtt HTTP/1.0", UpgradeError.HttpVersion),
        Line("GET /mqtt HTTP/2.0", UpgradeError.HttpVersion),
        new("HTTP/2 preface", Bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), UpgradeError.HttpVersion),
        Line("GET / HTTP/1.1", UpgradeError.Path),
        Line("GET /mqtt/ HTTP/1.1", UpgradeError.Path),
        Line("GET /MQTT HTTP/1.1", UpgradeError.Path),
        Line("GET /mqtt2 HTTP/1.1", UpgradeError.Path),
        Line("GET /x/../mqtt HTTP/1.1", UpgradeError.Path),
        Line("GET http://mqtt.example.com HTTP/1.1", UpgradeError.Path),
        Line("GET http://other.example.com/mqtt HTTP/1.1", UpgradeError.HostUnknown),
        Line("GET http://user@mqtt.example.com/mqtt HTTP/1.1", UpgradeError.Host),
        // Fields.
        With("space before the colon", "Upgrade: websocket", "Upgrade : websocket", UpgradeError.Field),
        With("folded line", "Upgrade: websocket", "Upgrade:\r\n websocket", UpgradeError.Field),
        With("no colon", "Upgrade: websocket", "Upgrade websocket", UpgradeError.Field),
        With("no name", "Upgrade: websocket", ": websocket", UpgradeError.Field),
        With("zero in a value", "Upgrade: websocket", "Upgrade: websocket\0", UpgradeError.Field),
        With("line feed in a value", "Upgrade: websocket", "Upgrade: web\nsocket", UpgradeError.Field),
        With("carriage return in a value", "Upgrade: websocket", "Upgrade: web\rsocket", UpgradeError.Field),
        With("101 fields", "\r\n\r\n", string.Concat(Enumerable.Repeat("\r\nA: b", 95)) + "\r\n\r\n", UpgradeError.TooManyFields),
        With("head too long", "\r\n\r\n", "\r\nCookie: " + new string('c', 8192) + "\r\n\r\n", UpgradeError.HeadTooLong),
        // Host.
        With("no host", "Host: mqtt.example.com\r\n", "", UpgradeError.Host),
        With("host twice", "Host: mqtt.example.com", "Host: mqtt.example.com\r\nHost: mqtt.example.com", UpgradeError.Host),
        With("host empty", "Host: mqtt.example.com", "Host:", UpgradeError.Host),
        With("host with a space", "Host: mqtt.example.com", "Host: mqtt.example.com x", UpgradeError.Host),
        With("host with a path", "Host: mqtt.example.com", "Host: mqtt.example.com/mqtt", UpgradeError.Host),
        With("host with a bad port", "Host: mqtt.example.com", "Host: mqtt.example.com:80a", UpgradeError.Host),
        With("host with an open bracket", "Host: mqtt.example.com", "Host: [::1", UpgradeError.Host),
        With("host with text behind the bracket", "Host: mqtt.example.com", "Host: [::1]x", UpgradeError.Host),
        With("host too long", "Host: mqtt.example.com", "Host: " + new string('a', 256), UpgradeError.Host),
        With("two hosts in one", "Host: mqtt.example.com", "Host: mqtt.example.com, a", UpgradeError.Host),
        With("other host", "Host: mqtt.example.com", "Host: example.com", UpgradeError.HostUnknown),
        With("address as host", "Host: mqtt.example.com", "Host: 127.0.0.1:8083", UpgradeError.HostUnknown),
        With("other host with the name as its end", "Host: mqtt.example.com", "Host: xmqtt.example.com", UpgradeError.HostUnknown),
        // Origin and what may come once.
        With("other origin", "Upgrade: websocket", "Origin: https://evil.example.com\r\nUpgrade: websocket", UpgradeError.Origin),
        With("origin of another scheme", "Upgrade: websocket", "Origin: http://app.example.com\r\nUpgrade: websocket", UpgradeError.Origin),
        With("origin with a port", "Upgrade: websocket", "Origin: https://app.example.com:8443\r\nUpgrade: websocket", UpgradeError.Origin),
        With("origin with the name as its beginning", "Upgrade: websocket", "Origin: https://app.example.com.evil\r\nUpgrade: websocket", UpgradeError.Origin),
        With("origin null", "Upgrade: websocket", "Origin: null\r\nUpgrade: websocket", UpgradeError.Origin),
        With("origin empty", "Upgrade: websocket", "Origin:\r\nUpgrade: websocket", UpgradeError.Origin),
        With("origin twice", "Upgrade: websocket", $"Origin: {Origin}\r\nOrigin: {Origin}\r\nUpgrade: websocket", UpgradeError.Repeated),
        With("authorization twice", "Upgrade: websocket", "Authorization: Basic YQ==\r\nauthorization: Basic Yg==\r\nUpgrade: websocket", UpgradeError.Repeated),
        // Body.
        With("content length", "Upgrade: websocket", "Content-Length: 5\r\nUpgrade: websocket", UpgradeError.Body),
        With("content length not a number", "Upgrade: websocket", "Content-Length: 0, 5\r\nUpgrade: websocket", UpgradeError.Body),
        With("chunked", "Upgrade: websocket", "Transfer-Encoding: chunked\r\nUpgrade: websocket", UpgradeError.Body),
        // The upgrade itself.
        With("no upgrade", "Upgrade: websocket\r\n", "", UpgradeError.NoUpgrade),
        With("upgrade to h2c", "Upgrade: websocket", "Upgrade: h2c", UpgradeError.NoUpgrade),
        With("upgrade to websocketx", "Upgrade: websocket", "Upgrade: websocketx", UpgradeError.NoUpgrade),
        With("no connection", "Connection: Upgrade\r\n", "", UpgradeError.Connection),
        With("connection keep-alive", "Connection: Upgrade", "Connection: keep-alive", UpgradeError.Connection),
        With("no version", "Sec-WebSocket-Version: 13\r\n", "", UpgradeError.VersionMissing),
        With("version twice", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13", UpgradeError.VersionMissing),
        With("version 8", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", UpgradeError.Version),
        With("version 013", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 013", UpgradeError.Version),
        With("no key", Key, "", UpgradeError.Key),
        With("key twice", Key, Key + Key, UpgradeError.Key),
        With("key empty", Key, "Sec-WebSocket-Key:\r\n", UpgradeError.Key),
        With("key of fifteen bytes", Key, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n", UpgradeError.Key),
        With("key of seventeen bytes", Key, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n", UpgradeError.Key),
        With("key of eighteen bytes", Key, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA\r\n", UpgradeError.Key),
        With("key not base 64", Key, "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n", UpgradeError.Key),
        With("key without padding", Key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n", UpgradeError.Key),
        With("no subprotocol", "Sec-WebSocket-Protocol: mqtt\r\n", "", UpgradeError.Subprotocol),
        With("other subprotocol", "Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Protocol: chat, amqp", UpgradeError.Subprotocol),
        With("subprotocol in capitals", "Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Protocol: MQTT", UpgradeError.Subprotocol),
    ];

    private static MalformedUpgrade Line(string line, UpgradeError expected, string? name = null) =>
        new(name ?? $"line '{line.Replace("\0", "\\0", StringComparison.Ordinal)}'", Bytes(line + Valid["GET /mqtt HTTP/1.1".Length..]), expected);

    private static MalformedUpgrade With(string name, string part, string replacement, UpgradeError expected) =>
        new(name, Bytes(Valid.Replace(part, replacement, StringComparison.Ordinal)), expected);

    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);
}
