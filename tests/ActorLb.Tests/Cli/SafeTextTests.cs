using System.Globalization;
using System.Text;
using System.Text.Json;
using ActorLb.Cli.Output;
using ActorLb.Protocol.Text;
using FsCheck;
using FsCheck.Fluent;

namespace ActorLb.Tests.Cli;

/// <summary>What a client may call itself, over all code points: shown on one line, in one order, with nothing hidden.</summary>
public sealed class SafeTextTests
{
    private static readonly UnicodeCategory[] NeverShown =
    [
        UnicodeCategory.Control, UnicodeCategory.Format, UnicodeCategory.Surrogate, UnicodeCategory.PrivateUse, UnicodeCategory.OtherNotAssigned,
        UnicodeCategory.LineSeparator, UnicodeCategory.ParagraphSeparator,
    ];

    [Theory]
    [InlineData("plain größe ☃ 日本", "plain größe ☃ 日本")]
    [InlineData("\u001b[2Jx\u007f", "\\u001b[2Jx\\u007f")]
    [InlineData("\u202eevil\u2066", "\\u202eevil\\u2066")]
    [InlineData("zero\u200bwidth\u2060\ufeff", "zero\\u200bwidth\\u2060\\ufeff")]
    [InlineData("a\u2028b\u2029c\u0085d", "a\\u2028b\\u2029c\\u0085d")]
    [InlineData("\uffff\udb40\udc41", "\\uffff\\udb40\\udc41")]
    [InlineData("no\u00a0break\u3000", "no\\u00a0break\\u3000")]
    [InlineData("\u3164\u115f\u2800\ufe0f\u034f", "\\u3164\\u115f\\u2800\\ufe0f\\u034f")]
    [InlineData("[red]markup[/]", "[red]markup[/]")]
    [InlineData("C:\\temp", "C:\\temp")]
    [InlineData("\\u001b", "\\u005cu001b")]
    [InlineData("e\u0301", "e\u0301")]
    [InlineData("\u0301e", "\\u0301e")]
    [InlineData("e\u0301\u0301\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301\u0301\\u0301\\u0301")]
    public void Text_OfAnother_IsShownSafely(string text, string shown) => Assert.Equal(shown, SafeText.Of(text));

    [Fact]
    public void EveryCodePoint_IsShownOrEscaped_AndReadsBack()
    {
        var wrong = new List<string>();
        for (int value = 0; value <= 0x10ffff; value++)
        {
            if (value is >= 0xd800 and <= 0xdfff) continue;
            string text = "x" + char.ConvertFromUtf32(value);
            string shown = SafeText.Of(text);
            if (!IsHarmless(shown) || Unescape(shown) != text) wrong.Add($"U+{value:X4}");
        }
        for (int unit = 0xd800; unit <= 0xdfff; unit++)
        {
            string text = $"x{(char)unit}y";
            if (SafeText.Of(text) != $"x\\u{unit:x4}y") wrong.Add($"unit {unit:X4}");
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void AnyUnits_InEveryForm_AreHarmless_AndTheirValueStays() =>
        Prop.ForAll(Units(), text =>
        {
            string quotable = Quotable(text);
            return IsHarmless(SafeText.Of(text)) && Unescape(SafeText.Of(text)) == text
                && IsHarmless(SafeText.OfMessage(text)) && IsHarmless(SafeText.Masked(text)) && SafeText.Masked(text).Length == text.Length
                && IsHarmless(quotable) && !quotable.Contains('"') && Unescape(quotable) == text;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Json_OfAnyText_KeepsItsValue() =>
        Prop.ForAll(Units(), text =>
        {
            // As the API writes it: a lone surrogate is none of UTF-8's.
            string valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            string json = SafeText.OfDocument(JsonSerializer.Serialize(
                valid, new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
            return IsHarmless(json) && JsonSerializer.Deserialize<string>(json) == valid;
        }).QuickCheckThrowOnFailure();

    /// <summary>The library of the tables knows the width of fewer characters than there are. It sees the escaped ones as ASCII, so that one
    /// in a thousand of those is enough.</summary>
    [Fact]
    public void Table_OfEveryCodePoint_IsShown()
    {
        var output = new StringWriter();
        var screen = new Screen(output, TextWriter.Null, isTerminal: false);
        var texts = Enumerable.Range(0, 0x110000)
            .Select(value => value is >= 0xd800 and <= 0xdfff ? ((char)value).ToString() : char.ConvertFromUtf32(value))
            .Where((text, value) => SafeText.Of("x" + text).Length == 1 + text.Length || value % 1000 == 0);
        foreach (string[] part in texts.Chunk(32).Select(row => string.Concat(row)).Chunk(64))
        {
            screen.Table(["client id", ">n"], part.Select(text => new[] { text, "1" }));
            screen.Facts([.. part.Select(text => ("client", text))]);
            foreach (string text in part) screen.Line(text);
        }
        string[] lines = output.ToString().Split('\n');
        Assert.InRange(lines.Length, 10_000, int.MaxValue);
        Assert.All(lines, line => Assert.True(IsHarmless(line)));
    }

    [Fact]
    public void Table_OfALongId_IsCut_AndStaysInOneLine()
    {
        var output = new StringWriter();
        new Screen(output, TextWriter.Null, isTerminal: false).Table(["client id", "state"], [[new string('字', 65_535 / 3), "up"], ["b", "up"]]);
        string[] lines = output.ToString().TrimEnd('\n').Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.Contains("more] ", lines[2], StringComparison.Ordinal);
        Assert.EndsWith(" up", lines[2], StringComparison.Ordinal);
        Assert.InRange(lines[2].Length, 1, 400);
    }

    [Fact]
    public void Error_OfManyLines_IsSafeInEach()
    {
        var error = new StringWriter();
        new Screen(TextWriter.Null, error, isTerminal: false).Error("no \u001b[31mpool\nsecond\u2028line");
        Assert.Equal("pbm: no \\u001b[31mpool\npbm: second line\n", error.ToString());
    }

    private static Arbitrary<string> Units()
    {
        char[] special = ['\\', 'u', '"', '\n', '\u001b', '\u202e', '\u0301', '\ud83d', '\ude00', '\udb40', '\udc41', '\uffff', '\u3164', 'a', '0'];
        var unit = Gen.OneOf(Gen.Elements(special), Gen.Choose(0, 0xffff).Select(c => (char)c));
        return unit.ArrayOf().Select(units => new string(units)).ToArbitrary();
    }

    private static string Quotable(string text)
    {
        var result = new StringBuilder();
        SafeText.AppendQuotable(result, text);
        return result.ToString();
    }

    private static bool IsHarmless(string text) =>
        text.EnumerateRunes().All(r => (r.Value == ' ' || !NeverShown.Contains(Rune.GetUnicodeCategory(r))) && r.Value is not (0x2800 or 0x3164 or 0x200b))
        && !text.Where((c, i) => char.IsSurrogate(c) && !Rune.TryGetRuneAt(text, char.IsLowSurrogate(c) && i > 0 ? i - 1 : i, out _)).Any();

    /// <summary>A backslash, u and four digits are a unit; everything else is itself.</summary>
    private static string Unescape(string shown)
    {
        var text = new StringBuilder();
        for (int i = 0; i < shown.Length; i++)
        {
            if (shown[i] == '\\' && i + 1 < shown.Length && shown[i + 1] == 'u')
            {
                text.Append((char)int.Parse(shown.AsSpan(i + 2, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                i += 5;
            }
            else
            {
                text.Append(shown[i]);
            }
        }
        return text.ToString();
    }
}
