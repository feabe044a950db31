namespace ActorLb.Protocol;

/// <summary>The protocol that a client's first bytes look like.</summary>
public enum SpokenProtocol : byte { Unknown, Mqtt, Http, Tls, Proxy }

/// <summary>Names the protocol of a client that connected to the wrong port. Only for logs: no decision depends on it.</summary>
public static class SpokenProtocols
{
    /// <summary>Highest offset of the protocol's name in a CONNECT: after the fixed header and the name's length.</summary>
    private const int LatestName = 1 + 4 + 2;

    public static SpokenProtocol Guess(ReadOnlySpan<byte> first)
    {
        if (first.IsEmpty) return SpokenProtocol.Unknown;
        // RFC 8446, section 5.1: a handshake record, whose version is 3.1 to 3.4 whichever version the client offers.
        if (first is [0x16, 3, <= 4, ..]) return SpokenProtocol.Tls;
        if (first[0] == 0x10)
        {
            var start = first[..Math.Min(first.Length, LatestName + 6)];
            return start.IndexOf("MQTT"u8) > 0 || start.IndexOf("MQIsdp"u8) > 0 ? SpokenProtocol.Mqtt : SpokenProtocol.Unknown;
        }
        if (first.StartsWith("PROXY "u8) || first.StartsWith("\r\n\r\n\0\r\nQUIT\n"u8)) return SpokenProtocol.Proxy;
        return IsHttp(first) ? SpokenProtocol.Http : SpokenProtocol.Unknown;
    }

    /// <summary>Text to append to a listener's name in a log line, with a leading space; empty when the client speaks the expected
    /// protocol or an unknown one.</summary>
    /// <param name="wanted">What the listener expects: HTTP where it speaks WebSocket.</param>
    public static string Hint(SpokenProtocol speaks, SpokenProtocol wanted) => (speaks, wanted) switch
    {
        (SpokenProtocol.Mqtt, SpokenProtocol.Tls) => " speaks MQTT without TLS",
        (SpokenProtocol.Mqtt, SpokenProtocol.Http) => " speaks MQTT without WebSocket",
        (SpokenProtocol.Http, SpokenProtocol.Tls) => " speaks HTTP without TLS",
        (SpokenProtocol.Http, SpokenProtocol.Mqtt) => " speaks HTTP instead of MQTT",
        (SpokenProtocol.Tls, SpokenProtocol.Mqtt or SpokenProtocol.Http) => " speaks TLS where none is expected",
        (SpokenProtocol.Proxy, _) => " sends a PROXY header where none is expected",
        _ => "",
    };

    private static bool IsHttp(ReadOnlySpan<byte> first)
    {
        int space = first[..Math.Min(first.Length, 8)].IndexOf((byte)' ');
        if (space < 0) return false;
        var method = first[..space];
        return method.SequenceEqual("GET"u8) || method.SequenceEqual("HEAD"u8) || method.SequenceEqual("POST"u8) || method.SequenceEqual("PUT"u8)
            || method.SequenceEqual("OPTIONS"u8) || method.SequenceEqual("CONNECT"u8) || method.SequenceEqual("DELETE"u8)
            || method.SequenceEqual("PATCH"u8) || method.SequenceEqual("TRACE"u8) || method.SequenceEqual("PRI"u8);
    }
}
