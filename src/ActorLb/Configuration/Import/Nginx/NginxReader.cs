using System.Text;
using ActorLb.Configuration.Hocon;

namespace ActorLb.Configuration.Import.Nginx;

/// <summary>
/// NGINX's files as written: directives, blocks and comments with their positions, includes in their places. Names of
/// included files are relative to the directory of the first file, whichever file includes them.
/// </summary>
internal sealed class NginxReader(string root)
{
    private readonly List<string> _open = [];
    private int _directives, _files;
    private long _characters;

    /// <summary>The directory that relative names of certificates and included files start from.</summary>
    public string Folder { get; } = Path.GetDirectoryName(Path.GetFullPath(root)) ?? "/";

    /// <returns>A directive without a name that contains those of the file.</returns>
    /// <exception cref="ImportException">The file cannot be read, or is not NGINX's.</exception>
    public Directive Read(bool pipes) => Read(SourceText.Read(root, pipes), root);

    /// <inheritdoc cref="Read(bool)"/>
    public Directive Read(string text) => Read(SourceText.Of(text, root), root);

    private Directive Read(SourceText text, string file)
    {
        if (++_files > ImportLimits.Files) throw new ImportException(text.Position, $"more than {ImportLimits.Files} files");
        _characters += text.Whole.Length;
        if (_characters > ImportLimits.Characters) throw new ImportException(text.Position, $"the files hold more than {ImportLimits.Characters >> 20} million characters together");
        _open.Add(Path.GetFullPath(file));
        if (ForeignFile.Refuse(text.Whole, ForeignFile.Kind.Nginx) is var (line, reason)) throw new ImportException(new SourcePosition(file, line, 1), reason);
        var whole = new Directive(new Word("", text.Position)) { Block = [] };
        ReadBlock(text, whole, text.Position, depth: 0);
        _open.RemoveAt(_open.Count - 1);
        return whole;
    }

    /// <summary>Directives up to and including the closing brace, or to the end of the file.</summary>
    private void ReadBlock(SourceText text, Directive owner, SourcePosition start, int depth)
    {
        if (depth > ImportLimits.Nesting) throw new ImportException(start, $"blocks are nested deeper than {ImportLimits.Nesting} levels");
        var comments = new List<string>();
        var last = depth == 0 ? null : owner;
        int lastLine = depth == 0 ? 0 : text.Position.Line;
        while (true)
        {
            while (!text.AtEnd && SourceText.IsBlank(text.Current)) text.Advance();
            if (text.AtEnd)
            {
                if (depth > 0) throw new ImportException(start, $"'{{' is never closed: the file ends in line {text.Position.Line}");
                break;
            }
            if (text.Current == '#')
            {
                bool beside = last is not null && lastLine == text.Position.Line;
                string comment = text.TakeLine();
                if (beside && last!.Beside is null) last.Beside = comment;
                else comments.Add(comment);
                continue;
            }
            if (text.Current == '}')
            {
                if (depth == 0) throw new ImportException(text.Position, "unmatched '}'");
                text.Advance();
                break;
            }
            last = ReadDirective(text, comments, depth);
            lastLine = text.Position.Line;
            comments = [];
            Include(owner.Block!, last);
        }
        owner.Closing.AddRange(comments);
    }

    private Directive ReadDirective(SourceText text, List<string> comments, int depth)
    {
        if (++_directives > ImportLimits.Directives) throw new ImportException(text.Position, $"more than {ImportLimits.Directives} directives");
        if (text.Current is ';' or '{') throw new ImportException(text.Position, $"'{text.Current}' without a directive before it");
        var result = new Directive(ReadWord(text));
        result.Leading.AddRange(comments);
        while (true)
        {
            while (!text.AtEnd && SourceText.IsBlank(text.Current)) text.Advance();
            switch (text.Current)
            {
                case '\0' when text.AtEnd:
                    throw new ImportException(result.Position, $"'{Short(result.Name)}' is not ended by ';' or a block");
                case ';':
                    text.Advance();
                    return result;
                case '{':
                    var brace = text.Position;
                    text.Advance();
                    result.Block = [];
                    ReadBlock(text, result, brace, depth + 1);
                    return result;
                case '}':
                    throw new ImportException(result.Position, $"'{Short(result.Name)}' is not ended by ';': the '}}' of line {text.Position.Line} comes first");
                case '#':
                    // Between the words of a directive: the comment is put before it.
                    result.Leading.Add(text.TakeLine());
                    break;
                default:
                    result.Words.Add(ReadWord(text));
                    break;
            }
        }
    }

