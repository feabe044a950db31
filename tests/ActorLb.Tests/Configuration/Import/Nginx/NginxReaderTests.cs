using ActorLb.Configuration.Import;
using ActorLb.Configuration.Import.Nginx;
using ActorLb.Testing;

namespace ActorLb.Tests.Configuration.Import.Nginx;

/// <summary>NGINX's words, quotes, escapes, comments and includes, as ngx_conf_read_token has them; and what is no such file.</summary>
public sealed class NginxReaderTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a b c;", "a|b|c")]
    [InlineData("a \"b c\" 'd e';", "a|b c|d e")]
    [InlineData("a \"b\\\"c\" 'd\\'e' \"f\\\\g\";", "a|b\"c|d'e|f\\g")]
    [InlineData("a \"x\\ty\" b\\ c;", "a|x\ty|b\\ c")]
    [InlineData("a ${b}c d#e;", "a|${b}c|d#e")]
    [InlineData("a\n  b # not a word; {\n c;", "a|b|c")]
    [InlineData("a b ;", "a|b")]
    [InlineData("a '' \"\";", "a||")]
    [InlineData("a x}y;", "a|x}y")]
    [InlineData("\ufeffa b;\r\n", "a|b")]
    public void Words_OfADirective_AreNginxs(string text, string expected)
    {
        var directive = Assert.Single(Read(text).Block!);
        Assert.Equal(expected.Split('|'), directive.Words.Select(w => w.Text).Prepend(directive.Name));
    }

    [Fact]
    public void Positions_CountLinesAndCodePoints()
    {
        var stream = Read("# \ud83d\ude00\nstream {\n  server { listen \"\ud83d\ude00\" 1883; }\n}").Block!.Single();
        var listen = stream.Block!.Single().Block!.Single();
        Assert.Equal((2, 1), (stream.Position.Line, stream.Position.Column));
        Assert.Equal((3, 12, 23), (listen.Position.Line, listen.Position.Column, listen.Words[1].Position.Column));
    }

    [Fact]
    public void Comments_StandWithWhatTheyAreBeside()
    {
        var stream = Read("# head\nstream { # beside\n  # before\n  a b; # behind\n  # last\n}\n# end\n").Block!.Single();
        var inner = stream.Block!.Single();
        Assert.Equal("# head|# beside|# last", $"{stream.Leading.Single()}|{stream.Beside}|{stream.Closing.Single()}");
        Assert.Equal("# before|# behind", $"{inner.Leading.Single()}|{inner.Beside}");
    }

    [Theory]
    [InlineData("stream {\n  server {\n    listen 1883;\n", "2:10: '{' is never closed: the file ends in line 4")]
    [InlineData("stream { }\n}", "2:1: unmatched '}'")]
    [InlineData("a b", "1:1: 'a' is not ended by ';' or a block")]
    [InlineData("stream {\n  listen 1883\n}", "2:3: 'listen' is not ended by ';': the '}' of line 3 comes first")]
    [InlineData("a \"b;\nc;", "1:3: \" is never closed")]
    [InlineData("a \"b\"c;", "1:6: unexpected 'c' after a closing quote")]
    [InlineData("; a;", "1:1: ';' without a directive before it")]
    [InlineData("a;\n{ }", "2:1: '{' without a directive before it")]
    [InlineData("a b\u0000c;", "1:4: a NUL byte: this is not a text file")]
    [InlineData("a b；", "1:4: '；' (U+FF1B) is used where ';' is meant; translated pages and word processors produce such characters")]
    [InlineData("a “b”;", "1:3: '“' (U+201C) is used where '\"' is meant; translated pages and word processors produce such characters")]
    [InlineData("# x\nglobal\n  daemon\n", "2:1: this is a file of HAProxy: import it with `actorlb import haproxy FILE`")]
    [InlineData("\nactorlb {\n}\n", "2:1: this is already a configuration of ActorLb: check it with `actorlb check -c FILE`")]
    public void WrongFile_IsToldAtItsPlace(string text, string expected) =>
        Assert.Equal(_folder["nginx.conf"] + ":" + expected, Assert.Throws<ImportException>(() => Read(text)).Message);

    [Fact]
    public void Blocks_TooDeep_AreRefused() =>
        Assert.Contains("nested deeper than", Assert.Throws<ImportException>(() => Read(string.Concat(Enumerable.Repeat("a {", 60)))).Message, StringComparison.Ordinal);

    [Fact]
    public void Directives_TooMany_AreRefused() =>
        Assert.Contains("more than 200000 directives", Assert.Throws<ImportException>(() => Read(string.Concat(Enumerable.Repeat("a;", 200_001)))).Message, StringComparison.Ordinal);

    [Fact]
    public void Bytes_ThatAreNoUtf8_AreToldAtTheirPlace()
    {
        string file = _folder["nginx.conf"];
        File.WriteAllBytes(file, [.. "a b;\nc "u8, 0xFF, .. ";"u8]);
        Assert.Contains(":2:3: bytes that are not UTF-8", Assert.Throws<ImportException>(() => new NginxReader(file).Read(pipes: false)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MissingFile_IsTold() =>
        Assert.Equal($"{_folder["none"]}:1:1: the file cannot be read: it does not exist", Assert.Throws<ImportException>(() => new NginxReader(_folder["none"]).Read(pipes: false)).Message);

    /// <summary>Names are relative to the folder of the first file, as in NGINX, and files come in their order.</summary>
    [Fact]
    public void Includes_OfIncludedFiles_AreRelativeToTheFirst()
    {
        _folder.Write("conf.d/b.conf", "second x; include more/c.inc;\n# end of b\n");
        _folder.Write("conf.d/a.conf", "first x;");
        _folder.Write("conf.d/skipped.txt", "never x;");
        _folder.Write("more/c.inc", "third x;");
        var whole = Read("include conf.d/*.conf;\nlast x;");
        Assert.Equal(["include", "first", "second", "include", "third", "last"], whole.Block!.Select(d => d.Name));
        Assert.Equal(Path.Combine(_folder.Path, "more/c.inc"), whole.Block![4].Position.File);
        Assert.Equal(["# end of b"], whole.Block![0].Closing);
    }

    [Fact]
    public void Includes_ThatAreNotThere_AreTold()
    {
        Directive[] includes = [.. Read("include conf.d/*.conf; include mime.types; include gone.conf;").Block!];
        Assert.Equal([Verdict.Reported, Verdict.NotNeeded, Verdict.Reported], includes.Select(d => d.Verdict!.Value));
        Assert.Contains("no file matches here", includes[0].Advice[0], StringComparison.Ordinal);
        Assert.Contains("it does not exist", includes[2].Advice[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Includes_ThatGoInACircle_AreRefused()
    {
        _folder.Write("a.conf", "include b.conf;");
        _folder.Write("b.conf", "x;\n include a.conf;");
        string message = Assert.Throws<ImportException>(() => Read("include a.conf;")).Message;
        Assert.StartsWith($"{_folder["b.conf"]}:2:2: {_folder["a.conf"]} includes itself: {_folder["a.conf"]} includes {_folder["b.conf"]} includes {_folder["a.conf"]}", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("*.conf", "a.conf,b.conf")]
    [InlineData("[ab].conf", "a.conf,b.conf")]
    [InlineData("[b-z].conf", "b.conf")]
    [InlineData("?.conf", "a.conf,b.conf")]
    [InlineData("*", "a.conf,b.conf,c.txt")]
    [InlineData("*/d.conf", "sub/d.conf")]
    [InlineData("[!a].conf", "b.conf")]
    [InlineData("[^b-z].conf", "a.conf")]
    [InlineData("[]a].conf", "a.conf")]
    [InlineData("*[t-x]", "c.txt")]
    [InlineData("*.c*f", "a.conf,b.conf")]
    [InlineData("\\a.con?", "a.conf")]
    public void Globs_FindWhatTheShellWould(string pattern, string expected)
    {
        foreach (string name in (string[])["b.conf", "a.conf", "c.txt", ".hidden.conf", "sub/d.conf"]) _folder.Write(name, "");
        Assert.Equal(expected.Split(','), FileGlob.Find(_folder[pattern]).Select(f => Path.GetRelativePath(_folder.Path, f)));
    }

    /// <summary>Folders that hold nothing of the kind count for nothing.</summary>
    [Fact]
    public void Glob_OverManyFolders_MissesNone()
    {
        string[] wanted = [.. Enumerable.Range(0, ImportLimits.Files + 500).Select(i => Path.Combine($"{i}", i % 100 == 0 ? "a.conf" : "a.txt"))];
        foreach (string name in wanted) _folder.Write(name, "");
        Assert.Equal(wanted.Count(w => w.EndsWith(".conf", StringComparison.Ordinal)), FileGlob.Find(_folder["*/a.conf"]).Length);
    }

    /// <summary>Each set, and each star, could multiply the ways to try.</summary>
    [Theory]
    [InlineData("[a-z]")]
    [InlineData("*a")]
    public async Task Glob_OfManyParts_IsQuick(string part)
    {
        _folder.Write(new string('a', 60), "");
        string pattern = _folder[string.Concat(Enumerable.Repeat(part, 40)) + ".conf"];
        var finding = Task.Run(() => FileGlob.Find(pattern), TestContext.Current.CancellationToken);
        Assert.Empty(await finding.WaitAsync(Wait.Patience, TestContext.Current.CancellationToken));
    }

    private Directive Read(string text) => new NginxReader(_folder["nginx.conf"]).Read(text);
}
