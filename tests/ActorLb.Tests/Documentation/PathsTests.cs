using System.Text.RegularExpressions;
using ActorLb.Testing;

namespace ActorLb.Tests.Documentation;

/// <summary>What the documents name is there.</summary>
public sealed partial class PathsTests
{
    /// <summary>Files to read from an accept to the relay, and from the operator's shell to what the reactors read.</summary>
    private const int LongestWalk = 8;

    public static TheoryData<string> Documents =>
        [.. Directory.EnumerateFiles(RepositoryRoot.File("docs"), "*.md", SearchOption.AllDirectories)
            .Concat(["README.md", "CONTRIBUTING.md", "SECURITY.md"])
            .Select(f => Path.GetRelativePath(RepositoryRoot.File(), RepositoryRoot.File(f)))];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Paths_OfADocument_Exist(string document)
    {
        var missing = PathsOf(File.ReadAllText(RepositoryRoot.File(document))).Where(p => !Exists(p));
        Assert.Empty(missing);
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Links_OfADocument_Lead(string document)
    {
        string folder = Path.GetDirectoryName(RepositoryRoot.File(document))!;
        var missing = Link().Matches(File.ReadAllText(RepositoryRoot.File(document))).Select(m => m.Groups["target"].Value)
            .Where(t => !t.Contains("://", StringComparison.Ordinal) && !Exists(Path.Combine(folder, t)));
        Assert.Empty(missing);
    }

    /// <summary>Each file of a walk exists, in the document's order, and is not too many.</summary>
    [Theory]
    [InlineData("## A CONNECT, from accept to relay")]
    [InlineData("## `pbm pool drain`, from the shell to the reactor")]
    public void Walk_OfANewcomer_IsShort(string heading)
    {
        string text = File.ReadAllText(RepositoryRoot.File("docs", "architecture.md"));
        string section = text[text.IndexOf(heading, StringComparison.Ordinal)..];
        section = section[heading.Length..];
        section = section[..section.IndexOf("\n## ", StringComparison.Ordinal)];
        string[] files = [.. Step().Matches(section).Select(m => m.Groups["path"].Value)];
        Assert.InRange(files.Length, 2, LongestWalk);
        Assert.All(files, f => Assert.NotEmpty(File.ReadAllText(RepositoryRoot.File(f))));
    }

    private static IEnumerable<string> PathsOf(string text) => Code().Matches(text).Select(m => m.Groups["path"].Value);

    private static bool Exists(string path) => File.Exists(RepositoryRoot.File(path)) || Directory.Exists(RepositoryRoot.File(path));

    /// <summary>A word in code marks that begins with a folder of the repository and is a path, perhaps with arguments behind it; not of what a build makes.</summary>
    [GeneratedRegex("`(?<path>(?!src/[A-Za-z.]+/bin/)(?:src|tests|docs|deploy|hocon|\\.ci|\\.devcontainer|\\.github)/[A-Za-z0-9_./-]+)[ `]")]
    private static partial Regex Code();

    [GeneratedRegex(@"\]\((?<target>[^)#\s]+)[^)]*\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^\d+\. `(?<path>[^`]+)`", RegexOptions.Multiline)]
    private static partial Regex Step();
}
