using System.Collections.Immutable;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Hocon;

/// <summary>The grammar of one file: parses characters to <see cref="Syntax"/>. Stops at the first error by
/// <see cref="HoconException"/>.</summary>
/// <param name="root">Where the file is included, as a path in the whole configuration; null within an array.</param>
/// <param name="depth">Nesting of the include statement.</param>
internal sealed class HoconParser(HoconScanner scanner, HoconIncludes includes, ImmutableArray<string>? root, int depth)
{
    private (SourcePosition Start, string Path, int ClosedAt)? _suspect;

    /// <param name="path">Path of the include statement, for messages.</param>
    public ObjectSyntax ParseFile(string path)
    {
        scanner.SkipBlank();
        var start = scanner.Position;
        if (scanner.Current == '[') throw Explained(new HoconException(start, path, "a configuration must be an object, but the file holds an array"));
        bool braces = scanner.TryTake('{');
        var result = ParseFields(start, new Place(path, root, depth), braces ? '}' : '\0');
        if (!braces) return result;
        scanner.SkipBlank();
        if (!scanner.AtEnd) throw Unexpected(path, "after the closing '}' of the file");
        return result;
    }

    /// <summary>Fields up to and including the closing brace, or to the end of the file.</summary>
    private ObjectSyntax ParseFields(SourcePosition start, Place place, char close)
    {
        var result = new ObjectSyntax(start);
        int indent = scanner.LineIndent;
        bool separated = true;
        while (true)
        {
            separated |= scanner.SkipBlank();
            if (scanner.AtEnd && close == '\0') return result;
            if (scanner.AtEnd) throw NeverClosed(start, place.Path);
            if (scanner.Current == '}' && close == '}')
            {
                NoteClosing(start, place.Path, indent);
                scanner.Advance();
                return result;
            }
            if (scanner.Current == '}') throw Tangled(scanner.Position, place.Path, "unmatched '}'");
            int from = scanner.Index;
            try
            {
                if (!separated) throw Unexpected(place.Path, "after a value; a comma or a new line separates fields");
                if (scanner.Current == ',') throw new HoconException(scanner.Position, place.Path, "a comma without a field before it");
                ParseField(result, place);
                scanner.TakeSpace();
                separated = TakeSeparator();
            }
            catch (HoconException e)
            {
                var told = includes.Findings.Tangled ? e : Explained(e);
                if (includes.Findings.Tangled || !includes.Findings.TryPass(told)) throw told;
                // Skip the rest of the field and read the next one.
                scanner.SkipField(from);
                separated = true;
            }
        }
    }

    /// <summary>
    /// A closing brace that is indented less than the line where its block began probably belongs to the enclosing block: if the file
    /// ends within a block, this one is the one that lacks its brace.
    /// </summary>
    private void NoteClosing(SourcePosition start, string path, int indent)
    {
        if (_suspect is null && scanner.AtLineStart && scanner.Position.Line > start.Line && scanner.LineIndent < indent)
        {
            _suspect = (start, path, scanner.Position.Line);
        }
    }

    private HoconException NeverClosed(SourcePosition start, string path)
    {
        int end = scanner.Position.Line;
        return _suspect is { } other
            ? Tangled(
                other.Start, other.Path,
                $"'{{' is not closed where its indentation ends: the '}}' in line {other.ClosedAt} closes it, and the file ends in line {end} with the '{{' of line {start.Line} open")
            : Tangled(start, path, $"'{{' is never closed: the file ends in line {end}");
    }

    /// <summary>For blocks that are not nested properly: what follows would be read into the wrong one.</summary>
    private HoconException Tangled(SourcePosition position, string path, string reason)
    {
        includes.Findings.Tangled = true;
        return new HoconException(position, path, reason);
    }

    /// <summary>Adds what to write instead when the text is in another format.</summary>
    private HoconException Explained(HoconException e)
    {
        // Errors in included files name those files.
        if (e is HoconLimitException || e.Error.Position.File != scanner.File) return e;
        if (ForeignFormat.Explain(scanner.Text, e.Error.Position) is not { } reason) return e;
        return ForeignFormat.IsWhole(scanner.Text)
            ? new HoconLimitException(e.Error.Position, e.Error.Path, ForeignWords.WithImport(reason, e.Error.Position.File))
            : new HoconException(e.Error.Position, e.Error.Path, reason);
    }

    private bool TakeSeparator()
    {
        bool newline = scanner.SkipBlank();
        return scanner.TryTake(',') || newline;
    }

