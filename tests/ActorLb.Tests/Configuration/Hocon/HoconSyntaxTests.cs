namespace ActorLb.Tests.Configuration.Hocon;

/// <summary>The specification's rules of syntax, section by section, each with its examples.</summary>
public sealed class HoconSyntaxTests
{
    [Theory] // "Unchanged from JSON"
    [InlineData("""{"a":1,"b":[true,false,null,"x"],"c":{"d":-1.5e+10}}""", """{"a":1,"b":[true,false,null,"x"],"c":{"d":-1.5e+10}}""")]
    [InlineData("""{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}""", "{\"a\":\"\\\"\\\\/\\u0008\\u000c\\n\\r\\té😀\"}")]
    [InlineData("{}", "{}")]
    [InlineData("", "{}")]
    [InlineData("  # nothing\n", "{}")]
    public void Json_Read_IsAsInJson(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory] // "Comments"
    [InlineData("a = 1 // one\nb = 2 # two\n# three\n//four\nc = 3", """{"a":1,"b":2,"c":3}""")]
    [InlineData("a = \"x // y # z\"", """{"a":"x // y # z"}""")]
    [InlineData("a = [1 # one\n 2 // two\n]", """{"a":[1,2]}""")]
    [InlineData("a = http#x", """{"a":"http"}""")]
    [InlineData("a // a comment\n = 1", """{"a":1}""")]
    public void Comments_AnywhereOutsideOfStrings_AreIgnored(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory] // "Omit root braces", "Key-value separator"
    [InlineData("a : 1", """{"a":1}""")]
    [InlineData("{ a = 1 }", """{"a":1}""")]
    [InlineData("a { b = 1 }", """{"a":{"b":1}}""")]
    [InlineData("a\n{ b = 1 }", """{"a":{"b":1}}""")]
    [InlineData("a =\n\n 1", """{"a":1}""")]
    public void Separators_OfEachKind_AreAccepted(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory] // "Commas"
    [InlineData("[1,2,3,]", "[1,2,3]")]
    [InlineData("[1\n2\n3]", "[1,2,3]")]
    [InlineData("[1,\n2\n,3]", "[1,2,3]")]
    [InlineData("[\n\n1\n\n]", "[1]")]
    [InlineData("[]", "[]")]
    [InlineData("{a:1,b:2,}", """{"a":1,"b":2}""")]
    [InlineData("{a:1\nb:2}", """{"a":1,"b":2}""")]
    public void Commas_WhereNewlinesSeparate_MayBeLeftOut(string text, string expected) =>
        Assert.Equal($$"""{"v":{{expected}}}""", HoconText.Json("v = " + text));

    [Theory] // "Whitespace"
    [InlineData("\u00a0a\u2007=\u202f1\u3000")]
    [InlineData("\ta\v=\f1\r\n")]
    [InlineData("\u001ca\u001d=\u001e1\u001f")]
    [InlineData("\u2028a\u2029=\ufeff1")]
    public void Whitespace_OfEveryKind_IsPassed(string text) => Assert.Equal("""{"a":1}""", HoconText.Json(text));

    [Theory] // "Duplicate keys and object merging"
    [InlineData("""foo : { a : 42 }, foo : { b : 43 }""", """{"foo":{"a":42,"b":43}}""")]
    [InlineData("""foo : { a : 42 }, foo : null, foo : { b : 43 }""", """{"foo":{"b":43}}""")]
    [InlineData("""a = 1, a = 2""", """{"a":2}""")]
    [InlineData("""a = {x : 1}, a = 2""", """{"a":2}""")]
    [InlineData("""a = 2, a = {x : 1}""", """{"a":{"x":1}}""")]
    [InlineData("""a = [1], a = [2]""", """{"a":[2]}""")]
    [InlineData("""a { b { c = 1, d = 2 } }, a { b { d = 3, e = 4 } }""", """{"a":{"b":{"c":1,"d":3,"e":4}}}""")]
    public void Duplicates_ObjectsMerge_OthersOverride(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory] // "Unquoted strings"
    [InlineData("truefoo", "\"truefoo\"")]
    [InlineData("footrue", "\"footrue\"")]
    [InlineData("10.0bar", "\"10.0bar\"")]
    [InlineData("bar10.0", "\"bar10.0\"")]
    [InlineData("true", "true")]
    [InlineData("null", "null")]
    [InlineData("1e5", "1e5")]
    [InlineData("1E+5", "1E+5")]
    [InlineData("-0.5", "-0.5")]
    [InlineData("-foo", "\"-foo\"")]
    [InlineData("1.2.3", "\"1.2.3\"")]
    [InlineData("007", "\"007\"")]
    [InlineData("/usr/bin", "\"/usr/bin\"")]
    [InlineData("20%", "\"20%\"")]
    [InlineData("a\u0001b", "\"a\\u0001b\"")]
    public void Unquoted_Alone_KeepsItsType(string text, string expected) =>
        Assert.Equal($$"""{"v":{{expected}}}""", HoconText.Json("v = " + text));

