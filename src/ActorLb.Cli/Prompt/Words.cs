using System.Text;

namespace ActorLb.Cli.Prompt;

/// <summary>Splits a line into words, as shells do: spaces separate, quotes group, a backslash escapes the next character
/// (except within single quotes).</summary>
internal static class Words
{
    /// <returns>Null with a reason when a quote is not closed.</returns>
    public static List<string>? Split(string line, out string? problem)
    {
        var words = Split(line, out char open, out _);
        problem = open == '\0' ? null : $"a {open} is not closed";
        return problem is null ? words : null;
    }

    /// <param name="open">The quote (or backslash) that is still open at the end, or NUL.</param>
    /// <param name="lastStart">Where the last word of the line starts; the line's length if it ends between words.</param>
    public static List<string> Split(string line, out char open, out int lastStart)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        bool inWord = false;
        open = '\0';
        lastStart = line.Length;
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (open == '\0' && char.IsWhiteSpace(c))
            {
                if (inWord) words.Add(word.ToString());
                word.Clear();
                inWord = false;
                lastStart = line.Length;
                continue;
            }
            if (!inWord)
            {
                inWord = true;
                lastStart = i;
            }
            if (c == '\\' && open != '\'')
            {
                if (i + 1 == line.Length) open = '\\';
                else word.Append(line[++i]);
            }
            else if (open == '\0' && (c == '"' || c == '\''))
            {
                open = c;
            }
            else if (c == open)
            {
                open = '\0';
            }
            else
            {
                word.Append(c);
            }
        }
        if (inWord) words.Add(word.ToString());
        return words;
    }

    /// <summary>The word quoted as it would be typed.</summary>
    public static string Quote(string word) =>
        word.Length > 0 && !word.Any(c => char.IsWhiteSpace(c) || c is '"' or '\'' or '\\' or '#')
            ? word
            : $"\"{word.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