    private static Word ReadWord(SourceText text)
    {
        var start = text.Position;
        var word = new StringBuilder();
        if (text.Current is '"' or '\'')
        {
            char quote = text.Current;
            text.Advance();
            while (text.Current != quote || text.AtEnd)
            {
                if (text.AtEnd) throw new ImportException(start, $"{quote} is never closed");
                if (text.Current == '\\' && Escape(text.Next) is { } escaped)
                {
                    word.Append(escaped);
                    text.Advance();
                }
                else
                {
                    word.Append(text.Current);
                }
                text.Advance();
            }
            text.Advance();
            // ngx_conf_read_token: after a quote only the end of a word, or the brackets of "if", may follow.
            if (!text.AtEnd && !SourceText.IsBlank(text.Current) && text.Current is not (';' or '{' or ')'))
            {
                text.RefuseLookalike();
                throw new ImportException(text.Position, $"unexpected '{text.Current}' after a closing quote");
            }
            if (text.Current == ')')
            {
                word.Append(')');
                text.Advance();
            }
            return new Word(word.ToString(), start);
        }
        while (!text.AtEnd && !SourceText.IsBlank(text.Current) && text.Current != ';')
        {
            // "${name}" is a variable; any other brace starts the block.
            if (text.Current == '{' && !(word.Length > 0 && word[^1] == '$')) break;
            text.RefuseLookalike();
            if (text.Current == '\\')
            {
                char next = text.Next;
                string? escaped = Escape(next);
                word.Append(escaped ?? "\\");
                text.Advance();
                if (escaped is null && !text.AtEnd) word.Append(text.Current);
                text.Advance();
                continue;
            }
            word.Append(text.Current);
            text.Advance();
        }
        return new Word(word.ToString(), start);
    }

    private static string? Escape(char next) => next switch
    {
        '"' or '\'' or '\\' => next.ToString(),
        't' => "\t",
        'r' => "\r",
        'n' => "\n",
        _ => null,
    };

    /// <summary>Adds the directive, or the contents of the files that it includes.</summary>
    private void Include(List<Directive> block, Directive directive)
    {
        block.Add(directive);
        if (directive.Name != "include" || directive.Words.Count == 0 || directive.Block is not null) return;
        string pattern = Path.GetFullPath(Path.Combine(Folder, directive[0]));
        bool glob = pattern.AsSpan().IndexOfAny("*?[") >= 0;
        string[] files = glob ? FileGlob.Find(pattern) : [pattern];
        if (files.Length == 0)
        {
            directive.Report("no file matches here: import the file where NGINX runs, or copy the directory");
            return;
        }
        if (_open.Count >= ImportLimits.IncludeNesting) throw new ImportException(directive.Position, $"files include one another more than {ImportLimits.IncludeNesting} levels deep");
        foreach (string file in files)
        {
            if (_open.Contains(file)) throw new ImportException(directive.Position, $"{file} includes itself: {string.Join(" includes ", _open.SkipWhile(f => f != file).Append(file))}");
            SourceText text;
            try
            {
                text = SourceText.Read(file, pipes: false);
            }
            catch (ImportException e) when (e.Message.Contains(": the file cannot be read: ", StringComparison.Ordinal))
            {
                if (Path.GetFileName(file) is "mime.types") directive.Leave("it lists types of web content");
                else directive.Report($"{e.Message[(e.Message.IndexOf(": the file cannot", StringComparison.Ordinal) + 2)..]} ({file}): import the configuration where the file is, or copy it");
                continue;
            }
            var included = Read(text, file);
            // The file's comments stay with its directives.
            block.AddRange(included.Block!);
            if (included.Closing.Count > 0) directive.Closing.AddRange(included.Closing);
            directive.Carry();
        }
    }

    private static string Short(string text) => Protocol.Text.SafeText.Shortened(text, 60);
}
