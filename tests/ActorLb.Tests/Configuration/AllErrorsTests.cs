using ActorLb.Configuration;
using ActorLb.Server.Hosting;

namespace ActorLb.Tests.Configuration;

/// <summary>An error of one kind does not hide those of others, and brings no false ones with it.</summary>
public sealed class AllErrorsTests : IDisposable
{
    private readonly ConfigurationFolder _folder = new();

    [Fact]
    public void SyntaxErrors_OfSeveralLinesAndFiles_AreToldTogetherWithWrongValues()
    {
        _folder.Write("more.conf", "node {\n  name lb-1\n}\nlog.level = loud\n");
        Assert.Equal(
            [
                "actorlb.conf:3:17: actorlb.pools.p.health: a value is missing",
                "actorlb.conf:4:39: actorlb.listeners.l.backlog: '0' is not a whole number from 1 to 1000000",
                "actorlb.conf:5:22: actorlb.listeners.m.bind: unexpected '@' where a value is expected",
                "more.conf:2:3: actorlb.node.\"name lb-1\": a key without a value; write name = lb-1",
                "more.conf:4:13: actorlb.log.level: 'loud' is not one of trace, debug, info, warning, error, off",
            ],
            Errors("actorlb {\ninclude \"more.conf\"\npools.p.health =, pools.p.backends = [\"h:1\"]\nlisteners.l { bind = \"*:1\", backlog = 0, pool = p }\nlisteners.m { bind = @, pool = p }\n}\n"));
    }

    /// <summary>What is missing may stand in the part that could not be read.</summary>
    [Theory]
    [InlineData("include required(\"none.conf\")", "2:18: actorlb: the required file 'DIR/none.conf' does not exist")]
    [InlineData("include \"folder\"", "2:9: actorlb: 'DIR/folder' is a directory and cannot be included")]
    [InlineData("include \"broken.conf\"", null)]
    [InlineData("pools = ${POOLS_OF_NOBODY}", "2:9: actorlb.pools: ${POOLS_OF_NOBODY} is not defined, neither here nor in the environment")]
    public void Part_ThatCannotBeRead_HidesNothingAndBringsNoFalseErrors(string line, string? expected)
    {
        _folder.Write("folder/x", "");
        _folder.Write("broken.conf", "pools.p { backends = [\"h:1\"]\n}\n}\n");
        string[] errors = Errors($"actorlb {{\n{line}\nlisteners.l {{ bind = \"*:1\", pool = p, backlog = 0 }}\n}}\n");
        if (expected is null)
        {
            // Nobody knows which block the rest of such a file belongs to.
            Assert.Equal(["broken.conf:3:1: actorlb: unmatched '}'"], errors);
            return;
        }
        Assert.Equal(["actorlb.conf:" + expected, "actorlb.conf:3:49: actorlb.listeners.l.backlog: '0' is not a whole number from 1 to 1000000"], errors);
    }

    [Fact]
    public void Include_OfAMissingFile_IsAWarning()
    {
        var result = _folder.Load("actorlb {\ninclude \"site.conf\"\npools.p.backends = [\"h:1\"]\nlisteners.l { bind = \"*:1\", pool = p }\n}\n");
        Assert.Empty(result.Errors);
        Assert.NotNull(result.Options);
        Assert.Equal("actorlb.conf:2:9: actorlb: the included file 'DIR/site.conf' does not exist", _folder.Short(Assert.Single(result.Warnings).ToString()));
    }

    [Fact]
    public void UnknownKey_HidesNoErrorOfAFile()
    {
        _folder.Write("garbage.pem", "garbage");
        _folder.Write("brief", "brief");
        var result = NamedFiles.Check(_folder.Load(
            "actorlb {\nnonsense = 1\nadmin.token-file = none\ncluster.secret-file = brief\npools.p { backends = [\"h:1\"], tls.ca = garbage.pem }\n"
            + "listeners.l { bind = \"*:1\", pool = p, tls { certificate = garbage.pem, key = garbage.pem } }\n}\n"));
        Assert.Null(result.Options);
        Assert.Equal(
            ["actorlb.nonsense", "actorlb.admin.token-file", "actorlb.cluster.secret-file", "actorlb.pools.p.tls.ca", "actorlb.listeners.l.tls.certificate", "actorlb.listeners.l.tls.key"],
            result.Errors.Select(e => e.Path));
    }

    /// <summary>Whatever is pasted into a file, the reader ends and what it says is bounded.</summary>
    [Theory]
    [InlineData("]")]
    [InlineData("[")]
    [InlineData("=")]
    [InlineData("\"")]
    [InlineData("a b c\n")]
    [InlineData("- x: y\n")]
    [InlineData("server a 10.0.0.1:1883 check\n")]
    [InlineData("x = [ y = { ] }\n")]
    public void Rubbish_OfManyLines_IsToldInAFewErrors(string text)
    {
        string[] errors = Errors("actorlb {\n" + string.Concat(Enumerable.Repeat(text, 2000)) + "\n}\n");
        Assert.InRange(errors.Length, 1, 60);
    }

    [Theory]
    [InlineData(0, 1024, 0ul, true)]
    [InlineData(80, 1024, 0ul, false)]
    [InlineData(1023, 1024, 0ul, false)]
    [InlineData(1024, 1024, 0ul, true)]
    [InlineData(80, 80, 0ul, true)]
    [InlineData(80, 0, 0ul, true)]
    [InlineData(80, 1024, 1ul << 10, true)]
    [InlineData(80, 1024, ~(1ul << 10), false)]
    public void Port_BelowTheUsual_NeedsARight(int port, int first, ulong capabilities, bool free) =>
        Assert.Equal(free, MachineChecks.PortProblem(port, first, capabilities) is null);

    public void Dispose() => _folder.Dispose();

    private string[] Errors(string text) => _folder.Errors(text);
}