    private void ParseField(ObjectSyntax target, Place place)
    {
        var keyPosition = scanner.Position;
        bool unquoted = scanner.Current != '"';
        if (unquoted && !scanner.AtUnquoted) throw Unexpected(place.Path, "where a key is expected");
        if (unquoted && AtInclude())
        {
            target.Merge(includes.Parse(scanner, place));
            return;
        }
        var key = HoconPathReader.Read(scanner, place.Path);
        var inner = place;
        foreach (string element in key)
        {
            inner = inner.Child(element);
            if (inner.Depth > HoconLimits.Nesting) throw TooDeep(keyPosition, place.Path);
        }
        var end = scanner.Mark();
        bool alone = scanner.SkipBlank() && !scanner.AtEnd && scanner.Current is not (':' or '=' or '+' or '{');
        if (alone)
        {
            // The next lines are fields of their own.
            scanner.Return(end);
            throw new HoconException(keyPosition, inner.Path, $"a key without a value; {Missing(key)}");
        }
        var value = ParseAssignment(inner, keyPosition, key);
        for (int i = key.Length - 1; i > 0; i--)
        {
            var wrapper = new ObjectSyntax(keyPosition);
            wrapper.Add(key[i], keyPosition, value);
            value = wrapper;
        }
        target.Add(key[0], keyPosition, value);
    }

    /// <summary>Whether the word <c>include</c>, and not a longer one, is ahead ("Include syntax").</summary>
    private bool AtInclude()
    {
        const string Word = "include";
        for (int i = 0; i < Word.Length; i++)
        {
            if (scanner.Peek(i) != Word[i]) return false;
        }
        char next = scanner.Peek(Word.Length);
        return next == '\0' || HoconScanner.IsForbidden(next) || HoconScanner.IsWhitespace(next)
            || (next == '/' && scanner.Peek(Word.Length + 1) == '/');
    }

    /// <summary>What a key lacks; a key with spaces in it, as in "workers 4", was probably meant to have a value.</summary>
    private static string Missing(ImmutableArray<string> key)
    {
        string last = key[^1];
        int space = last.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && last.AsSpan(space + 1).IndexOf(' ') < 0 ? $"write {last[..space]} = {last[(space + 1)..]}" : "'=', ':', '+=' or '{' must follow";
    }

    private Syntax ParseAssignment(Place place, SourcePosition keyPosition, ImmutableArray<string> key)
    {
        if (scanner.Current == '{' && !scanner.AtEnd) return ParseValue(place);
        if (scanner.TryTake("+="))
        {
            scanner.SkipBlank();
            var append = new AppendSyntax(scanner.Position, place.Path);
            append.Elements.Add(ParseValue(place.Element(0)));
            return append;
        }
        if (!scanner.TryTake(':') && !scanner.TryTake('='))
        {
            throw scanner.AtEnd
                ? new HoconException(scanner.Position, place.Path, "the file ends after a key; '=' and a value must follow")
                : Unexpected(place.Path, $"after a key; {Missing(key)}");
        }
        var end = scanner.Mark();
        bool newline = scanner.SkipBlank();
        try
        {
            return ParseValue(place);
        }
        catch (HoconException) when (newline && scanner.Current == '=')
        {
            // What was read as the value is the key of the next field.
            scanner.Return(end);
            throw new HoconException(keyPosition, place.Path, "a value is missing on this line");
        }
    }

    private Syntax ParseValue(Place place)
    {
        var start = scanner.Position;
        if (place.Depth > HoconLimits.Nesting) throw TooDeep(start, place.Path);
        var parts = new List<Syntax>();
        var spaces = new List<string>();
        while (true)
        {
            string space = scanner.TakeSpace();
            var part = ParsePart(place);
            if (part is null) break;
            parts.Add(part);
            spaces.Add(space);
        }
        if (parts.Count == 0)
        {
            bool missing = scanner.AtEnd || scanner.AtNewline || scanner.Current is ',' or '}' or ']';
            throw missing ? new HoconException(start, place.Path, "a value is missing") : Unexpected(place.Path, "where a value is expected");
        }
        bool ended = scanner.AtEnd || scanner.AtNewline || scanner.AtComment || scanner.Current is ',' or '}' or ']';
        if (!ended)
        {
            bool next = scanner.Current is '=' || (scanner.Current is ':' && parts.Count > 1 && parts[^1] is ScalarSyntax { Value.Unquoted.Last: false });
            throw Unexpected(place.Path, next
                ? "within a value; a comma or a new line must separate fields, or the value needs double quotes"
                : "within a value; put the value in double quotes");
        }
        if (parts.Count == 1) return parts[0];
        if (parts[^1] is ScalarSyntax { Value: { Unquoted.First: true, Text: [';', ..] } } && parts.Exists(p => p is ArraySyntax or ObjectSyntax))
        {
            throw new HoconException(parts[^1].Position, place.Path, "';' does not end a line in HOCON: leave it out");
        }
        return parts.TrueForAll(p => p is ScalarSyntax)
            ? HoconConcatenation.JoinLiterals(start, place.Path, parts, spaces)
            : new ConcatenationSyntax(start, place.Path, parts, spaces);
    }

