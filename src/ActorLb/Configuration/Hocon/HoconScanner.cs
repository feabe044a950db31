using System.Globalization;
using System.Text;

namespace ActorLb.Configuration.Hocon;

/// <summary>The characters of one file with their positions, and the lexical rules: whitespace, comments, the three kinds of
/// string.</summary>
internal sealed class HoconScanner(string text, string file)
{
    private int _index;
    private int _line = 1;
    private int _column = 1;
    private int _lineStart;

    public string Text => text;

    public string File => file;

    public int Index => _index;

    /// <summary>Spaces at the start of the line, counted up to a limit.</summary>
    public int LineIndent
    {
        get
        {
            const int Most = 200;
            int end = _lineStart;
            while (end < text.Length && end - _lineStart < Most && text[end] is ' ' or '\t') end++;
            return end - _lineStart;
        }
    }

    /// <summary>Only spaces precede the next character on its line.</summary>
    public bool AtLineStart => _index - _lineStart == LineIndent;

    public bool AtEnd => _index >= text.Length;

    /// <summary>The next character; NUL at the end, where <see cref="AtEnd"/> is true.</summary>
    public char Current => Peek(0);

    public SourcePosition Position => new(file, _line, _column);

    public bool AtNewline => Current == '\n';

    public bool AtComment => Current == '#' || (Current == '/' && Peek(1) == '/');

    public bool AtSubstitution => Current == '$' && Peek(1) == '{';

    /// <summary>Whether an unquoted string may continue here.</summary>
    public bool AtUnquoted => !AtEnd && !IsForbidden(Current) && !IsWhitespace(Current) && !AtComment;

    public char Peek(int ahead) => _index + ahead < text.Length ? text[_index + ahead] : '\0';

    public void Advance()
    {
        char c = text[_index++];
        if (c == '\n') { _line++; _column = 1; _lineStart = _index; }
        else if (!char.IsLowSurrogate(c))
        {
            _column++;
        }
    }

    public bool TryTake(char expected)
    {
        if (AtEnd || Current != expected) return false;
        Advance();
        return true;
    }

    public bool TryTake(string expected)
    {
        if (string.CompareOrdinal(text, _index, expected, 0, expected.Length) != 0) return false;
        for (int i = 0; i < expected.Length; i++) Advance();
        return true;
    }

    /// <summary>Whitespace up to the end of the line, as written.</summary>
    public string TakeSpace()
    {
        int start = _index;
        while (!AtEnd && Current != '\n' && IsWhitespace(Current)) Advance();
        return start == _index ? "" : text[start.._index];
    }

    /// <summary>Skips whitespace, newlines and comments; true when there was a newline among them.</summary>
    public bool SkipBlank()
    {
        bool newline = false;
        while (!AtEnd)
        {
            if (AtNewline) { newline = true; Advance(); }
            else if (IsWhitespace(Current))
            {
                Advance();
            }
            else if (AtComment) { while (!AtEnd && !AtNewline) Advance(); }
            else
            {
                break;
            }
        }
        return newline;
    }

