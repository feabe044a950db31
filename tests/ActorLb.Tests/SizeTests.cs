using System.Text.RegularExpressions;
using ActorLb.Testing;

namespace ActorLb.Tests;

/// <summary>What fits a reader's head: files, folders and methods stay small.</summary>
public sealed partial class SizeTests
{
    private const int LinesOfAFile = 400, FilesOfAFolder = 25;

    private static readonly string[] Sources = [.. from folder in (string[])["src", "tests"]
        from file in Directory.EnumerateFiles(RepositoryRoot.File(folder), "*.cs", SearchOption.AllDirectories)
        where !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal)
        select file];

    [Fact]
    public void Files_HaveFewLines()
    {
        Assert.True(Sources.Length > 500);
        Assert.Empty(from file in Sources
                     let lines = File.ReadLines(file).Count()
                     where lines > LinesOfAFile
                     select $"{file}: {lines} lines; split it by concept");
    }

    [Fact]
    public void Folders_HaveFewFiles() => Assert.Empty(
        from folder in Sources.GroupBy(Path.GetDirectoryName)
        where folder.Count() > FilesOfAFolder
        select $"{folder.Key}: {folder.Count()} files; give it folders by concept");

    /// <summary>The analyzer MA0051 counts the lines of methods in each build of Release; this holds it to 60, everywhere.</summary>
    [Fact]
    public void Methods_AreCountedByTheBuild()
    {
        string[] rules = [.. File.ReadLines(RepositoryRoot.File(".editorconfig")).Where(l => l.Contains("MA0051", StringComparison.Ordinal) && !l.StartsWith('#'))];
        Assert.Equal(
            ["dotnet_diagnostic.MA0051.severity = error", "MA0051.maximum_lines_per_method = 60", "MA0051.maximum_statements_per_method = -1"], rules);
        Assert.DoesNotContain(Sources, file => Path.GetFileName(file) != "SizeTests.cs" && SilencedRule().IsMatch(File.ReadAllText(file)));
    }

    [GeneratedRegex("pragma warning disable[^\n]*MA0051|SuppressMessage[^\n]*MA0051")]
    private static partial Regex SilencedRule();
}
