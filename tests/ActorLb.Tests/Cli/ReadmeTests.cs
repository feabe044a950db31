using System.CommandLine;
using ActorLb.Cli;
using ActorLb.Cli.Output;
using ActorLb.Testing;

namespace ActorLb.Tests.Cli;

/// <summary>The documents' table of commands is the program's, and what a server needs is said.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void EveryCommandOfPbm_IsInItsDocument()
    {
        string[] rows = [.. File.ReadAllLines(RepositoryRoot.File("docs", "pbm.md")).Where(l => l.StartsWith("| `", StringComparison.Ordinal))];
        var root = new CommandTree(new Screen(TextWriter.Null, TextWriter.Null, isTerminal: false), (_, _) => Task.FromResult(0)).Root;
        foreach (var group in root.Subcommands)
        {
            string row = Assert.Single(rows, r => r.StartsWith($"| `{group.Name}` |", StringComparison.Ordinal) || r.StartsWith($"| `{group.Name} ", StringComparison.Ordinal));
            Assert.All(group.Subcommands, c => Assert.Matches($"`{c.Name}[` ]", row));
        }
    }

    [Theory]
    [InlineData("--self-contained")]
    [InlineData("aspnetcore-runtime-10.0")]
    [InlineData("dotnet publish src/ActorLb.Cli")]
    [InlineData("/etc/actorlb/data")]
    public void WhatAServerNeeds_IsSaid(string text) => Assert.Contains(text, File.ReadAllText(RepositoryRoot.File("docs", "install.md")), StringComparison.Ordinal);

    /// <summary>A newcomer reads it to the end.</summary>
    [Fact]
    public void Readme_IsShort() => Assert.InRange(File.ReadAllLines(RepositoryRoot.File("README.md")).Length, 1, 199);
}