    /// <summary>
    /// An unquoted string, number, boolean or null ("Unquoted strings"). A plus sign is allowed only where it belongs to a number
    /// at the start.
    /// </summary>
    public string TakeUnquoted()
    {
        int start = _index;
        if (char.IsAsciiDigit(Current) || Current == '-')
        {
            int end = _index;
            while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] is '-' or '+' or '.' or 'e' or 'E')) end++;
            if (IsNumber(text.AsSpan(_index, end - _index))) while (_index < end) Advance();
        }
        while (AtUnquoted) Advance();
        return text[start.._index];
    }

    /// <summary>
    /// Skips the field that began at a position and contains an error: to the end of the line where its brackets are closed, or to the
    /// bracket that closes the enclosing block.
    /// </summary>
    public void SkipField(int from)
    {
        var open = new Stack<char>();
        for (int i = from; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '"') i = EndOfQuoted(i);
            // The slashes of a URL start a comment, but that is never intended.
            else if (c == '#' || (c == '/' && i + 1 < text.Length && text[i + 1] == '/' && (i == 0 || text[i - 1] is not (':' or '/')))) i = EndOfLine(i) - 1;
            else if (c is '{' or '[') open.Push(c);
            else if (c == ']' && open.TryPeek(out char bracket) && bracket == '[') open.Pop();
            bool ends = c == '}' ? !TryClose(open) : c == '\n' && open.Count == 0;
            if (ends && i >= _index) { AdvanceTo(i); return; }
        }
        AdvanceTo(text.Length);
    }

    /// <summary>Removes the innermost block; an unclosed array within it ends with it.</summary>
    private static bool TryClose(Stack<char> open)
    {
        while (open.TryPop(out char last))
        {
            if (last == '{') return true;
        }
        return false;
    }

    /// <summary>The scanner's position, to return to.</summary>
    public (int Index, int Line, int Column, int LineStart) Mark() => (_index, _line, _column, _lineStart);

    public void Return((int Index, int Line, int Column, int LineStart) mark) => (_index, _line, _column, _lineStart) = mark;

    private void AdvanceTo(int end)
    {
        while (_index < end) Advance();
    }

    private int EndOfLine(int from) => text.IndexOf('\n', from) is >= 0 and var end ? end : text.Length;

    /// <summary>The last character of a quoted string, or of its line when it is not closed there.</summary>
    private int EndOfQuoted(int from)
    {
        if (string.CompareOrdinal(text, from, "\"\"\"", 0, 3) == 0) return text.IndexOf("\"\"\"", from + 3, StringComparison.Ordinal) is >= 0 and var end ? end + 2 : text.Length - 1;
        int last = EndOfLine(from) - 1;
        for (int i = from + 1; i <= last; i++)
        {
            if (text[i] == '\\') i++;
            else if (text[i] == '"') return i;
        }
        return last;
    }

    /// <summary>A quoted string, the opening quote ahead ("Unchanged from JSON", "Multi-line strings").</summary>
    public string TakeQuoted(string path)
    {
        var start = Position;
        if (TryTake("\"\"\"")) return TakeTripleQuoted(start, path);
        Advance();
        var result = new StringBuilder();
        while (true)
        {
            if (AtEnd || AtNewline) throw new HoconException(start, path, "the string is not closed on this line");
            char c = Current;
            if (c < ' ') throw new HoconException(Position, path, $"control character U+{(int)c:X4} within a string; write it as an escape");
            if (c == '\\') { TakeEscape(result, path); continue; }
            Advance();
            if (c == '"') break;
            result.Append(c);
        }
        if (HasLoneSurrogate(result)) throw new HoconException(start, path, "half of a surrogate pair in a string");
        return result.ToString();
    }

    /// <summary>In a longer run of quotes all but the last three belong to the string.</summary>
    private string TakeTripleQuoted(SourcePosition start, string path)
    {
        int from = _index;
        while (!AtEnd)
        {
            if (Current != '"') { Advance(); continue; }
            int quotes = 0;
            while (!AtEnd && Current == '"') { Advance(); quotes++; }
            if (quotes >= 3) return text[from..(_index - 3)];
        }
        throw new HoconException(start, path, "the string is not closed by \"\"\"");
    }

    private void TakeEscape(StringBuilder result, string path)
    {
        var at = Position;
        Advance();
        char c = Current;
        if (!AtEnd) Advance();
        if (c == 'u')
        {
            int code = 0;
            for (int i = 0; i < 4; i++)
            {
                if (!char.IsAsciiHexDigit(Current)) throw new HoconException(at, path, "'\\u' needs four hexadecimal digits");
                code = (code << 4) | int.Parse([Current], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                Advance();
            }
            result.Append((char)code);
            return;
        }
        result.Append(c switch
        {
            '"' or '\\' or '/' => c,
            'b' => '\b',
            'f' => '\f',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            _ => throw new HoconException(at, path, "unknown escape within a string (known are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX)"),
        });
    }

    private static bool HasLoneSurrogate(StringBuilder text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (!char.IsHighSurrogate(text[i]) || i + 1 >= text.Length || !char.IsLowSurrogate(text[i + 1])) return true;
            i++;
        }
        return false;
    }

    public static bool IsForbidden(char c) => "$\"{}[]:=,+#`^?!@*&\\".Contains(c, StringComparison.Ordinal);

    /// <summary>"Whitespace"; a byte order mark within a file also counts, as in files that were concatenated.</summary>
    public static bool IsWhitespace(char c) => c switch
    {
        ' ' or '\t' or '\n' or '\v' or '\f' or '\r' or '\uFEFF' => true,
        >= '\u001c' and <= '\u001f' => true,
        < '\u0080' => false,
        _ => char.GetUnicodeCategory(c) is UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator,
    };

    /// <summary>The number grammar of JSON (RFC 8259 section 6).</summary>
    public static bool IsNumber(ReadOnlySpan<char> text)
    {
        int i = 0;
        if (i < text.Length && text[i] == '-') i++;
        int digits = Digits(text, ref i);
        if (digits == 0 || (digits > 1 && text[i - digits] == '0')) return false;
        if (i < text.Length && text[i] == '.')
        {
            i++;
            if (Digits(text, ref i) == 0) return false;
        }
        if (i < text.Length && text[i] is 'e' or 'E')
        {
            i++;
            if (i < text.Length && text[i] is '+' or '-') i++;
            if (Digits(text, ref i) == 0) return false;
        }
        return i == text.Length;

        static int Digits(ReadOnlySpan<char> text, ref int i)
        {
            int start = i;
            while (i < text.Length && char.IsAsciiDigit(text[i])) i++;
            return i - start;
        }
    }
}
