using System.Globalization;
using System.Text;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Import.HAProxy;

/// <summary>HAProxy's files as written: sections, their lines split into words, and comments with their positions (its manual, 2.1 to
/// 2.3).</summary>
internal sealed class HAProxyReader
{
    public static readonly string[] Sections =
    [
        "global", "defaults", "frontend", "backend", "listen", "resolvers", "peers", "userlist", "mailers", "cache", "ring", "program",
        "http-errors", "fcgi-app", "log-forward", "log-profile", "crt-store", "traces", "acme", "namespace_list",
    ];

    private readonly Directive _whole = new(new Word("", SourcePosition.None)) { Block = [] };
    private int _lines;

    /// <param name="path">A file, or a directory, of which all .cfg files are read, as HAProxy does.</param>
    /// <returns>A directive without a name that contains the sections.</returns>
    /// <exception cref="ImportException">A file cannot be read, or is not HAProxy's.</exception>
    public static Directive Read(string path, bool pipes)
    {
        var reader = new HAProxyReader();
        if (!Directory.Exists(path))
        {
            reader.Read(SourceText.Read(path, pipes), path);
            return reader._whole;
        }
        string[] files = FileGlob.Find(Path.Combine(Path.GetFullPath(path), "*.cfg"));
        if (files.Length == 0) throw new ImportException(new SourcePosition(path, 1, 1), "the directory has no .cfg file");
        if (files.Length > ImportLimits.Files) throw new ImportException(new SourcePosition(path, 1, 1), $"more than {ImportLimits.Files} files");
        foreach (string file in files) reader.Read(SourceText.Read(file, pipes: false), file);
        return reader._whole;
    }

    public static Directive ReadText(string text, string file)
    {
        var reader = new HAProxyReader();
        reader.Read(SourceText.Of(text, file), file);
        return reader._whole;
    }

    private void Read(SourceText text, string file)
    {
        if (ForeignFile.Refuse(text.Whole, ForeignFile.Kind.HAProxy) is var (line, reason)) throw new ImportException(new SourcePosition(file, line, 1), reason);
        Directive? section = null;
        var comments = new List<string>();
        while (!text.AtEnd)
        {
            (var words, string? comment) = ReadLine(text);
            if (words.Count == 0)
            {
                if (comment is not null) comments.Add(comment);
                continue;
            }
            if (++_lines > ImportLimits.Directives) throw new ImportException(words[0].Position, $"more than {ImportLimits.Directives} lines");
            var directive = new Directive(words[0]) { Beside = comment };
            directive.Words.AddRange(words.Skip(1));
            directive.Leading.AddRange(comments);
            comments = [];
            if (Sections.Contains(directive.Name))
            {
                section = directive;
                section.Block = [];
                _whole.Block!.Add(section);
            }
            else if (section is null && directive.Name.StartsWith('.'))
            {
                // Conditions in the file.
                _whole.Block!.Add(directive);
            }
            else if (section is null)
            {
                throw new ImportException(directive.Position, $"'{Protocol.Text.SafeText.Shortened(directive.Name, 60)}' comes before any section: a file of HAProxy starts with global, defaults, frontend, backend or listen");
            }
            else
            {
                section.Block!.Add(directive);
            }
        }
        (section ?? _whole).Closing.AddRange(comments);
    }

    /// <summary>The words up to the end of the line, and the comment after them.</summary>
    private static (List<Word> Words, string? Comment) ReadLine(SourceText text)
    {
        var words = new List<Word>();
        while (!text.AtEnd)
        {
            switch (text.Current)
            {
                case '\n':
                    text.Advance();
                    return (words, null);
                case ' ' or '\t' or '\r':
                    text.Advance();
                    break;
                case '\\' when text.Next is '\n' or '\r':
                    // The line continues on the next one.
                    while (text.Current is '\\' or '\r') text.Advance();
                    text.Advance();
                    break;
                case '#':
                    string comment = text.TakeLine();
                    text.Advance();
                    return (words, comment);
                default:
                    words.Add(ReadWord(text));
                    break;
            }
        }
        return (words, null);
    }

    private static Word ReadWord(SourceText text)
    {
        SourcePosition start = text.Position, opened = start;
        var word = new StringBuilder();
        char quote = '\0';
        bool literal = false;
        for (; !text.AtEnd; text.Advance())
        {
            char c = text.Current;
            if (c == '\n' && quote == '\0') break;
            if (c == '\n') throw new ImportException(opened, $"{quote} is not closed on this line");
            if (quote == '\0' && c is ' ' or '\t' or '\r' or '#') break;
            if (quote == '\0') text.RefuseLookalike();
            if (c == quote)
            {
                quote = '\0';
                continue;
            }
            if (quote == '\0' && c is '"' or '\'')
            {
                quote = c;
                opened = text.Position;
                literal |= c == '\'';
                continue;
            }
            if (c == '\\' && quote != '\'' && text.Next is not ('\n' or '\r' or '\0'))
            {
                text.Advance();
                Escape(text, word, quote);
                continue;
            }
            word.Append(c);
        }
        if (quote != '\0') throw new ImportException(opened, $"{quote} is never closed");
        return new Word(word.ToString(), start, literal);
    }

    private static void Escape(SourceText text, StringBuilder word, char quote)
    {
        switch (text.Current)
        {
            case 'n' when quote == '\0': word.Append('\n'); break;
            case 'r' when quote == '\0': word.Append('\r'); break;
            case 't' when quote == '\0': word.Append('\t'); break;
            case 'x' when quote == '\0' && byte.TryParse(string.Concat(Following(text)), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out byte value):
                word.Append((char)value);
                text.Advance();
                text.Advance();
                break;
            case ' ' or '#' or '\\' or '"' or '\'' or '$': word.Append(text.Current); break;
            default: word.Append('\\').Append(text.Current); break;
        }
    }

    private static IEnumerable<char> Following(SourceText text) => text.Whole.Skip(text.Index + 1).Take(2);
}
