namespace ActorLb.Protocol.WebSocket;

/// <summary>Reads and validates a WebSocket upgrade request (RFC 6455, 4.2.1) for MQTT (MQTT 5, 6); allocates nothing.</summary>
public static class UpgradeRequestReader
{
    /// <summary>Longest request, and so the most that has to be buffered while it arrives.</summary>
    public const int MaxLength = HttpHead.MaxLength;

    /// <summary>RFC 1035, section 2.3.4.</summary>
    private const int MaxHostLength = 255;

    /// <param name="received">Everything received so far; bytes after the head are ignored.</param>
    /// <param name="error">The reason, when <see cref="ReadStatus.Invalid"/>.</param>
    public static ReadStatus Read(ReadOnlySpan<byte> received, UpgradeRules rules, out UpgradeRequest request, out UpgradeError error)
    {
        request = default;
        var window = received[..Math.Min(received.Length, MaxLength)];
        int lineEnd = window.IndexOf("\r\n"u8);
        error = CheckLine(window, lineEnd);
        if (error != UpgradeError.None) return ReadStatus.Invalid;
        int headEnd = lineEnd < 0 ? -1 : window[lineEnd..].IndexOf(HttpHead.End);
        if (headEnd < 0)
        {
            if (window.Length < MaxLength) return ReadStatus.NeedMore;
            error = UpgradeError.HeadTooLong;
            return ReadStatus.Invalid;
        }
        request.TotalLength = lineEnd + headEnd + HttpHead.End.Length;
        request.FieldsOffset = lineEnd + 2;
        error = Parse(window[..request.TotalLength], lineEnd, rules, ref request);
        return error == UpgradeError.None ? ReadStatus.Done : ReadStatus.Invalid;
    }

    /// <summary>Appends all non-empty values of a field; nothing when the field is absent.</summary>
    /// <param name="head">The request's bytes, or none.</param>
    internal static void Join(
        ReadOnlySpan<byte> head, in UpgradeRequest request, ReadOnlySpan<byte> name, ReadOnlySpan<byte> separator, Span<byte> destination, ref int at)
    {
        if (head.IsEmpty) return;
        bool any = false;
        var field = new HttpFieldCursor(head[..request.TotalLength], request.FieldsOffset);
        while (field.MoveNext())
        {
            if (field.Value.Length == 0 || !HttpHead.Equals(field.Name.In(head), name)) continue;
            if (any) HttpHead.Put(destination, ref at, separator);
            HttpHead.Put(destination, ref at, field.Value.In(head));
            any = true;
        }
    }

    /// <summary>The last non-empty value of a field; empty when there is none.</summary>
    /// <param name="head">The request's bytes, or none.</param>
    internal static ReadOnlySpan<byte> Last(ReadOnlySpan<byte> head, in UpgradeRequest request, ReadOnlySpan<byte> name)
    {
        if (head.IsEmpty) return default;
        ReadOnlySpan<byte> last = default;
        var field = new HttpFieldCursor(head[..request.TotalLength], request.FieldsOffset);
        while (field.MoveNext())
        {
            if (field.Value.Length > 0 && HttpHead.Equals(field.Name.In(head), name)) last = field.Value.In(head);
        }
        return last;
    }

    /// <summary>What can be checked before the head is complete, so that a TLS hello or a scan is refused at once.</summary>
    private static UpgradeError CheckLine(ReadOnlySpan<byte> window, int lineEnd)
    {
        var line = lineEnd < 0 ? window : window[..lineEnd];
        // The CR may have arrived without its LF.
        if (lineEnd < 0 && line.EndsWith("\r"u8)) line = line[..^1];
        if (line.IndexOfAnyExcept(HttpHead.PrintableBytes) >= 0) return UpgradeError.RequestLine;
        return line.Length > RequestLine.MaxLength ? UpgradeError.TargetTooLong : UpgradeError.None;
    }

    private static UpgradeError Parse(ReadOnlySpan<byte> head, int lineEnd, UpgradeRules rules, ref UpgradeRequest request)
    {
        var error = RequestLine.Parse(head[..lineEnd], ref request, out var authority);
        if (error != UpgradeError.None) return error;
        error = ReadFields(head, ref request, out var seen);
        if (error != UpgradeError.None) return error;

        if ((seen & Seen.Host) == Seen.None) return UpgradeError.Host;
        if (authority.IsPresent) request.Host = authority;
        if (!TryHostName(request.Host.In(head), out var name)) return UpgradeError.Host;
        request.HostName = request.Host with { Length = name.Length };
        if (!rules.HostFits(name)) return UpgradeError.HostUnknown;
        if (!rules.PathFits(request.Path.In(head))) return UpgradeError.Path;
        if ((seen & Seen.Origin) != Seen.None && !rules.OriginFits(request.Origin.In(head))) return UpgradeError.Origin;
        if ((seen & Seen.Upgrade) == Seen.None) return UpgradeError.NoUpgrade;
        if ((seen & Seen.Connection) == Seen.None) return UpgradeError.Connection;
        if ((seen & Seen.Version) == Seen.None) return UpgradeError.VersionMissing;
        if ((seen & Seen.Version13) == Seen.None) return UpgradeError.Version;
        if ((seen & Seen.Key) == Seen.None || !AcceptKey.IsValidKey(request.Key.In(head))) return UpgradeError.Key;
        return request.Subprotocol == MqttSubprotocol.None ? UpgradeError.Subprotocol : UpgradeError.None;
    }

