using ActorLb.Configuration.Import;
using ActorLb.Configuration.Import.HAProxy;
using ActorLb.Testing;

namespace ActorLb.Tests.Configuration.Import.HAProxy;

/// <summary>HAProxy's words, quotes, escapes and comments (its manual, 2.2 and 2.3); and what is no such file.</summary>
public sealed class HAProxyReaderTests
{
    [Theory]
    [InlineData("a b\tc", "a|b|c")]
    [InlineData("a \"b c\" 'd e'", "a|b c|d e")]
    [InlineData("a b\\ c d\\#e", "a|b c|d#e")]
    [InlineData("a \"b\\\"c\" 'd\\e'", "a|b\"c|d\\e")]
    [InlineData("a x\"y z\"w", "a|xy zw")]
    [InlineData("a b#c", "a|b")]
    [InlineData("a b \\\n   c", "a|b|c")]
    [InlineData("a \\x41b", "a|Ab")]
    [InlineData("a ''", "a|")]
    public void Words_OfALine_AreHAProxys(string text, string expected)
    {
        var line = Assert.Single(Read("global\n  " + text + "\n").Block!.Single().Block!);
        Assert.Equal(expected.Split('|'), line.Words.Select(w => w.Text).Prepend(line.Name));
    }

    [Fact]
    public void Directory_WithTooManyFiles_IsRefused()
    {
        using var folder = new TempFolder();
        for (int i = 0; i <= ImportLimits.Files; i++) folder.Write($"{i}.cfg", "");
        string message = Assert.Throws<ImportException>(() => HAProxyReader.Read(folder.Path, pipes: false)).Message;
        Assert.Contains($"more than {ImportLimits.Files} files", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Comments_StandWithWhatTheyAreBeside()
    {
        var section = Read("# head\nglobal # beside\n  # before\n  daemon # behind\n# end\n").Block!.Single();
        Assert.Equal("# head|# beside|# end", $"{section.Leading.Single()}|{section.Beside}|{section.Closing.Single()}");
        Assert.Equal("# before|# behind", $"{section.Block!.Single().Leading.Single()}|{section.Block!.Single().Beside}");
    }

    [Theory]
    [InlineData("bind *:1883\n", "1:1: 'bind' comes before any section: a file of HAProxy starts with global, defaults, frontend, backend or listen")]
    [InlineData("global\n  a \"b\n", "2:5: \" is not closed on this line")]
    [InlineData("global\n  a 'b", "2:5: ' is never closed")]
    [InlineData("global\n  log a\u0000b\n", "2:8: a NUL byte: this is not a text file")]
    [InlineData("# x\nstream {\n  server { }\n}\n", "2:1: this is a file of NGINX: import it with `actorlb import nginx FILE`")]
    [InlineData("user nginx;\n", "1:1: this is a file of NGINX: import it with `actorlb import nginx FILE`")]
    [InlineData("global\n  log\u00a0x\n", "2:6: U+00A0 is used where a space is meant; translated pages and word processors produce such characters")]
    public void WrongFile_IsToldAtItsPlace(string text, string expected) =>
        Assert.Equal("haproxy.cfg:" + expected, Assert.Throws<ImportException>(() => Read(text)).Message);

    [Fact]
    public void Folder_IsReadInTheOrderOfItsFiles()
    {
        using var folder = new TempFolder();
        folder.Write("20-b.cfg", "backend b\n  server a 192.0.2.1:1883\n");
        folder.Write("10-a.cfg", "defaults\n  mode tcp\n");
        folder.Write("README", "not read");
        Assert.Equal(["defaults", "backend"], HAProxyReader.Read(folder.Path, pipes: false).Block!.Select(d => d.Name));
    }

    [Fact]
    public void Folder_WithoutFiles_IsTold()
    {
        using var folder = new TempFolder();
        Assert.Equal($"{folder.Path}:1:1: the directory has no .cfg file", Assert.Throws<ImportException>(() => HAProxyReader.Read(folder.Path, pipes: false)).Message);
    }

    private static Directive Read(string text) => HAProxyReader.ReadText(text, "haproxy.cfg");
}
