using ActorLb.Configuration.Hocon;

namespace ActorLb.Tests.Configuration.Hocon;

/// <summary>"Includes", with files of a directory.</summary>
public sealed class HoconIncludeTests : IDisposable
{
    private readonly ConfigurationFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Include_InAnObject_MergesInOrder()
    {
        _folder.Write("foo.conf", "x = 10, y = ${x}");

        Assert.Equal("""{"x":10,"y":10}""", Json("include \"foo.conf\""));
        Assert.Equal("""{"a":{"x":10,"y":10}}""", Json("{ a : { include \"foo.conf\" } }"));
        Assert.Equal("""{"a":{"x":42,"y":42}}""", Json("{ a : { include \"foo.conf\" }\n a : { x : 42 } }"));
        Assert.Equal("""{"x":10,"y":10,"z":1}""", Json("x = 1, include \"foo.conf\", z = 1"));
    }

    [Fact]
    public void Include_WithARootReference_FallsBackToTheWholeConfiguration()
    {
        _folder.Write("foo.conf", "y = ${x}, z = ${?HOME}");

        Assert.Equal("""{"x":1,"a":{"y":1}}""", Json("x = 1, a { include \"foo.conf\" }"));
        Assert.Equal("""{"x":1,"a":{"y":2,"x":2}}""", Json("x = 1, a { include \"foo.conf\" , x = 2}"));
        Assert.Equal("""{"x":1,"l":[{"y":1}]}""", Json("x = 1, l = [ { include \"foo.conf\" } ]"));
    }

    [Fact]
    public void Include_WithAppendAndSelfReference_SeesWhatIsAboveIt()
    {
        _folder.Write("foo.conf", "l += 2, s = ${s}b");

        Assert.Equal("""{"a":{"l":[1,2],"s":"ab"}}""", Json("a { l = [1], s = a, include \"foo.conf\" }"));
        Assert.Equal("""{"l":[0],"a":{"s":"ab","l":[2]}}""", Json("l = [0], a { s = a, include \"foo.conf\" }"));
    }

    [Fact]
    public void Include_Missing_IsNothingUnlessRequired()
    {
        Assert.Equal("""{"a":1}""", Json("include \"none.conf\", a = 1"));
        Assert.Equal("actorlb.conf:1:18: the required file 'DIR/none.conf' does not exist", Error("include required(\"none.conf\")"));
        Assert.Equal(
            "actorlb.conf:1:24: a.b: the required file 'DIR/none.conf' does not exist",
            Error("a.b { include required(\"none.conf\") }"));
    }

    [Theory]
    [InlineData("include \"sub/foo.conf\"")]
    [InlineData("include file(\"sub/foo.conf\")")]
    [InlineData("include required( file( \"sub/foo.conf\" ) )")]
    [InlineData("include required(\"sub/foo.conf\")")]
    [InlineData("include\n\n  \"sub/foo.conf\"")]
    [InlineData("include \"sub/foo\"")]
    [InlineData("include \"./sub/../sub/foo.conf\" # comment")]
    public void Include_OfEachForm_IsRelativeToItsFile(string text)
    {
        _folder.Write("sub/foo.conf", "include \"bar.conf\"");
        _folder.Write("sub/bar.conf", "v = 1");

        Assert.Equal("""{"v":1}""", Json(text));
    }

    [Fact]
    public void Include_OfABasename_MergesJsonThenConf()
    {
        _folder.Write("foo.json", """{"a":1,"b":1}""");
        _folder.Write("foo.conf", "b = 2");

        Assert.Equal("""{"a":1,"b":2}""", Json("include \"foo\""));
    }

    [Fact]
    public void Include_OfTheAbsolutePath_IsTakenAsItIs()
    {
        string file = _folder.Write("sub/foo.conf", "v = 1");

        Assert.Equal("""{"v":1}""", Json($"include \"{file}\""));
    }