    private Syntax? ParsePart(Place place)
    {
        var start = scanner.Position;
        if (scanner.AtEnd) return null;
        switch (scanner.Current)
        {
            case '{':
                scanner.Advance();
                return ParseFields(start, place, '}');
            case '[':
                scanner.Advance();
                return ParseElements(start, place);
            case '"':
                return new ScalarSyntax(new HoconScalar(start, ScalarKind.String, scanner.TakeQuoted(place.Path)));
        }
        if (scanner.AtSubstitution) return ParseSubstitution(place);
        if (!scanner.AtUnquoted) return null;
        string text = scanner.TakeUnquoted();
        var kind = text switch
        {
            "null" => ScalarKind.Null,
            "true" or "false" => ScalarKind.Boolean,
            _ => HoconScanner.IsNumber(text) ? ScalarKind.Number : ScalarKind.String,
        };
        return new ScalarSyntax(new HoconScalar(start, kind, text) { Unquoted = (true, true) });
    }

    private ArraySyntax ParseElements(SourcePosition start, Place place)
    {
        var result = new ArraySyntax(start);
        bool separated = true;
        while (true)
        {
            separated |= scanner.SkipBlank();
            if (scanner.AtEnd) throw Tangled(start, place.Path, $"'[' is never closed: the file ends in line {scanner.Position.Line}");
            if (scanner.TryTake(']')) return result;
            if (scanner.Current == '}')
            {
                throw new HoconException(start, place.Path, $"'[' is not closed: a '}}' comes first, in line {scanner.Position.Line}, column {scanner.Position.Column}");
            }
            if (!separated) throw Unexpected(place.Path, "after an element; a comma or a new line separates elements");
            if (scanner.Current == ',') throw new HoconException(scanner.Position, place.Path, "a comma without an element before it");
            int line = scanner.Position.Line;
            try
            {
                result.Elements.Add(ParseValue(place.Element(result.Elements.Count)));
            }
            catch (HoconException) when (scanner.Current == '=' && line > start.Line)
            {
                throw new HoconException(start, place.Path, $"'[' is not closed before line {line}, which holds a key with '='");
            }
            separated = TakeSeparator();
        }
    }

    private SubstitutionSyntax ParseSubstitution(Place place)
    {
        var start = scanner.Position;
        scanner.TryTake("${");
        bool optional = scanner.TryTake('?');
        scanner.TakeSpace();
        if (scanner.AtSubstitution) throw new HoconException(scanner.Position, place.Path, "a substitution within a substitution");
        var target = HoconPathReader.Read(scanner, place.Path);
        bool list = scanner.TryTake("[]");
        scanner.TakeSpace();
        if (!scanner.TryTake('}')) throw new HoconException(start, place.Path, "'${' is never closed by '}' on this line");
        return new SubstitutionSyntax(start, place.Path, target, root, optional, list);
    }

    private HoconException Unexpected(string path, string where)
    {
        if (scanner.AtEnd) return new HoconException(scanner.Position, path, $"the file ends {where}");
        string what = scanner.Current switch
        {
            '\n' => "the line ends",
            '$' => "unexpected '$' (a substitution is written ${path}, a text with '$' in double quotes)",
            char c when char.IsControl(c) => $"unexpected U+{(int)c:X4}",
            char c when char.IsSurrogate(c) => "unexpected character",
            char c => $"unexpected '{c}'",
        };
        return new HoconException(scanner.Position, path, $"{what} {where}");
    }

    private static HoconException TooDeep(SourcePosition position, string path) =>
        new(position, path, $"nested deeper than {HoconLimits.Nesting} levels");
}

/// <summary>The parser's place in the configuration.</summary>
/// <param name="Path">For messages.</param>
/// <param name="Keys">From the root of the whole configuration; null within an array, which no path can address.</param>
internal readonly record struct Place(string Path, ImmutableArray<string>? Keys, int Depth)
{
    public Place Child(string key) => new(HoconPath.Child(Path, key), Keys?.Add(key), Depth + 1);

    public Place Element(int index) => new(HoconPath.Element(Path, index), null, Depth + 1);
}
