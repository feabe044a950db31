using System.Globalization;
using System.Text;

namespace ActorLb.Protocol.Text;

/// <summary>
/// Text that others chose (client ids, user names, host names, subjects of certificates), made safe to show on a terminal and in a
/// log: one line, no escape sequence, nothing invisible, nothing that turns the order of writing around. What is not safe is written
/// as in JSON, by UTF-16 unit, such as \u001b. Both programs and all logs use this.
/// </summary>
public static class SafeText
{
    /// <summary>Marks on one letter; no script stacks more, and floods of them cover the neighbouring lines.</summary>
    private const int MostMarks = 4;

    /// <summary>The text with all that is not safe escaped. A backslash that could be read as the beginning of an escape is escaped too,
    /// so that the result can be read back in one way only.</summary>
    public static string Of(string text)
    {
        if (IsPlain(text) && !text.Contains("\\u", StringComparison.Ordinal)) return text;
        var safe = new StringBuilder(text.Length + 16);
        Append(safe, text, Escapes.Backslashes);
        return safe.ToString();
    }

    /// <summary>The same for text that has a syntax of its own, such as JSON or HOCON: line breaks, tabs and backslashes stay.</summary>
    public static string OfDocument(string text)
    {
        if (IsPlain(text)) return text;
        var safe = new StringBuilder(text.Length + 16);
        Append(safe, text, Escapes.NoLayout);
        return safe.ToString();
    }

    /// <summary>One line of a message: line breaks become blanks, backslashes stay, since the parts of a message are escaped or not.</summary>
    public static string OfMessage(string text)
    {
        if (IsPlain(text)) return text;
        var safe = new StringBuilder(text.Length + 16);
        Append(safe, text.ReplaceLineEndings(" "), Escapes.None);
        return safe.ToString();
    }

    /// <summary>Appends the text as it may stand between double quotes: they and every backslash are escaped as well.</summary>
    public static void AppendQuotable(StringBuilder to, string text) => Append(to, text, Escapes.Quotes);

    /// <summary>The text with each unit that is not safe replaced, for places where its length must stay.</summary>
    public static string Masked(string text)
    {
        if (IsPlain(text)) return text;
        return string.Create(text.Length, text, static (masked, given) =>
        {
            for (int i = 0; i < given.Length;)
            {
                bool whole = Rune.TryGetRuneAt(given, i, out Rune rune);
                int length = whole ? rune.Utf16SequenceLength : 1;
                if (whole && IsSafe(rune)) given.AsSpan(i, length).CopyTo(masked[i..]);
                else masked.Slice(i, length).Fill('\ufffd');
                i += length;
            }
        });
    }

    /// <summary>Cut to so many units, with the number of those left out, when it is longer.</summary>
    public static string Shortened(string text, int longest)
    {
        if (text.Length <= longest) return text;
        int kept = char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest;
        return string.Create(CultureInfo.InvariantCulture, $"{text.AsSpan(0, kept)}…[{text.Length - kept} more]");
    }

    /// <summary>Whether the character has a shape of its own, in one place of the line. Marks need a letter before them as well.</summary>
    public static bool IsSafe(Rune rune)
    {
        if (rune.IsAscii) return rune.Value is >= 0x20 and <= 0x7e;
        if (IsInvisible(rune.Value)) return false;
        return Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.SpaceSeparator
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
    }

    /// <summary>Letters, marks and symbols without a shape: Default_Ignorable_Code_Point of the Unicode standard as far as its general
    /// category does not say so, and the blank of Braille.</summary>
    private static bool IsInvisible(int value) => value is 0x034f or 0x115f or 0x1160 or 0x17b4 or 0x17b5 or (>= 0x180b and <= 0x180f)
        or 0x2800 or 0x3164 or (>= 0xfe00 and <= 0xfe0f) or 0xffa0 or (>= 0xe0000 and <= 0xe0fff);

    private static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.SpacingCombiningMark;

    private static bool IsPlain(string text) => text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0;

    private static void Append(StringBuilder to, string text, Escapes escapes)
    {
        // A mark at the beginning would stand on what is shown before the text.
        int marks = MostMarks;
        for (int i = 0; i < text.Length;)
        {
            bool whole = Rune.TryGetRuneAt(text, i, out Rune rune);
            int length = whole ? rune.Utf16SequenceLength : 1;
            bool mark = whole && !rune.IsAscii && IsMark(rune);
            bool stays = whole && ((escapes == Escapes.NoLayout && rune.Value is ('\n' or '\r' or '\t')) || IsSafe(rune))
                && !(mark && marks >= MostMarks) && !MustEscape(text, i, escapes);
            if (stays) to.Append(text, i, length);
            else for (int unit = i; unit < i + length; unit++) to.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[unit]:x4}");
            marks = !stays ? MostMarks : mark ? marks + 1 : 0;
            i += length;
        }
    }

    private static bool MustEscape(string text, int at, Escapes escapes) => escapes switch
    {
        Escapes.Backslashes => text[at] == '\\' && at + 1 < text.Length && text[at + 1] == 'u',
        Escapes.Quotes => text[at] is '"' or '\\',
        _ => false,
    };

    private enum Escapes { None, NoLayout, Backslashes, Quotes }
}