    [Theory]
    [InlineData("include 5", "1:9: 'include' must be followed by a file name in double quotes, file(\"...\") or required(...)")]
    [InlineData("include = 5", "1:9: 'include' must be followed by a file name in double quotes, file(\"...\") or required(...)")]
    [InlineData("include ${x}", "1:9: 'include' must be followed by a file name in double quotes, file(\"...\") or required(...)")]
    [InlineData("a { include foo.conf }", "1:13: a: 'include' must be followed by a file name in double quotes, file(\"...\") or required(...)")]
    [InlineData("include url(\"http://x/y\")", "1:13: only files can be included: neither url() nor classpath() is supported")]
    [InlineData("include \"http://x/y\"", "1:9: only files can be included: neither url() nor classpath() is supported")]
    [InlineData("include classpath(\"x\")", "1:19: only files can be included: neither url() nor classpath() is supported")]
    [InlineData("include file(\"x\"", "1:17: ')' must follow the name of the included file")]
    [InlineData("include \"x\" \"y\"", "1:13: unexpected '\"' after a value; a comma or a new line separates fields")]
    [InlineData("include \"\"", "1:9: the name of the included file is empty or contains U+0000")]
    [InlineData("include \"a\\u0000b\"", "1:9: the name of the included file is empty or contains U+0000")]
    [InlineData("include \"array.conf\"", "array.conf:1:1: a configuration must be an object, but the file holds an array")]
    [InlineData("include \"bad.conf\"", "bad.conf:2:4: b: a value is missing")]
    [InlineData("x { include \"bad.conf\" }", "bad.conf:2:4: x.b: a value is missing")]
    [InlineData("include \"dir\"", "1:9: 'DIR/dir' is a directory and cannot be included")]
    [InlineData("include \"actorlb.conf\"", "1:9: 'DIR/actorlb.conf' includes itself")]
    [InlineData("include \"loop.conf\"", "loop2.conf:1:9: 'DIR/loop.conf' includes itself")]
    [InlineData("include \"latin1.conf\"", "latin1.conf:2:6: the file is not valid UTF-8 from here")]
    public void Include_Wrong_IsAnErrorAtItsPlace(string text, string expected)
    {
        _folder.Write("array.conf", "[1]");
        _folder.Write("bad.conf", "a = 1\nb =,");
        _folder.Write("dir/x", "");
        _folder.Write("loop.conf", "include \"loop2.conf\"");
        _folder.Write("loop2.conf", "include \"loop.conf\"");
        File.WriteAllBytes(Path.Combine(_folder.Directory, "latin1.conf"), [.. "a = 1\nb = x"u8, 0xe9, .. "y"u8]);

        Assert.Equal(expected.Contains(".conf:", StringComparison.Ordinal) ? expected : "actorlb.conf:" + expected, Error(text));
    }

    [Fact]
    public void Include_Twice_IsNoCycle()
    {
        _folder.Write("foo.conf", "l += 1");

        Assert.Equal("""{"l":[1,1]}""", Json("include \"foo.conf\"\ninclude \"foo.conf\""));
    }

    [Fact]
    public void Include_OfItselfManyTimesOver_Ends()
    {
        for (int i = 0; i < 19; i++) _folder.Write($"f{i}.conf", $"include \"f{i + 1}.conf\"\ninclude \"f{i + 1}.conf\"\na = 1");

        Assert.EndsWith("more than 1000 files are included", Error("include \"f0.conf\""), StringComparison.Ordinal);
    }

    [Fact]
    public void Include_NestedTooDeep_IsAnError()
    {
        for (int i = 0; i < 30; i++) _folder.Write($"f{i}.conf", $"include \"f{i + 1}.conf\"");

        Assert.Equal("f19.conf:1:9: includes are nested deeper than 20 files", Error("include \"f0.conf\""));
    }

    [Fact]
    public void File_WithByteOrderMarkAndCarriageReturns_HasTheRightPositions()
    {
        string file = Path.Combine(_folder.Directory, "bom.conf");
        File.WriteAllBytes(file, [0xef, 0xbb, 0xbf, .. "a = 1\r\nb = {\r\n"u8]);

        Assert.Equal($"{file}:2:5: b: '{{' is never closed: the file ends in line 3", HoconReader.ReadFile(file).Error!.ToString());
    }

    [Fact]
    public void File_NotThere_IsAnError()
    {
        string file = Path.Combine(_folder.Directory, "none.conf");

        Assert.Equal($"{file}:1:1: cannot read '{file}': it does not exist", HoconReader.ReadFile(file).Error!.ToString());
        Assert.Equal(
            $"{_folder.Directory}:1:1: cannot read '{_folder.Directory}': it is a directory",
            HoconReader.ReadFile(_folder.Directory).Error!.ToString());
    }

    private HoconResult Read(string text) =>
        HoconReader.ReadFile(_folder.Write("actorlb.conf", text), ConfigurationFolder.NoEnvironment);

    private string Json(string text)
    {
        var result = Read(text);
        Assert.Null(result.Error);
        return HoconText.Json(result.Root!);
    }

    private string Error(string text)
    {
        var result = Read(text);
        Assert.Null(result.Root);
        string error = result.Error!.ToString();
        Assert.StartsWith(_folder.Directory + "/", error, StringComparison.Ordinal);
        return error[(_folder.Directory.Length + 1)..].Replace(_folder.Directory, "DIR", StringComparison.Ordinal);
    }
}
