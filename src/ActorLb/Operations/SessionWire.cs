using System.Text;
using ActorLb.Fleet.Membership;
using ActorLb.Hosting;
using ActorLb.Protocol.Admin;

namespace ActorLb.Operations;

/// <summary>
/// The wire format of sessions between nodes. JSON could take six bytes for each byte of a client id, which may have 65,535. Each
/// session is length-prefixed, so that fields appended by a later release are skipped.
/// </summary>
internal static class SessionWire
{
    /// <summary>
    /// The most bytes of client ids in one answer, not counting the last id; with that it still fits into an inquiry's answer.
    /// </summary>
    public const int PageBytes = 64 * 1024;

    /// <summary>
    /// The most sessions in one answer. Besides its id each takes up to 150 bytes plus the names of its listener and pool.
    /// </summary>
    public const int PageSessions = 100;

    /// <summary>The most entries of a top list in one answer, with ids of up to a kilobyte.</summary>
    public const int TopClients = 100;

    private const int LongestText = ushort.MaxValue;

    public static byte[] WritePage(SessionPage page)
    {
        var writer = new WireWriter(4096);
        writer.Text(page.Next ?? "");
        writer.UInt16(checked((ushort)page.Sessions.Length));
        foreach (var session in page.Sessions) Write(ref writer, session);
        return writer.ToArray();
    }

    /// <exception cref="FormatException">The bytes are not in the expected format.</exception>
    public static SessionPage ReadPage(ReadOnlySpan<byte> bytes, string node)
    {
        var reader = new WireReader(bytes);
        string next = reader.Text(LongestText);
        int count = reader.Count(ushort.MaxValue, leastBytes: 4);
        var sessions = new SessionInfo[count];
        for (int i = 0; i < count; i++) sessions[i] = ReadSession(ref reader, node);
        return reader.IsValid ? new SessionPage(sessions, next.Length == 0 ? null : next) : throw Malformed();
    }

    public static byte[] WriteTop(TopClient[] clients)
    {
        var writer = new WireWriter(4096);
        writer.UInt16(checked((ushort)clients.Length));
        foreach (var client in clients)
        {
            writer.Int64(client.Value);
            writer.Byte((byte)((client.ClientId is null ? 0 : 1) | (client.Session is null ? 0 : 2)));
            if (client.Session is { } session) Write(ref writer, session);
            else if (client.ClientId is { } id) writer.Text(id);
        }
        return writer.ToArray();
    }

    /// <exception cref="FormatException">The bytes are not in the expected format.</exception>
    public static TopClient[] ReadTop(ReadOnlySpan<byte> bytes, string node)
    {
        var reader = new WireReader(bytes);
        int count = reader.Count(ushort.MaxValue, leastBytes: 9);
        var clients = new TopClient[count];
        for (int i = 0; i < count; i++)
        {
            long value = reader.Int64();
            byte flags = reader.Byte();
            var session = (flags & 2) != 0 ? ReadSession(ref reader, node) : null;
            string? id = session is not null ? session.ClientId : (flags & 1) != 0 ? reader.Text(LongestText) : null;
            clients[i] = new TopClient(id, value, [node], session);
        }
        return reader.IsValid ? clients : throw Malformed();
    }

    /// <param name="node">The node that asks.</param>
    /// <param name="by">The operator who asked it.</param>
    public static byte[] WriteKick(string clientId, string node, string by)
    {
        var writer = new WireWriter(256);
        writer.Text(clientId);
        writer.Text(node);
        writer.Text(by);
        return writer.ToArray();
    }

    /// <exception cref="FormatException">The bytes are not in the expected format.</exception>
    public static (string ClientId, string Node, string By) ReadKick(ReadOnlySpan<byte> bytes)
    {
        var reader = new WireReader(bytes);
        var kick = (reader.Text(LongestText), reader.Text(LongestText), reader.Text(LongestText));
        return reader.IsValid ? kick : throw Malformed();
    }

