namespace ActorLb.Protocol.WebSocket;

/// <summary>Why an upgrade is refused. The numbers are stable: they appear in logs and metrics.</summary>
public enum UpgradeError : byte
{
    None = 0,
    RequestLine = 1,
    Field = 2,
    HeadTooLong = 3,
    TooManyFields = 4,
    TargetTooLong = 5,
    Method = 6,
    HttpVersion = 7,
    Host = 8,
    HostUnknown = 9,
    Path = 10,
    Body = 11,
    NoUpgrade = 12,
    Connection = 13,
    Key = 14,
    VersionMissing = 15,
    Version = 16,
    Subprotocol = 17,
    Origin = 18,
    Repeated = 19,

    /// <summary>From here on: errors in a backend's response.</summary>
    StatusLine = 32,
    Status = 33,
    ResponseUpgrade = 34,
    ResponseConnection = 35,
    Accept = 36,
    ResponseSubprotocol = 37,
    Extension = 38,
}

public static class UpgradeErrors
{
    /// <summary>One clause for logs.</summary>
    public static string Text(this UpgradeError error) => error switch
    {
        UpgradeError.None => "no error",
        UpgradeError.RequestLine => "the request line is malformed",
        UpgradeError.Field => "a header field is malformed",
        UpgradeError.HeadTooLong => "the head is longer than 8 KiB",
        UpgradeError.TooManyFields => "the head has more than 100 fields",
        UpgradeError.TargetTooLong => "the request line is longer than 4 KiB",
        UpgradeError.Method => "the method is not GET",
        UpgradeError.HttpVersion => "the version is not HTTP/1.1",
        UpgradeError.Host => "the Host field is missing, malformed or repeated",
        UpgradeError.HostUnknown => "the host is not one of the listener's",
        UpgradeError.Path => "the path is not the listener's",
        UpgradeError.Body => "the request has a body",
        UpgradeError.NoUpgrade => "the request does not ask for an upgrade to websocket",
        UpgradeError.Connection => "the Connection field does not name Upgrade",
        UpgradeError.Key => "Sec-WebSocket-Key is missing, repeated or not sixteen bytes in base64",
        UpgradeError.VersionMissing => "Sec-WebSocket-Version is missing or repeated",
        UpgradeError.Version => "Sec-WebSocket-Version is not 13",
        UpgradeError.Subprotocol => "Sec-WebSocket-Protocol offers neither mqtt nor mqttv3.1",
        UpgradeError.Origin => "the origin is not one of the listener's",
        UpgradeError.Repeated => "Authorization or Origin is repeated",
        UpgradeError.StatusLine => "the backend's status line is malformed",
        UpgradeError.Status => "the backend did not switch protocols",
        UpgradeError.ResponseUpgrade => "the backend's Upgrade field is not websocket",
        UpgradeError.ResponseConnection => "the backend's Connection field does not name Upgrade",
        UpgradeError.Accept => "the backend's Sec-WebSocket-Accept does not match the key",
        UpgradeError.ResponseSubprotocol => "the backend chose a subprotocol that was not offered",
        UpgradeError.Extension => "the backend chose an extension that was not offered",
        _ => "unknown error",
    };

    /// <summary>HTTP status of the response to a client; 0 where a client gets none.</summary>
    public static int StatusOf(UpgradeError error) => error switch
    {
        UpgradeError.None or >= UpgradeError.StatusLine => 0,
        UpgradeError.Origin => 403,
        UpgradeError.Path => 404,
        UpgradeError.Method => 405,
        UpgradeError.TargetTooLong => 414,
        UpgradeError.HostUnknown => 421,
        UpgradeError.NoUpgrade or UpgradeError.Version => 426,
        UpgradeError.HeadTooLong or UpgradeError.TooManyFields => 431,
        UpgradeError.HttpVersion => 505,
        _ => 400,
    };

    /// <summary>The complete response, after which the connection is closed.</summary>
    public static ReadOnlySpan<byte> ResponseFor(UpgradeError error) => StatusOf(error) switch
    {
        0 => default,
        403 => "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8,
        404 => "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8,
        405 => "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8,
        414 => "HTTP/1.1 414 URI Too Long\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8,
        421 => "HTTP/1.1 421 Misdirected Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8,
        // RFC 9110, 15.5.22 and RFC 6455, 4.4.
        426 => "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n"u8,
        431 => "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8,
        505 => "HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8,
        _ => "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8,
    };

    /// <summary>For a well-behaved client that cannot be served, for example because no backend is up.</summary>
    public static ReadOnlySpan<byte> ServiceUnavailable =>
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8;

    /// <summary>For a client over a limit, before its request is read.</summary>
    public static ReadOnlySpan<byte> TooManyRequests =>
        "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"u8;
}
