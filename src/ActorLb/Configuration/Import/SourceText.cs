using System.Text;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Import;

/// <summary>The characters of one file with their positions; refuses anything but text.</summary>
internal sealed class SourceText
{
    private readonly string _text;
    private readonly string _file;
    private int _line = 1, _column = 1;

    private SourceText(string text, string file)
    {
        _text = text;
        _file = file;
    }

    public int Index { get; private set; }

    public bool AtEnd => Index >= _text.Length;

    /// <summary>NUL at the end.</summary>
    public char Current => AtEnd ? '\0' : _text[Index];

    public char Next => Index + 1 < _text.Length ? _text[Index + 1] : '\0';

    public SourcePosition Position => new(_file, _line, _column);

    /// <exception cref="ImportException">It cannot be read, or is not text.</exception>
    public static SourceText Read(string file, bool pipes)
    {
        try
        {
            return Of(Decode(InputFile.ReadBytes(file, pipes)), file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ImportException(new SourcePosition(file, 1, 1), $"the file cannot be read: {FileProblem.Describe(e, file)}");
        }
    }

    /// <exception cref="ImportException">It is not text.</exception>
    public static SourceText Of(string text, string file)
    {
        var source = new SourceText(text.Length > 0 && text[0] == '\ufeff' ? text[1..] : text, file);
        int bad = source._text.AsSpan().IndexOfAny('\0', '\ufffd');
        if (bad < 0) return source;
        while (source.Index < bad) source.Advance();
        throw new ImportException(source.Position, source.Current == '\0'
            ? "a NUL byte: this is not a text file" : "bytes that are not UTF-8: save the file as UTF-8, unless it is not a text file");
    }

    public string Line(int number)
    {
        int start = 0;
        for (int i = 1; i < number && start >= 0; i++) start = _text.IndexOf('\n', start) + 1 is > 0 and var next ? next : -1;
        if (start < 0) return "";
        int end = _text.IndexOf('\n', start);
        return _text[start..(end < 0 ? _text.Length : end)];
    }

    public string Whole => _text;

    /// <summary>What separates words and lines, for NGINX and HAProxy alike.</summary>
    public static bool IsBlank(char c) => c is ' ' or '\t' or '\r' or '\n';

    public void Advance()
    {
        if (AtEnd) return;
        char c = _text[Index++];
        if (c == '\n')
        {
            _line++;
            _column = 1;
        }
        else if (!char.IsLowSurrogate(c))
        {
            _column++;
        }
    }

    /// <summary>The rest of the line, without its end and trailing spaces.</summary>
    public string TakeLine()
    {
        int start = Index;
        while (!AtEnd && Current != '\n') Advance();
        return _text[start..Index].TrimEnd();
    }

    /// <summary>A punctuation mark that looks like an ASCII one, as produced by translated pages and word processors, and the one it
    /// stands for.</summary>
    public void RefuseLookalike()
    {
        string? meant = Current switch
        {
            '\uff0c' or '\u3001' => ",",
            '\uff08' => "(",
            '\uff09' => ")",
            '\uff1a' => ":",
            '\uff1b' => ";",
            '\uff1d' => "=",
            '\uff0f' => "/",
            '\uff0e' or '\u3002' => ".",
            '\uff5b' => "{",
            '\uff5d' => "}",
            '\uff03' => "#",
            '\uff04' => "$",
            '\uff0a' => "*",
            '\u201c' or '\u201d' or '\u201e' or '\uff02' => "\"",
            '\u2018' or '\u2019' or '\uff07' => "'",
            '\u2010' or '\u2011' or '\u2013' or '\u2014' or '\u2212' or '\uff0d' => "-",
            '\u3000' or '\u00a0' or '\u2003' or '\u2009' or '\u200b' or '\u202f' => "a space",
            _ => null,
        };
        if (meant is null) return;
        string what = char.IsWhiteSpace(Current) || Current == '\u200b' ? $"U+{(int)Current:X4}" : $"'{Current}' (U+{(int)Current:X4})";
        throw new ImportException(Position, $"{what} is used where {(meant == "a space" ? meant : $"'{meant}'")} is meant; translated pages and word processors produce such characters");
    }

    private static string Decode(byte[] bytes)
    {
        try
        {
            return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            // The replacement character marks the position of the first such byte.
            return Encoding.UTF8.GetString(bytes);
        }
    }
}