    [Theory] // "Multi-line strings"
    [InlineData("\"\"\"foo\nbar\"\"\"", "\"foo\\nbar\"")]
    [InlineData("\"\"\"foo\"\"\"\"", "\"foo\\\"\"")]
    [InlineData("\"\"\"\"foo\"\"\"", "\"\\\"foo\"")]
    [InlineData("\"\"\"a\\nb\"\"\"", "\"a\\\\nb\"")]
    [InlineData("\"\"\"\"\"\"", "\"\"")]
    [InlineData("\"\"", "\"\"")]
    public void TripleQuoted_Read_IsTakenAsItStands(string text, string expected) =>
        Assert.Equal($$"""{"v":{{expected}}}""", HoconText.Json("v = " + text));

    [Theory] // "String value concatenation"
    [InlineData(" foo bar baz ", "\"foo bar baz\"")]
    [InlineData("foo  \t bar", "\"foo  \\t bar\"")]
    [InlineData("\"foo bar\"", "\"foo bar\"")]
    [InlineData("foo\" bar \"baz", "\"foo bar baz\"")]
    [InlineData("1e5 x", "\"1e5 x\"")]
    [InlineData("true false null 1", "\"true false null 1\"")]
    [InlineData("\"a\"\"b\"", "\"ab\"")]
    [InlineData("a\r", "\"a\"")]
    public void Concatenation_OfStrings_KeepsInnerWhitespace(string text, string expected) =>
        Assert.Equal($$"""{"v":{{expected}}}""", HoconText.Json("v = " + text));

    [Theory] // "Array and object concatenation", "Arrays without commas or newlines"
    [InlineData("{ b : 1, c : 2 }", """{"b":1,"c":2}""")]
    [InlineData("{ b : 1 } { c : 2 }", """{"b":1,"c":2}""")]
    [InlineData("{ b : 1 } { b : 2 }", """{"b":2}""")]
    [InlineData("[ 1, 2 ] [ 3, 4 ]", "[1,2,3,4]")]
    [InlineData("[ 1\n 2 ] [ 3 ]", "[1,2,3]")]
    [InlineData("[ 1 2 3 4 ]", "[\"1 2 3 4\"]")]
    [InlineData("[ [ 1, 2 ] [ 3, 4 ] ]", "[[1,2,3,4]]")]
    [InlineData("[ [ 1, 2 ]\n [ 3, 4 ] ]", "[[1,2],[3,4]]")]
    [InlineData("[1] { 1 : b, 0 : a, x : y }", "[1,\"a\",\"b\"]")]
    public void Concatenation_OfArraysAndObjects_JoinsThem(string text, string expected) =>
        Assert.Equal($$"""{"v":{{expected}}}""", HoconText.Json("v = " + text));

    [Theory] // "Path expressions", "Paths as keys"
    [InlineData("foo.bar : 42", """{"foo":{"bar":42}}""")]
    [InlineData("foo.bar.baz : 42", """{"foo":{"bar":{"baz":42}}}""")]
    [InlineData("a.x : 42, a.y : 43", """{"a":{"x":42,"y":43}}""")]
    [InlineData("foo.bar.\"hello.world\" : 1", """{"foo":{"bar":{"hello.world":1}}}""")]
    [InlineData("10.0foo : 1", """{"10":{"0foo":1}}""")]
    [InlineData("foo10.0 : 1", """{"foo10":{"0":1}}""")]
    [InlineData("foo\"10.0\" : 1", """{"foo10.0":1}""")]
    [InlineData("1.2.3 : 1", """{"1":{"2":{"3":1}}}""")]
    [InlineData("3.14 : 42", """{"3":{"14":42}}""")]
    [InlineData("3 : 42", """{"3":42}""")]
    [InlineData("true : 42", """{"true":42}""")]
    [InlineData("a b c : 42", """{"a b c":42}""")]
    [InlineData("a.\"\".b : 1", """{"a":{"":{"b":1}}}""")]
    [InlineData("\"a\" : 1", """{"a":1}""")]
    [InlineData("-x.1e5 : 1", """{"-x":{"1e5":1}}""")]
    public void Path_AsKey_MakesAnObjectForEachElement(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory] // "Include syntax": the word is special at the start of a key only
    [InlineData("foo include : 42", """{"foo include":42}""")]
    [InlineData("foo : include", """{"foo":"include"}""")]
    [InlineData("foo : [ include ]", """{"foo":["include"]}""")]
    [InlineData("\"include\" : 42", """{"include":42}""")]
    [InlineData("included : 42", """{"included":42}""")]
    [InlineData("include-x.y : 42", """{"include-x":{"y":42}}""")]
    public void Include_NotAtTheStartOfAKey_IsAWord(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));
}