    public static byte[] WriteNumber(int number)
    {
        var writer = new WireWriter(sizeof(int));
        writer.Int32(number);
        return writer.ToArray();
    }

    /// <exception cref="FormatException">The bytes are not in the expected format.</exception>
    public static int ReadNumber(ReadOnlySpan<byte> bytes)
    {
        var reader = new WireReader(bytes);
        int number = reader.Int32();
        return reader.IsValid ? number : throw Malformed();
    }

    public static byte[] WriteList(string filter, bool isClientId, string? after, int limit, int bytes)
    {
        var writer = new WireWriter(256);
        writer.Byte((byte)(isClientId ? 1 : 0));
        writer.Bytes(Encoding.UTF8.GetBytes(filter));
        writer.Text(after ?? "");
        writer.Int32(limit);
        writer.Int32(bytes);
        return writer.ToArray();
    }

    /// <exception cref="FormatException">The bytes are not in the expected format, or the filter is invalid.</exception>
    public static (SessionFilter Filter, string? After, int Limit, int Bytes) ReadList(ReadOnlySpan<byte> bytes)
    {
        var reader = new WireReader(bytes);
        bool isClientId = reader.Byte() != 0;
        string text = Encoding.UTF8.GetString(reader.Bytes(Fleet.Inquiries.InquiryLimits.MaxBody));
        string after = reader.Text(LongestText);
        int limit = reader.Int32(), most = reader.Int32();
        if (!reader.IsValid) throw Malformed();
        string? problem = null;
        var filter = (isClientId ? SessionFilter.OfClient(text) : SessionFilter.TryParse(text, out problem)) ?? throw new FormatException(problem);
        return (filter, after.Length == 0 ? null : after, Math.Clamp(limit, 1, PageSessions), Math.Clamp(most, 1, PageBytes));
    }

    private static void Write(ref WireWriter writer, SessionInfo session)
    {
        int start = writer.Length;
        writer.Int32(0);
        writer.Byte((byte)((session.ClientId is null ? 0 : 1) | (session.Backend is null ? 0 : 2)));
        writer.Text(session.ClientId ?? "");
        writer.Text(session.Address);
        writer.Text(session.Listener);
        writer.Text(session.Pool);
        writer.Text(session.Backend ?? "");
        writer.Text(session.Protocol);
        writer.Text(session.State);
        writer.Int64((long)(session.Seconds * 1000));
        writer.Int64(session.Since.ToUnixTimeMilliseconds());
        writer.Int64(session.Sent);
        writer.Int64(session.Received);
        writer.Int64(session.PacketsSent);
        writer.Int64(session.PacketsReceived);
        writer.SetInt32(start, writer.Length - start - sizeof(int));
    }

    private static SessionInfo ReadSession(ref WireReader reader, string node)
    {
        var part = reader.Part(reader.Int32());
        byte flags = part.Byte();
        string id = part.Text(LongestText), address = part.Text(LongestText), listener = part.Text(LongestText), pool = part.Text(LongestText);
        string backend = part.Text(LongestText), protocol = part.Text(LongestText), state = part.Text(LongestText);
        double seconds = part.Int64() / 1000.0;
        long since = part.Int64(), sent = part.Int64(), received = part.Int64();
        long packetsSent = part.Int64(), packetsReceived = part.Int64();
        if (!part.IsValid) reader.Reject();
        return new SessionInfo(
            (flags & 1) != 0 ? id : null, address, listener, pool, (flags & 2) != 0 ? backend : null, protocol, state, seconds, sent, received, node)
        {
            Since = reader.IsValid ? TimeOf(since) : default,
            PacketsSent = packetsSent,
            PacketsReceived = packetsReceived,
        };
    }

    private static DateTimeOffset TimeOf(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(
        Math.Clamp(milliseconds, DateTimeOffset.MinValue.ToUnixTimeMilliseconds(), DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));

    private static FormatException Malformed() => new("a message about sessions is malformed");
}
