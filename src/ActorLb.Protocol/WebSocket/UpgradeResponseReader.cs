namespace ActorLb.Protocol.WebSocket;

/// <summary>Reads a backend's response to an upgrade request (RFC 6455, 4.1); allocates nothing.</summary>
public static class UpgradeResponseReader
{
    /// <param name="received">Everything received so far; bytes after the head are ignored.</param>
    /// <param name="key">The Sec-WebSocket-Key that was sent.</param>
    /// <param name="offered">The subprotocol that was sent.</param>
    /// <param name="length">Bytes of the head, when done; frames follow.</param>
    /// <param name="status">HTTP status, or 0 until it has been read.</param>
    public static ReadStatus Read(
        ReadOnlySpan<byte> received, ReadOnlySpan<byte> key, MqttSubprotocol offered, out int length, out int status, out UpgradeError error)
    {
        length = 0;
        status = 0;
        error = UpgradeError.None;
        var window = received[..Math.Min(received.Length, HttpHead.MaxLength)];
        int known = Math.Min(window.Length, 9);
        if (!window[..known].SequenceEqual("HTTP/1.1 "u8[..known])) return Refuse(UpgradeError.StatusLine, out error);
        int lineEnd = window.IndexOf("\r\n"u8);
        if (lineEnd >= 0 && !TryStatus(window[..lineEnd], out status)) return Refuse(UpgradeError.StatusLine, out error);
        // A refusal may have a long head and a body: its status is all that is needed.
        if (lineEnd >= 0 && status != 101) return Refuse(UpgradeError.Status, out error);
        int headEnd = lineEnd < 0 ? -1 : window[lineEnd..].IndexOf(HttpHead.End);
        if (headEnd < 0)
            return window.Length < HttpHead.MaxLength ? ReadStatus.NeedMore : Refuse(UpgradeError.HeadTooLong, out error);

        length = lineEnd + headEnd + HttpHead.End.Length;
        error = CheckFields(window[..length], lineEnd + 2, key, offered);
        return error == UpgradeError.None ? ReadStatus.Done : ReadStatus.Invalid;
    }

    private static ReadStatus Refuse(UpgradeError reason, out UpgradeError error)
    {
        error = reason;
        return ReadStatus.Invalid;
    }

    private static bool TryStatus(ReadOnlySpan<byte> line, out int status)
    {
        status = 0;
        if (line.Length < 12 || (line.Length > 12 && line[12] != ' ') || line.IndexOfAny(HttpHead.ControlBytes) >= 0) return false;
        foreach (byte digit in line[9..12])
        {
            if (digit is < (byte)'0' or > (byte)'9') return false;
            status = status * 10 + (digit - '0');
        }
        return true;
    }

    private static UpgradeError CheckFields(ReadOnlySpan<byte> head, int start, ReadOnlySpan<byte> key, MqttSubprotocol offered)
    {
        bool upgrade = false, connection = false, accepted = false, chosen = false;
        var field = new HttpFieldCursor(head, start);
        while (field.MoveNext())
        {
            if (field.Count > HttpHead.MaxFields) return UpgradeError.TooManyFields;
            ReadOnlySpan<byte> name = field.Name.In(head), value = field.Value.In(head);
            if (HttpHead.Equals(name, "Upgrade"u8))
            {
                upgrade |= HttpHead.Equals(value, "websocket"u8);
            }
            else if (HttpHead.Equals(name, "Connection"u8))
            {
                connection |= HttpHead.ListHolds(value, "upgrade"u8);
            }
            else if (HttpHead.Equals(name, "Sec-WebSocket-Extensions"u8))
            {
                return UpgradeError.Extension;
            }
            else if (HttpHead.Equals(name, "Sec-WebSocket-Protocol"u8))
            {
                if (chosen || offered == MqttSubprotocol.None || !value.SequenceEqual(UpgradeRequest.NameOf(offered)))
                    return UpgradeError.ResponseSubprotocol;
                chosen = true;
            }
            else if (HttpHead.Equals(name, "Sec-WebSocket-Accept"u8))
            {
                if (accepted || !AcceptFits(value, key)) return UpgradeError.Accept;
                accepted = true;
            }
        }
        if (field.Malformed) return UpgradeError.Field;
        if (!upgrade) return UpgradeError.ResponseUpgrade;
        if (!connection) return UpgradeError.ResponseConnection;
        // A server that names no subprotocol is accepted: what follows either is MQTT or fails later.
        return accepted ? UpgradeError.None : UpgradeError.Accept;
    }

    private static bool AcceptFits(ReadOnlySpan<byte> value, ReadOnlySpan<byte> key)
    {
        Span<byte> expected = stackalloc byte[AcceptKey.AcceptLength];
        AcceptKey.WriteAccept(key, expected);
        return value.SequenceEqual(expected);
    }
}
