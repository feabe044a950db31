namespace ActorLb.Tests.Configuration.Hocon;

/// <summary>"Substitutions", "Self-Referential Substitutions", "The += field separator", each with its examples.</summary>
public sealed class HoconSubstitutionTests
{
    [Theory]
    [InlineData("animal.favorite = cat\nkey : ${animal.favorite} is my favorite animal", """{"animal":{"favorite":"cat"},"key":"cat is my favorite animal"}""")]
    [InlineData("a = 1, key : ${a}\" is my favorite\"", """{"a":1,"key":"1 is my favorite"}""")]
    [InlineData("key = ${a}, a = 1", """{"key":1,"a":1}""")]
    [InlineData("key = ${a}, a = [1]", """{"key":[1],"a":[1]}""")]
    [InlineData("key = ${a}, a { b = 1 }", """{"key":{"b":1},"a":{"b":1}}""")]
    [InlineData("key = ${a}, a = null", """{"key":null,"a":null}""")]
    [InlineData("key = x${a}y, a = null", """{"key":"xnully","a":null}""")]
    [InlineData("key = ${ a.b }, a.b = 1", """{"key":1,"a":{"b":1}}""")]
    [InlineData("key = ${\"a.b\"}, \"a.b\" = 1", """{"key":1,"a.b":1}""")]
    [InlineData("key = ${a b}, a b = 1", """{"key":1,"a b":1}""")]
    [InlineData("key = \"${a}\"", """{"key":"${a}"}""")]
    [InlineData("a = 1, key = ${a}, a = 2", """{"a":2,"key":2}""")]
    [InlineData("v = [ ${a} ${b}, ${x} ${y} ], a = [1], b = [2], x = 3, y = 4", """{"v":[[1,2],"3 4"],"a":[1],"b":[2],"x":3,"y":4}""")]
    public void Substitution_OfAValue_TakesItsLastOne(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory]
    [InlineData("foo : ${?bar}", "{}")]
    [InlineData("foo : 1, foo : ${?bar}", """{"foo":1}""")]
    [InlineData("foo : [1, ${?bar}, 2]", """{"foo":[1,2]}""")]
    [InlineData("foo : a${?bar}b", """{"foo":"ab"}""")]
    [InlineData("foo : ${?bar}[1]", """{"foo":[1]}""")]
    [InlineData("foo : ${?bar}{a:1}", """{"foo":{"a":1}}""")]
    [InlineData("foo : ${?bar}${?baz}", "{}")]
    [InlineData("foo : ${?bar} ${?baz}", "{}")]
    [InlineData("foo : ${?bar}\"\"", """{"foo":""}""")]
    [InlineData("foo { a = 1 }, foo = ${?bar}, foo { b = 2 }", """{"foo":{"a":1,"b":2}}""")]
    public void Optional_Undefined_LeavesNothing(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory]
    [InlineData("path : \"a:b:c\", path : ${path}\":d\"", """{"path":"a:b:c:d"}""")]
    [InlineData("path = [ /bin ], path = ${path} [ /usr/bin ]", """{"path":["/bin","/usr/bin"]}""")]
    [InlineData("foo : { a : 1 }, foo : ${foo}", """{"foo":{"a":1}}""")]
    [InlineData("foo : ${?foo}", "{}")]
    [InlineData("a = ${?a}foo", """{"a":"foo"}""")]
    [InlineData("foo : ${does-not-exist}, foo : 42", """{"foo":42}""")]
    [InlineData("foo : ${foo}, foo : 42", """{"foo":42}""")]
    [InlineData("foo : { a : { c : 1 } }, foo : ${foo.a}, foo : { a : 2 }", """{"foo":{"a":2,"c":1}}""")]
    [InlineData("bar : { foo : 42, baz : ${bar.foo} }", """{"bar":{"foo":42,"baz":42}}""")]
    [InlineData("bar : { foo : 42, baz : ${bar.foo} }, bar : { foo : 43 }", """{"bar":{"foo":43,"baz":43}}""")]
    [InlineData("bar : { a : ${foo.d}, b : 1 }, bar.b = 3, foo : { c : ${bar.b}, d : 2 }, foo.d = 4", """{"bar":{"a":4,"b":3},"foo":{"c":3,"d":4}}""")]
    [InlineData("a : 1, b : 2, a : ${b}, b : ${a}", """{"a":1,"b":1}""")]
    [InlineData("a { x = 1 }, a { x = ${a.x}2 }", """{"a":{"x":"12"}}""")]
    [InlineData("a = 1, a = ${a}2, a = ${a}3", """{"a":"123"}""")]
    [InlineData("a = ${?b}, b = ${?a}", "{}")]
    public void SelfReference_LooksBack(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    /// <summary>Where a value would contain itself by an optional substitution, that is missing; found by the reference implementation.</summary>
    [Theory]
    [InlineData("a.b = ${?a}", """{"a":{}}""")]
    [InlineData("a = [${?a}]", """{"a":[]}""")]
    [InlineData("a = [1, ${?a}, 2]", """{"a":[1,2]}""")]
    [InlineData("a = [[${?a}]]", """{"a":[[]]}""")]
    [InlineData("a { b { c = ${?a}, d = 1 } }", """{"a":{"b":{"d":1}}}""")]
    [InlineData("a { x = 1, b = ${?a}{ c = 2 } }", """{"a":{"x":1,"b":{"c":2}}}""")]
    [InlineData("a = ${?x} [${?a}]", """{"a":[]}""")]
    public void Optional_ThroughAnEnclosingValue_IsMissing(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory]
    [InlineData("c = [1], c += ${c}", """{"c":[1,[1]]}""")]
    [InlineData("c = [1], c += ${c}, c += ${c}", """{"c":[1,[1],[1,[1]]]}""")]
    [InlineData("c += ${?c}", """{"c":[]}""")]
    [InlineData("c = [1], c += { d = ${c} }", """{"c":[1,{"d":[1]}]}""")]
    [InlineData("c = [1], c = ${c} [${c}]", """{"c":[1,[1]]}""")]
    [InlineData("c = { a = 1 }, c = ${c} { b = ${c} }", """{"c":{"a":1,"b":{"a":1}}}""")]
    [InlineData("c = [1], c += 2, c += ${c}, c += 3", """{"c":[1,2,[1,2],3]}""")]
    [InlineData("x = 7, c = [1], c += ${x}, x = 8", """{"x":8,"c":[1,8]}""")]
    public void SelfReference_WithinAPartOfAConcatenation_LooksBack(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory]
    [InlineData("generic = { size = 6 }, east = ${generic} { name = \"east\" }", """{"generic":{"size":6},"east":{"size":6,"name":"east"}}""")]
    [InlineData("b { x = 1 }, a = ${b} { y = ${a.x} }", """{"b":{"x":1},"a":{"x":1,"y":1}}""")]
    [InlineData("b { x = 1 }, a = ${b} { c = ${b} }", """{"b":{"x":1},"a":{"x":1,"c":{"x":1}}}""")]
    [InlineData("a = ${b}, a { x = 1 }, b { y = ${a.x} }", """{"a":{"y":1,"x":1},"b":{"y":1}}""")]
    [InlineData("a { b = ${c} }, a.b.d = 2, c { d = 1, e = 1 }", """{"a":{"b":{"d":2,"e":1}},"c":{"d":1,"e":1}}""")]
    public void Inheritance_ObjectsReferToTheirOwnParts(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Theory]
    [InlineData("a += b", """{"a":["b"]}""")]
    [InlineData("a = [1], a += 2, a += 3", """{"a":[1,2,3]}""")]
    [InlineData("a = ${b}, a += 3, b = [1]", """{"a":[1,3],"b":[1]}""")]
    [InlineData("a += 1, a += ${b}, a = ${a} [4], b = {c:1}", """{"a":[1,{"c":1},4],"b":{"c":1}}""")]
    [InlineData("a += [1]", """{"a":[[1]]}""")]
    [InlineData("a.b += 1, a.b += 2", """{"a":{"b":[1,2]}}""")]
    [InlineData("a { 0 = x }, a += y", """{"a":["x","y"]}""")]
    [InlineData("l = [{ a += 1, a += 2 }]", """{"l":[{"a":[1,2]}]}""")]
    [InlineData("base { l = [1] }, a = ${base} { l += 2 }", """{"base":{"l":[1]},"a":{"l":[1,2]}}""")]
    [InlineData("a += 1, a = ${?none}, a += 2", """{"a":[1,2]}""")]
    [InlineData("a { x = 1 }, a = ${?none}, a += 2, a { y = 1 }", """{"a":{"y":1}}""")]
    [InlineData("a { 1 = y }, a = ${b}, a += z, b { 0 = x }", """{"a":["x","y","z"],"b":{"0":"x"}}""")]
    [InlineData("a += ${?none}", """{"a":[]}""")]
    public void Append_ToWhatIsThere_AddsAnElement(string text, string expected) => Assert.Equal(expected, HoconText.Json(text));

    [Fact]
    public void Environment_WhereTheFileIsSilent_IsAsked()
    {
        Assert.Equal("""{"a":"/root"}""", HoconText.Json("a = ${HOME}", ("HOME", "/root")));
        Assert.Equal("""{"a":""}""", HoconText.Json("a = ${?HOME}", ("HOME", "")));
        Assert.Equal("""{"HOME":"x","a":"x"}""", HoconText.Json("HOME = x, a = ${HOME}", ("HOME", "/root")));
        Assert.Equal("""{"HOME":null,"a":null}""", HoconText.Json("HOME = null, a = ${HOME}", ("HOME", "/root")));
        Assert.Equal("""{"port":"2883"}""", HoconText.Json("port = 1883, port = ${?PORT}", ("PORT", "2883")));
    }

    [Fact]
    public void Environment_AsAList_IsTakenByIndex()
    {
        (string, string)[] environment = [("HOSTS_0", "a"), ("HOSTS_1", "b"), ("HOSTS_3", "d")];

        Assert.Equal("""{"h":["a","b"]}""", HoconText.Json("h = ${HOSTS[]}", environment));
        Assert.Equal("{}", HoconText.Json("h = ${?NONE[]}", environment));
    }

    [Fact]
    public void Position_OfASubstitutedValue_IsWhereItWasWritten()
    {
        var root = HoconText.Read("a = 1\nb = ${a}\nc = x${a}\n");

        Assert.Equal("test.conf:1:5", root.Find("b")!.Value.Position.ToString());
        Assert.Equal("test.conf:3:5", root.Find("c")!.Value.Position.ToString());
        Assert.Equal("test.conf:2:1", root.Find("b")!.KeyPosition.ToString());
    }

    [Fact]
    public void Position_OfMergedValues_IsThatOfEachOne()
    {
        var root = HoconText.Read("a { x = 1 }\na { y = 2, x = 3 }\r\n  a.z = 4");
        var a = (ActorLb.Configuration.Hocon.HoconObject)root.Find("a")!.Value;

        Assert.Equal("test.conf:2:16", a.Find("x")!.Value.Position.ToString());
        Assert.Equal("test.conf:2:9", a.Find("y")!.Value.Position.ToString());
        Assert.Equal("test.conf:3:9", a.Find("z")!.Value.Position.ToString());
    }
}
