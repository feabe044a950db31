using System.CommandLine;

namespace ActorLb.Cli.Prompt;

/// <param name="Start">Where the word begins that is being completed.</param>
/// <param name="Words">Those that fit, sorted.</param>
internal readonly record struct Candidates(int Start, string[] Words)
{
    /// <summary>What all of them begin with.</summary>
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

/// <summary>What may stand at the end of a line: commands, options, and names that the node knows.</summary>
/// <param name="names">The values of an argument or option by the name of its place, such as POOL; empty where there are none.</param>
internal sealed class Completion(RootCommand root, Func<string, Task<IReadOnlyList<string>>> names)
{
    public static readonly string[] BuiltIn = ["exit"];

    /// <param name="line">Up to the cursor.</param>
    public async Task<Candidates> FindAsync(string line)
    {
        List<string> words = Words.Split(line, out _, out int start);
        string prefix = start < line.Length ? words[^1] : "";
        string[] before = [.. start < line.Length ? words[..^1] : words];
        if (before is ["help", ..]) before = before[1..];
        IEnumerable<string> fitting = await AfterAsync(before, prefix);
        return new Candidates(start, [.. fitting.Where(w => w.StartsWith(prefix, StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal)]);
    }

    private async Task<IEnumerable<string>> AfterAsync(string[] before, string prefix)
    {
        Command command = root;
        Option? waiting = null;
        int taken = 0;
        foreach (string word in before)
        {
            if (waiting is not null) waiting = null;
            else if (word.StartsWith('-')) waiting = Options(command).FirstOrDefault(o => Is(o, word) && o.ValueType != typeof(bool));
            else if (command.Subcommands.FirstOrDefault(c => c.Name == word) is { } next) command = next;
            else taken++;
        }
        if (waiting is not null) return await names(waiting.HelpName ?? "");
        if (prefix.StartsWith('-')) return Options(command).Where(o => !o.Hidden).Select(o => o.Name);
        if (command.Subcommands.Count > 0)
        {
            // A word that is no command of its group: nothing sensible can follow.
            if (taken > 0) return [];
            return command == root ? command.Subcommands.Select(c => c.Name).Concat(BuiltIn) : command.Subcommands.Select(c => c.Name);
        }
        return taken < command.Arguments.Count ? await names(command.Arguments[taken].Name) : [];
    }

    private IEnumerable<Option> Options(Command command) => command == root ? root.Options : command.Options.Concat(root.Options.Where(o => o.Recursive));

    private static bool Is(Option option, string word) => option.Name == word || option.Aliases.Contains(word);
}
