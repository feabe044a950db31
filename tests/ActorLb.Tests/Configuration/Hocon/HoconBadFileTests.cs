namespace ActorLb.Tests.Configuration.Hocon;

/// <summary>Files with one mistake each, and what the operator reads about it.</summary>
public sealed class HoconBadFileTests
{
    [Theory]
    [InlineData("a = {", "1:5: a: '{' is never closed: the file ends in line 1")]
    [InlineData("a = [1", "1:5: a: '[' is never closed: the file ends in line 1")]
    [InlineData("a = 1 }", "1:7: unmatched '}'")]
    [InlineData("}", "1:1: unmatched '}'")]
    [InlineData("a = 1, }", "1:8: unmatched '}'")]
    [InlineData(",a = 1", "1:1: a comma without a field before it")]
    [InlineData("a = 1,,b = 2", "1:7: a comma without a field before it")]
    [InlineData("[1,2,3]", "1:1: a configuration must be an object, but the file holds an array")]
    [InlineData("v = [1,2,3,,]", "1:12: v: a comma without an element before it")]
    [InlineData("v = [,1,2,3]", "1:6: v: a comma without an element before it")]
    [InlineData("v = [1,,2,3]", "1:8: v: a comma without an element before it")]
    [InlineData("{ a = 1 } b", "1:11: unexpected 'b' after the closing '}' of the file")]
    [InlineData("{ a = 1 }}", "1:10: unexpected '}' after the closing '}' of the file")]
    [InlineData("{ a = 1", "1:1: '{' is never closed: the file ends in line 1")]
    [InlineData("a", "1:2: a: the file ends after a key; '=' and a value must follow")]
    [InlineData("a b c", "1:6: \"a b c\": the file ends after a key; '=' and a value must follow")]
    [InlineData("a =", "1:4: a: a value is missing")]
    [InlineData("a = ,", "1:5: a: a value is missing")]
    [InlineData("a = }", "1:5: a: a value is missing")]
    [InlineData("a {\n  b = \n}", "3:1: a.b: a value is missing")]
    [InlineData(
        "a { b = 1 c = 2 }",
        "1:13: a.b: unexpected '=' within a value; a comma or a new line must separate fields, or the value needs double quotes")]
    [InlineData(
        "a = b = c",
        "1:7: a: unexpected '=' within a value; a comma or a new line must separate fields, or the value needs double quotes")]
    [InlineData("a = 0.0.0.0:1883", "1:12: a: an address needs double quotes: write \"0.0.0.0:1883\"")]
    [InlineData("= 1", "1:1: unexpected '=' where a key is expected")]
    [InlineData("a..b = 1", "1:1: a path has an empty element; write \"\" if that is meant")]
    [InlineData(".a = 1", "1:1: a path has an empty element; write \"\" if that is meant")]
    [InlineData("a. = 1", "1:1: a path has an empty element; write \"\" if that is meant")]
    [InlineData("a = \"x", "1:5: a: the string is not closed on this line")]
    [InlineData("a = \"x\ny\"", "1:5: a: the string is not closed on this line")]
    [InlineData("a = \"\"\"x", "1:5: a: the string is not closed by \"\"\"")]
    [InlineData("a = \"\\q\"", "1:6: a: unknown escape within a string (known are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX)")]
    [InlineData("a = \"\\u12g4\"", "1:6: a: '\\u' needs four hexadecimal digits")]
    [InlineData("a = \"\\ud800\"", "1:5: a: half of a surrogate pair in a string")]
    [InlineData("a = \"tab\there\"", "1:9: a: control character U+0009 within a string; write it as an escape")]
    [InlineData(
        "a = $b",
        "1:5: a: unexpected '$' (a substitution is written ${path}, a text with '$' in double quotes) where a value is expected")]
    [InlineData(
        "a = x$y",
        "1:6: a: unexpected '$' (a substitution is written ${path}, a text with '$' in double quotes) within a value; put the value in double quotes")]
    [InlineData("a = ${b", "1:5: a: '${' is never closed by '}' on this line")]
    [InlineData("a = ${b\n}", "1:5: a: '${' is never closed by '}' on this line")]
    [InlineData("a = ${}", "1:7: a: a path has an empty element; write \"\" if that is meant")]
    [InlineData("a = ${${b}}", "1:7: a: a substitution within a substitution")]
    [InlineData("a = ${b..c}", "1:7: a: a path has an empty element; write \"\" if that is meant")]
    [InlineData("a = ${b[}", "1:5: a: '${' is never closed by '}' on this line")]
    [InlineData(
        "${a} = 1",
        "1:1: unexpected '$' (a substitution is written ${path}, a text with '$' in double quotes) where a key is expected")]
    [InlineData(
        "a${b} = 1",
        "1:2: a: unexpected '$' (a substitution is written ${path}, a text with '$' in double quotes) after a key; '=', ':', '+=' or '{' must follow")]
    [InlineData("a = @home", "1:5: a: unexpected '@' where a value is expected")]
    [InlineData("a = x*y", "1:6: a: unexpected '*' within a value; put the value in double quotes")]
    [InlineData("a = `x`", "1:5: a: unexpected '`' where a value is expected")]
    [InlineData("a = x^y", "1:6: a: unexpected '^' within a value; put the value in double quotes")]
    [InlineData("a = !x", "1:5: a: unexpected '!' where a value is expected")]
    [InlineData("a = x\\y", "1:6: a: unexpected '\\' within a value; put the value in double quotes")]
    [InlineData("a = 1+1", "1:6: a: unexpected '+' within a value; put the value in double quotes")]
    [InlineData("a = ?", "1:5: a: unexpected '?' where a value is expected")]
    [InlineData("[a] = 1", "1:1: a configuration must be an object, but the file holds an array")]
    [InlineData("a [1] = 2", "1:3: a: unexpected '[' after a key; '=', ':', '+=' or '{' must follow")]
    [InlineData("a = [1 2} ]", "1:5: a: '[' is not closed: a '}' comes first, in line 1, column 9")]
    [InlineData("a = [1}", "1:5: a: '[' is not closed: a '}' comes first, in line 1, column 7")]
    [InlineData("a = {b : ]}", "1:10: a.b: a value is missing")]
    [InlineData("a = [b : 1]", "1:8: a[0]: unexpected ':' within a value; put the value in double quotes")]
    [InlineData("a + = 1", "1:3: a: unexpected '+' after a key; '=', ':', '+=' or '{' must follow")]
    [InlineData("a = ${b}", "1:5: a: ${b} is not defined, neither here nor in the environment")]
    [InlineData("x.y { a = [1, ${b.c}] }", "1:15: x.y.a[1]: ${b.c} is not defined, neither here nor in the environment")]
    [InlineData("foo : ${foo}", "1:7: foo: ${foo} leads back to itself")]
    [InlineData("foo : ${foo}, foo : { a : 1 }", "1:7: foo: ${foo} leads back to itself")]
    [InlineData("bar : ${foo}, foo : ${bar}", "1:21: foo: ${bar} leads back to itself")]
    [InlineData("a : ${b}, b : ${c}, c : ${a}", "1:25: c: ${a} leads back to itself")]
    [InlineData("a : { b : ${a} }", "1:11: a.b: the value contains itself")]
    [InlineData("a : [${a}]", "1:6: a[0]: the value contains itself")]
    [InlineData("c : [${c}], c += 1", "1:6: c[0]: the value contains itself")]
    [InlineData("c += ${c}", "1:6: c[0]: ${c} leads back to itself")]
    [InlineData("a = [1] x", "1:5: a: an array cannot be joined with a string")]
    [InlineData("a = {b:1} [1]", "1:5: a: an object cannot be joined with an array")]
    [InlineData("a = {b:1} \"x\"", "1:5: a: an object cannot be joined with a string")]
    [InlineData("b = [1], a = x${b}", "1:15: a: an array cannot be joined with a string")]
    [InlineData("a = 1, a += 2", "1:13: a: '+=' needs an array before it, not a number")]
    [InlineData("a = {b:1}, a += 2", "1:17: a: '+=' needs an array before it, not an object")]
    [InlineData("l = [{ a = ${?x} {b:1} x }]", "1:18: l[0].a: an object cannot be joined with a string")]
    [InlineData(
        "héllo.wörld = {\n  \"😀\" = 1 ö = 2\n}",
        "2:13: \"héllo\".\"wörld\".\"😀\": unexpected '=' within a value; a comma or a new line must separate fields, or the value needs double quotes")]
    [InlineData("a = 1\r\nb = 2\r\nc = @", "3:5: c: unexpected '@' where a value is expected")]
    [InlineData("a = \"x\"y\"z", "1:9: a: the string is not closed on this line")]
    [InlineData("a : 1\n  b : 2\n c d e\nf = 1", "3:2: \"c d e\": a key without a value; '=', ':', '+=' or '{' must follow")]
    public void BadFile_Read_IsAnErrorAtItsPlace(string text, string expected) =>
        Assert.Equal("test.conf:" + expected, HoconText.Error(text));

