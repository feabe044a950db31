using System.Globalization;
using System.Text;

namespace ActorLb.Protocol.Text;

/// <summary>
/// Makes text that others chose (client ids, user names, host names, subjects of certificates) safe to show on a terminal and in a
/// log: one line, no escape sequences, nothing invisible, nothing that changes the writing direction. Unsafe characters are written
/// as in JSON, by UTF-16 unit, such as \u001b. Both programs and all logs use this.
/// </summary>
public static class SafeText
{
    /// <summary>Combining marks allowed on one letter; no script stacks more, and a flood of them would cover the neighbouring
    /// lines.</summary>
    private const int MostMarks = 4;

    /// <summary>The text with everything unsafe escaped. A backslash that could be read as the start of an escape is escaped too,
    /// so that the result is unambiguous.</summary>
    public static string Of(string text)
    {
        if (IsPlain(text) && !text.Contains("\\u", StringComparison.Ordinal)) return text;
        var safe = new StringBuilder(text.Length + 16);
        Append(safe, text, Escapes.Backslashes);
        return safe.ToString();
    }

    /// <summary>The same for text that has its own syntax, such as JSON or HOCON: line breaks, tabs and backslashes stay.</summary>
    public static string OfDocument(string text)
    {
        if (IsPlain(text)) return text;
        var safe = new StringBuilder(text.Length + 16);
        Append(safe, text, Escapes.NoLayout);
        return safe.ToString();
    }

    /// <summary>One line of a message: line breaks become spaces; backslashes stay, since the parts of the message may already be
    /// escaped.</summary>
    public static string OfMessage(string text)
    {
        if (IsPlain(text)) return text;
        var safe = new StringBuilder(text.Length + 16);
        Append(safe, text.ReplaceLineEndings(" "), Escapes.None);
        return safe.ToString();
    }

    /// <summary>Appends the text for use between double quotes: quotes and all backslashes are escaped as well.</summary>
    public static void AppendQuotable(StringBuilder to, string text) => Append(to, text, Escapes.Quotes);

    /// <summary>The text with each unsafe unit replaced, for places where its length must not change.</summary>
    public static string Masked(string text)
    {
        if (IsPlain(text)) return text;
        return string.Create(text.Length, text, static (masked, given) =>
        {
            for (int i = 0; i < given.Length;)
            {
                bool whole = Rune.TryGetRuneAt(given, i, out var rune);
                int length = whole ? rune.Utf16SequenceLength : 1;
                if (whole && IsSafe(rune)) given.AsSpan(i, length).CopyTo(masked[i..]);
                else masked.Slice(i, length).Fill('\ufffd');
                i += length;
            }
        });
    }

    /// <summary>If longer, cut to this many units, with the number of units left out.</summary>
    public static string Shortened(string text, int longest)
    {
        if (text.Length <= longest) return text;
        int kept = char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest;
        return string.Create(CultureInfo.InvariantCulture, $"{text.AsSpan(0, kept)}…[{text.Length - kept} more]");
    }

    /// <summary>Whether the character is visible and takes a place in the line. Marks also need a letter before them.</summary>
    public static bool IsSafe(Rune rune)
    {
        if (rune.IsAscii) return rune.Value is >= 0x20 and <= 0x7e;
        if (IsInvisible(rune.Value)) return false;
        return Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.SpaceSeparator
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
    }

    /// <summary>Letters, marks and symbols that are invisible: Unicode's Default_Ignorable_Code_Point where the general category
    /// does not show it, and the blank Braille pattern.</summary>
    private static bool IsInvisible(int value) => value is 0x034f or 0x115f or 0x1160 or 0x17b4 or 0x17b5 or (>= 0x180b and <= 0x180f)
        or 0x2800 or 0x3164 or (>= 0xfe00 and <= 0xfe0f) or 0xffa0 or (>= 0xe0000 and <= 0xe0fff);

    private static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.SpacingCombiningMark;

    private static bool IsPlain(string text) => text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0;

    private static void Append(StringBuilder to, string text, Escapes escapes)
    {
        // A mark at the start would combine with the text shown before it.
        int marks = MostMarks;
        for (int i = 0; i < text.Length;)
        {
            bool whole = Rune.TryGetRuneAt(text, i, out var rune);
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
