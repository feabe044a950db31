using System.Text;

namespace ActorLb.Protocol.WebSocket;

/// <summary>The fields of a client's upgrade request that are passed on unchanged to a WebSocket backend, by name.</summary>
public sealed class PassedFields(params IEnumerable<string> names)
{
    private static readonly string[] Own =
    [
        // Hop-by-hop fields (RFC 9110, 7.6.1), and fields about a body, which an upgrade does not have.
        "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding",
        "Upgrade", "Content-Length", "Expect",
        // Fields that the balancer writes itself.
        "Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Sec-WebSocket-Accept",
        "X-Forwarded-For", "X-Real-IP", "REMOTE-HOST", "Forwarded",
    ];

    private readonly byte[][] _names = names.Select(Encoding.ASCII.GetBytes).ToArray();

    /// <summary>Whether this is the name of a field at all (RFC 9110, 5.1).</summary>
    public static bool IsName(string name) => Ascii.IsValid(name) && HttpHead.IsToken(Encoding.ASCII.GetBytes(name));

    /// <summary>Whether the balancer writes the field itself, or must not pass it on.</summary>
    public static bool IsOwn(string name) => Own.Contains(name, StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Appends the fields, each preceded by CR LF. Several cookie fields are merged into one (RFC 6265, 5.4 allows only one); other
    /// repeated fields stay as they are. Fields named in the client's Connection field are hop-by-hop and are dropped (RFC 9110, 7.6.1).
    /// </summary>
    /// <param name="head">The client's request; its length plus one byte per field is enough room.</param>
    internal void Write(Span<byte> destination, ref int at, ReadOnlySpan<byte> head, in UpgradeRequest request)
    {
        bool cookies = false;
        var field = new HttpFieldCursor(head[..request.TotalLength], request.FieldsOffset);
        while (field.MoveNext())
        {
            var name = field.Name.In(head);
            if (!Holds(name)) continue;
            bool cookie = HttpHead.Equals(name, "Cookie"u8);
            if ((cookie && cookies) || IsOfOneHop(head, request, name)) continue;
            HttpHead.Put(destination, ref at, "\r\n"u8);
            HttpHead.Put(destination, ref at, name);
            HttpHead.Put(destination, ref at, ": "u8);
            if (cookie) UpgradeRequestReader.Join(head, request, "Cookie"u8, "; "u8, destination, ref at);
            else HttpHead.Put(destination, ref at, field.Value.In(head));
            cookies |= cookie;
        }
    }

    private bool Holds(ReadOnlySpan<byte> name)
    {
        foreach (byte[] known in _names)
        {
            if (HttpHead.Equals(known, name)) return true;
        }
        return false;
    }

    private static bool IsOfOneHop(ReadOnlySpan<byte> head, in UpgradeRequest request, ReadOnlySpan<byte> name)
    {
        var field = new HttpFieldCursor(head[..request.TotalLength], request.FieldsOffset);
        while (field.MoveNext())
        {
            if (HttpHead.Equals(field.Name.In(head), "Connection"u8) && HttpHead.ListHolds(field.Value.In(head), name)) return true;
        }
        return false;
    }
}
