using System.Text.RegularExpressions;
using ActorLb.Configuration.Readers;

namespace ActorLb.Configuration.Hocon;

/// <summary>Recognises text that is not HOCON where the parser fails on it: NGINX, HAProxy, YAML, INI, URLs, other quotes.</summary>
internal static partial class ForeignFormat
{
    /// <summary>What the text at a place is, and what to write instead; null when it is not recognised.</summary>
    public static string? Explain(string text, SourcePosition position)
    {
        string[] lines = text.Split('\n', position.Line + 1);
        if (position.Line > lines.Length) return null;
        string line = LineAt(lines, position.Line);
        if (Section().Match(line) is { Success: true } section) return $"a section of an INI or TOML file: write {section.Groups["name"].Value} {{ ... }}";
        if (line.StartsWith("include", StringComparison.Ordinal)) return null;
        if (Url().Match(line) is { Success: true } url)
        {
            return $"{AddressUrl.Mask(url.Value)} is a URL: {AddressUrl.Instead(url.Value) ?? "an address is a host and a port"}, in double quotes";
        }
        if (ForeignWords.OfLine(line) is { } foreign) return foreign;
        if (IsYaml(lines, position.Line)) return "this is YAML: write a block as name { ... }, a list as [ \"a\", \"b\" ], a value as key = value, texts in double quotes";
        if (SingleQuoted().Match(line) is { Success: true } quoted) return $"{quoted.Value} is in single quotes, which HOCON does not have: write \"{quoted.Value[1..^1]}\"";
        if (Semicolon().IsMatch(line)) return "';' neither ends a line nor separates fields in HOCON: write one field per line, or put a comma between them";
        return BareAddress().Matches(line).FirstOrDefault(m => m.Index <= Column(lines, position) && Column(lines, position) < m.Index + m.Length) is { } bare
            ? $"an address needs double quotes: write \"{bare.Value}\"" : null;
    }

    /// <summary>Whether the whole file belongs to another program, so that one error is enough.</summary>
    public static bool IsWhole(string text) => !OwnRoot().IsMatch(text);

    /// <summary>The start of a longer line is enough.</summary>
    private const int LongestLine = 500;

    private static bool IsYaml(string[] lines, int at)
    {
        string line = LineAt(lines, at);
        if (line is "---" || YamlItem().IsMatch(line) || YamlBlock().IsMatch(line)) return true;
        if (!YamlField().IsMatch(line)) return false;
        // A nested field: an earlier, less indented line opens its block.
        int indent = Indent(lines[at - 1]);
        for (int i = at - 1; i >= 1; i--)
        {
            if (LineAt(lines, i).Length == 0 || Indent(lines[i - 1]) >= indent) continue;
            return YamlBlock().IsMatch(LineAt(lines, i));
        }
        return false;
    }

    /// <summary>Index of the position in the text from <see cref="LineAt"/>.</summary>
    private static int Column(string[] lines, SourcePosition position) => position.Column - 1 - Indent(lines[position.Line - 1]);

    private static int Indent(string line) => line.Length - line.TrimStart().Length;

    /// <summary>Trimmed, without a trailing comment.</summary>
    private static string LineAt(string[] lines, int number)
    {
        if (number < 1 || number > lines.Length) return "";
        string line = lines[number - 1].Split('\n')[0];
        int comment = line.IndexOf(" #", StringComparison.Ordinal);
        line = (comment < 0 ? line : line[..comment]).Trim();
        return line.Length <= LongestLine ? line : line[..LongestLine];
    }

    [GeneratedRegex(@"^\[\s*(?<name>[A-Za-z][\w.-]*)\s*\]$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Section();

    [GeneratedRegex(@"\b(mqtts?|tcp|ssl|tls|wss?|https?)://(\[[^\]\s]*\])?[^\s""'`;,}\]]*", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Url();

    [GeneratedRegex(@"'[^']*'", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex SingleQuoted();

    [GeneratedRegex(@"^(""[^""]*""|[^"";])*;", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Semicolon();

    [GeneratedRegex(@"(?<![\w.""*:])(\*|[\w.-]+):\d+\b", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex BareAddress();

    [GeneratedRegex(@"^-\s+\S", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex YamlItem();

    [GeneratedRegex(@"^[\w.""-]+:$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex YamlBlock();

    [GeneratedRegex(@"^[\w.""-]+:\s+\S", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex YamlField();

    [GeneratedRegex(@"(?m)^[ \t]*(\{[ \t]*)?""?actorlb""?[ \t]*([.{=]|$)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex OwnRoot();
}