    [Fact]
    public void Nesting_BeyondTheLimit_IsAnErrorNotACrash()
    {
        Assert.Equal(
            "nested deeper than 100 levels", Reason(string.Concat(Enumerable.Repeat("a {", 100_000))));
        Assert.Equal("nested deeper than 100 levels", Reason("a = " + new string('[', 100_000)));
        Assert.Equal("nested deeper than 100 levels", Reason(string.Join('.', Enumerable.Repeat("a", 100_000)) + " = 1"));
        Assert.Equal("nested deeper than 100 levels", Reason(string.Concat(Enumerable.Repeat("a.b.c.d {", 1_000))));
    }

    [Fact]
    public void Nesting_WithinTheLimit_IsRead()
    {
        string text = string.Concat(Enumerable.Repeat("a {", 99)) + "b = 1" + new string('}', 99);

        Assert.Equal("1", HoconText.Json(text)[^(99 + 2)..^(99 + 1)]);
    }

    [Fact]
    public void Substitutions_ThatLeadToOneAnotherForLong_AreAnErrorNotACrash()
    {
        string chain = string.Concat(Enumerable.Range(0, 10_000).Select(i => $"a{i} = ${{a{i + 1}}}\n")) + "a10000 = 1";

        Assert.Equal("more than 200 substitutions lead to one another", Reason(chain));
    }

