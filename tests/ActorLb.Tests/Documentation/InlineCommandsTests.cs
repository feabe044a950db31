using System.CommandLine;
using System.Text.RegularExpressions;
using ActorLb.Cli;
using ActorLb.Cli.Output;
using ActorLb.Testing;

namespace ActorLb.Tests.Documentation;

/// <summary>Commands within sentences and tables, where words such as FILE stand for something, name commands and options that there are.</summary>
public sealed partial class InlineCommandsTests
{
    public static TheoryData<string> Documents => [.. DocumentBlocks.Documents];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Commands_InSentences_AreThoseOfThePrograms(string document)
    {
        RootCommand[] programs = [ActorLb.Server.Program.Tree(), new CommandTree(new Screen(TextWriter.Null, TextWriter.Null, isTerminal: false), (_, _) => Task.FromResult(0)).Root];
        Assert.Empty(Inline().Matches(File.ReadAllText(RepositoryRoot.File(document)))
            .Select(m => (m.Value, Problem: ProblemOf(programs[m.Groups["program"].Value == "actorlb" ? 0 : 1], Words().Split(m.Groups["words"].Value))))
            .Where(c => c.Problem is not null).Select(c => $"{c.Value}: {c.Problem}"));
    }

    private static string? ProblemOf(Command command, IEnumerable<string> words)
    {
        bool isValue = false;
        foreach (string word in words.Where(w => w != ""))
        {
            if (isValue)
            {
                isValue = false;
            }
            else if (word[0] == '-')
            {
                if (!OptionsOf(command).TryGetValue(word.Split('=')[0], out var option)) return $"no option {word} of {command.Name}";
                isValue = option.Arity.MinimumNumberOfValues > 0 && !word.Contains('=', StringComparison.Ordinal);
            }
            else if (command.Subcommands.Count > 0 && char.IsAsciiLetterLower(word[0]))
            {
                if (command.Subcommands.FirstOrDefault(c => c.Name == word || c.Aliases.Contains(word)) is not { } next) return $"no command {word} of {command.Name}";
                command = next;
            }
        }
        return null;
    }

    private static Dictionary<string, Option> OptionsOf(Command command)
    {
        IEnumerable<Option> options = command.Options;
        for (var parent = command.Parents.OfType<Command>().FirstOrDefault(); parent is not null; parent = parent.Parents.OfType<Command>().FirstOrDefault())
            options = options.Concat(parent.Options.Where(o => o.Recursive));
        return options.SelectMany(o => o.Aliases.Append(o.Name).Select(n => (Name: n, Option: o))).DistinctBy(o => o.Name).ToDictionary(o => o.Name, o => o.Option, StringComparer.Ordinal);
    }

    [GeneratedRegex("`(?<program>actorlb|pbm) (?<words>[a-z-][^`]*)`")]
    private static partial Regex Inline();

    /// <summary>What is optional stands in brackets.</summary>
    [GeneratedRegex(@"[\s\[\]|\\]+")]
    private static partial Regex Words();
}
