using System.Buffers;

namespace ActorLb.Protocol.WebSocket;

/// <summary>Strict syntax of HTTP/1.1 message heads (RFC 9112): CR LF only, no folding, no control characters.</summary>
internal static class HttpHead
{
    /// <summary>Request or status line and fields, including the empty line.</summary>
    public const int MaxLength = 8192;

    public const int MaxFields = 100;

    /// <summary>A token (RFC 9110, 5.6.2).</summary>
    public static readonly SearchValues<byte> TokenBytes = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    /// <summary>Printable ASCII and space: what a request line may contain.</summary>
    public static readonly SearchValues<byte> PrintableBytes = SearchValues.Create(Enumerable.Range(0x20, 0x5F).Select(b => (byte)b).ToArray());

    /// <summary>What RFC 9110, 5.5, forbids in field values, except HTAB.</summary>
    public static readonly SearchValues<byte> ControlBytes = SearchValues.Create(
        Enumerable.Range(0, 0x20).Append(0x7F).Where(b => b != '\t').Select(b => (byte)b).ToArray());

    public static ReadOnlySpan<byte> End => "\r\n\r\n"u8;

    public static bool IsToken(ReadOnlySpan<byte> text) => !text.IsEmpty && text.IndexOfAnyExcept(TokenBytes) < 0;

    /// <summary>Whether a comma-separated list (RFC 9110, 5.6.1) contains the token, ignoring case.</summary>
    public static bool ListHolds(ReadOnlySpan<byte> list, ReadOnlySpan<byte> token)
    {
        while (NextItem(ref list, out var item))
        {
            if (Equals(item, token)) return true;
        }
        return false;
    }

    /// <summary>Takes the next item of a comma-separated list, without the white space around it; possibly empty.</summary>
    public static bool NextItem(ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> item)
    {
        item = default;
        if (list.IsEmpty) return false;
        int comma = list.IndexOf((byte)',');
        item = Trim(comma < 0 ? list : list[..comma]);
        list = comma < 0 ? default : list[(comma + 1)..];
        return true;
    }

    /// <summary>Compares ASCII, ignoring case.</summary>
    public static bool Equals(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right) => System.Text.Ascii.EqualsIgnoreCase(left, right);

    /// <summary>Optional white space is space and tab (RFC 9110, 5.6.3).</summary>
    public static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> text) => text.Trim(" \t"u8);

    /// <summary>Appends and advances.</summary>
    public static void Put(Span<byte> destination, ref int at, ReadOnlySpan<byte> text)
    {
        text.CopyTo(destination[at..]);
        at += text.Length;
    }
}

/// <summary>Walks the fields of a head whose end is known.</summary>
internal ref struct HttpFieldCursor(ReadOnlySpan<byte> head, int start)
{
    private readonly ReadOnlySpan<byte> _head = head;
    private int _position = start;

    public FieldRange Name { get; private set; }

    /// <summary>The field's value without the white space around it.</summary>
    public FieldRange Value { get; private set; }

    public int Count { get; private set; }

    public bool Malformed { get; private set; }

    /// <summary>False at the empty line and when malformed.</summary>
    public bool MoveNext()
    {
        var rest = _head[_position..];
        int end = rest.IndexOf("\r\n"u8);
        if (end == 0) return false;
        int colon = end < 0 ? -1 : rest[..end].IndexOf((byte)':');
        // A folded line (RFC 9112, 5.2) starts with white space, which is not a token.
        if (colon < 0 || !HttpHead.IsToken(rest[..colon])) return Fail();
        var raw = rest[(colon + 1)..end];
        if (raw.IndexOfAny(HttpHead.ControlBytes) >= 0) return Fail();

        int leading = raw.Length - raw.TrimStart(" \t"u8).Length;
        Name = new FieldRange(_position, colon);
        Value = new FieldRange(_position + colon + 1 + leading, HttpHead.Trim(raw).Length);
        _position += end + 2;
        Count++;
        return true;
    }

    private bool Fail()
    {
        Malformed = true;
        return false;
    }
}