    [Fact]
    public void Appends_ManyOnOneKey_AreAllThere()
    {
        string text = string.Concat(Enumerable.Repeat("a += 1\na = ${?b}\n", 20_000));

        Assert.Equal(20_000, HoconText.Json(text).Count(c => c == '1'));
    }

    [Theory]
    [InlineData("a{0} = ${{a{1}}}${{a{1}}}", "a40 = xx")]
    [InlineData("a{0} = ${{a{1}}} ${{a{1}}}", "a40 = [1]")]
    [InlineData("a{0} = ${{a{1}}} ${{a{1}}}", "a40 = {b:1}")]
    [InlineData("a{0} = [${{a{1}}}, ${{a{1}}}]", "a40 = 1")]
    [InlineData("a{0} = {{ x = ${{a{1}}}, y = ${{a{1}}} }}", "a40 = 1")]
    public void Substitutions_ThatDouble_EndInAnError(string line, string last)
    {
        string text = string.Join('\n', Enumerable.Range(0, 40).Select(i => string.Format(line, i, i + 1))) + "\n" + last;

        Assert.Contains(
            Reason(text), (string[])["the substitutions multiply without end", "the string is longer than 1048576 characters"]);
    }

    private static string Reason(string text)
    {
        string error = HoconText.Error(text);
        return error[(error.LastIndexOf(": ", StringComparison.Ordinal) + 2)..];
    }
}
