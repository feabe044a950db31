using ActorLb.Cli.Prompt;

namespace ActorLb.Tests.Cli;

public sealed class WordsTests
{
    [Theory]
    [InlineData("", new string[0])]
    [InlineData("  \t ", new string[0])]
    [InlineData("pool show emqx", new[] { "pool", "show", "emqx" })]
    [InlineData("  pool   list  ", new[] { "pool", "list" })]
    [InlineData("sticky get \"a b\"", new[] { "sticky", "get", "a b" })]
    [InlineData("sticky get 'a \\ \"b'", new[] { "sticky", "get", "a \\ \"b" })]
    [InlineData("sticky get \"a\\\"b\\\\\"", new[] { "sticky", "get", "a\"b\\" })]
    [InlineData("a\\ b c", new[] { "a b", "c" })]
    [InlineData("a'b'\"c\"d", new[] { "abcd" })]
    [InlineData("x ''", new[] { "x", "" })]
    public void Line_IsCutIntoWords(string line, string[] words)
    {
        Assert.Equal(words, Words.Split(line, out string? problem));
        Assert.Null(problem);
    }

    [Theory]
    [InlineData("a \"b")]
    [InlineData("a 'b")]
    [InlineData("a\\")]
    public void Line_QuoteLeftOpen_IsToldSo(string line)
    {
        Assert.Null(Words.Split(line, out string? problem));
        Assert.NotNull(problem);
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("\"'\\ #")]
    public void Quote_ThenSplit_IsTheWord(string word) => Assert.Equal([word], Words.Split(Words.Quote(word), out _));
}
