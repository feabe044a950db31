using System.CommandLine;

namespace ActorLb.Cli.Prompt;

/// <param name="Start">Where the word being completed starts.</param>
/// <param name="Words">Candidates, sorted.</param>
internal readonly record struct Candidates(int Start, string[] Words)
{
    /// <summary>Their longest common prefix.</summary>
    public string CommonStart
    {
        get
        {
            if (Words.Length == 0) return "";
            string first = Words[0], last = Words[^1];
            int length = 0;
            while (length < first.Length && length < last.Length && first[length] == last[length]) length++;
            return first[..length];
        }
    }
}

/// <summary>Candidates for the end of a line: commands, names that the node knows, and options once one is begun.</summary>
internal sealed class Completion(CommandTree tree)
{
    public static readonly string[] BuiltIn = ["exit"];

    /// <param name="line">The line up to the cursor.</param>
    public Candidates Find(string line)
    {
        var words = Words.Split(line, out _, out int start);
        string prefix = start < line.Length ? words[^1] : "";
        var before = start < line.Length ? words.SkipLast(1) : words;
        string text = string.Concat(before.Select(w => Words.Quote(w) + " ")) + prefix;
        var parsed = tree.ParseLine(text);
        // An unknown command: nothing sensible can follow it.
        bool isLost = parsed.CommandResult.Command.Subcommands.Count > 0 && parsed.UnmatchedTokens.Any(t => t != prefix);
        var fitting = isLost ? [] : parsed.GetCompletions(text.Length).Select(c => c.Label);
        if (parsed.CommandResult.Command == tree.Root && !isLost) fitting = fitting.Concat(BuiltIn);
        return new Candidates(
            start,
            [
                .. fitting.Where(w => w.StartsWith(prefix, StringComparison.Ordinal) && w.StartsWith('-') == prefix.StartsWith('-') && !w.StartsWith('/'))
                    .Distinct().Order(StringComparer.Ordinal),
            ]);
    }
}