    [Flags]
    private enum Seen { None = 0, Host = 1, Upgrade = 2, Connection = 4, Key = 8, Version = 16, Version13 = 32, Origin = 64, Authorization = 128 }

    private static UpgradeError ReadFields(ReadOnlySpan<byte> head, ref UpgradeRequest request, out Seen seen)
    {
        seen = Seen.None;
        var field = new HttpFieldCursor(head, request.FieldsOffset);
        while (field.MoveNext())
        {
            if (field.Count > HttpHead.MaxFields) return UpgradeError.TooManyFields;
            var error = ReadField(head, field.Name, field.Value, ref request, ref seen);
            if (error != UpgradeError.None) return error;
        }
        return field.Malformed ? UpgradeError.Field : UpgradeError.None;
    }

    private static UpgradeError ReadField(
        ReadOnlySpan<byte> head, FieldRange nameRange, FieldRange valueRange, ref UpgradeRequest request, ref Seen seen)
    {
        ReadOnlySpan<byte> name = nameRange.In(head), value = valueRange.In(head);
        if (HttpHead.Equals(name, "Host"u8))
        {
            if ((seen & Seen.Host) != Seen.None) return UpgradeError.Host;
            seen |= Seen.Host;
            request.Host = valueRange;
        }
        else if (HttpHead.Equals(name, "Upgrade"u8))
        {
            if (HttpHead.ListHolds(value, "websocket"u8)) seen |= Seen.Upgrade;
        }
        else if (HttpHead.Equals(name, "Connection"u8))
        {
            if (HttpHead.ListHolds(value, "upgrade"u8)) seen |= Seen.Connection;
        }
        else if (HttpHead.Equals(name, "Sec-WebSocket-Key"u8))
        {
            if ((seen & Seen.Key) != Seen.None) return UpgradeError.Key;
            seen |= Seen.Key;
            request.Key = valueRange;
        }
        else if (HttpHead.Equals(name, "Sec-WebSocket-Version"u8))
        {
            if ((seen & Seen.Version) != Seen.None) return UpgradeError.VersionMissing;
            seen |= value.SequenceEqual("13"u8) ? Seen.Version | Seen.Version13 : Seen.Version;
        }
        else if (HttpHead.Equals(name, "Sec-WebSocket-Protocol"u8))
        {
            request.Subprotocol = Better(request.Subprotocol, value);
        }
        else if (HttpHead.Equals(name, "Origin"u8))
        {
            if ((seen & Seen.Origin) != Seen.None) return UpgradeError.Repeated;
            seen |= Seen.Origin;
            request.Origin = valueRange;
        }
        else if (HttpHead.Equals(name, "Authorization"u8))
        {
            // With two values, two readers might each use a different one.
            if ((seen & Seen.Authorization) != Seen.None) return UpgradeError.Repeated;
            seen |= Seen.Authorization;
        }
        else if (HttpHead.Equals(name, "Transfer-Encoding"u8)
            || (HttpHead.Equals(name, "Content-Length"u8) && !value.SequenceEqual("0"u8)))
        {
            return UpgradeError.Body;
        }
        return UpgradeError.None;
    }

    /// <summary>MQTT-6.0.0-3 and -4: <c>mqtt</c> is preferred to the older name. The names are compared as they are.</summary>
    private static MqttSubprotocol Better(MqttSubprotocol chosen, ReadOnlySpan<byte> list)
    {
        while (HttpHead.NextItem(ref list, out var item))
        {
            if (item.SequenceEqual("mqtt"u8)) return MqttSubprotocol.Mqtt;
            if (item.SequenceEqual("mqttv3.1"u8) && chosen == MqttSubprotocol.None) chosen = MqttSubprotocol.MqttV31;
        }
        return chosen;
    }

    /// <summary>Splits off the port and rejects what is not a host (RFC 3986, 3.2.2); an IPv6 address keeps its brackets.</summary>
    internal static bool TryHostName(ReadOnlySpan<byte> host, out ReadOnlySpan<byte> name)
    {
        name = default;
        int bracket = host.LastIndexOf((byte)']');
        int colon = host[(bracket + 1)..].IndexOf((byte)':');
        int end = colon < 0 ? host.Length : bracket + 1 + colon;
        if (end is 0 or > MaxHostLength || (colon >= 0 && host[(end + 1)..].IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0)) return false;
        name = host[..end];
        bool bracketed = bracket >= 0;
        if (bracketed && (name[0] != '[' || bracket < 3)) return false;
        var inner = bracketed ? name[1..^1] : name;
        foreach (byte b in inner)
        {
            bool allowed = char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~' or (byte)'%'
                || (bracketed && b == ':');
            if (!allowed) return false;
        }
        return true;
    }
}
