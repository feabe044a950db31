using ActorLb.Protocol.CommandLine;

namespace ActorLb.Tests.Cli;

public sealed class RateTextTests
{
    [Theory]
    [InlineData("50/s", 50.0)]
    [InlineData("50", 50.0)]
    [InlineData("0.5/s", 0.5)]
    [InlineData("600/m", 10.0)]
    [InlineData("1800/h", 0.5)]
    [InlineData("50 / s", 50.0)]
    [InlineData("0/s", null)]
    [InlineData("-5/s", null)]
    [InlineData("5/", null)]
    [InlineData("/s", null)]
    [InlineData("5/d", null)]
    [InlineData("5/s/s", null)]
    [InlineData("5,5", null)]
    [InlineData("1e3", null)]
    [InlineData("NaN", null)]
    [InlineData("", null)]
    public void Parse_OfATextOfAnOperator(string text, double? rate) => Assert.Equal(rate, RateText.Parse(text));
}
