namespace ActorLb.Cli.Prompt;

/// <summary>The effect of a key on the line.</summary>
internal enum EditOutcome
{
    Edited,

    /// <summary>Enter: the line is complete.</summary>
    Accepted,

    /// <summary>Ctrl-C: the line is discarded.</summary>
    Cancelled,

    /// <summary>Ctrl-D on an empty line.</summary>
    Ended,
    Complete,
    ClearScreen,
}

/// <summary>A line being typed: text, cursor and position in the history, without a terminal. The keys are those of GNU
/// Readline's Emacs mode.</summary>
internal sealed class EditBuffer(IReadOnlyList<string> history)
{
    private int _at = history.Count;
    private string _draft = "";

    public string Text { get; private set; } = "";

    public int Cursor { get; private set; }

    public EditOutcome Apply(ConsoleKeyInfo key)
    {
        bool control = key.Modifiers.HasFlag(ConsoleModifiers.Control);
        switch (key.Key)
        {
            case ConsoleKey.Enter: return EditOutcome.Accepted;
            case ConsoleKey.Tab: return EditOutcome.Complete;
            case ConsoleKey.C when control: return EditOutcome.Cancelled;
            case ConsoleKey.L when control: return EditOutcome.ClearScreen;
            case ConsoleKey.J or ConsoleKey.M when control: return EditOutcome.Accepted;
            case ConsoleKey.D when control && Text.Length == 0: return EditOutcome.Ended;
            case ConsoleKey.D when control:
            case ConsoleKey.Delete: Delete(Cursor, Next(Cursor)); break;
            case ConsoleKey.H when control:
            case ConsoleKey.Backspace: Delete(Previous(Cursor), Cursor); break;
            case ConsoleKey.U when control: Delete(0, Cursor); break;
            case ConsoleKey.K when control: Delete(Cursor, Text.Length); break;
            case ConsoleKey.W when control: Delete(WordBefore(), Cursor); break;
            case ConsoleKey.LeftArrow when control: Cursor = WordBefore(); break;
            case ConsoleKey.RightArrow when control: Cursor = WordAfter(); break;
            case ConsoleKey.B when control:
            case ConsoleKey.LeftArrow: Cursor = Previous(Cursor); break;
            case ConsoleKey.F when control:
            case ConsoleKey.RightArrow: Cursor = Next(Cursor); break;
            case ConsoleKey.A when control:
            case ConsoleKey.Home: Cursor = 0; break;
            case ConsoleKey.E when control:
            case ConsoleKey.End: Cursor = Text.Length; break;
            case ConsoleKey.P when control:
            case ConsoleKey.UpArrow: Recall(_at - 1); break;
            case ConsoleKey.N when control:
            case ConsoleKey.DownArrow: Recall(_at + 1); break;
            default:
                if (!char.IsControl(key.KeyChar) && !control) Insert(key.KeyChar.ToString());
                break;
        }
        return EditOutcome.Edited;
    }

    public void Insert(string text) => Replace(Cursor, text);

    /// <summary>Replaces the text from <paramref name="start"/> to the cursor with <paramref name="text"/>.</summary>
    public void Replace(int start, string text)
    {
        Text = Text[..start] + text + Text[Cursor..];
        Cursor = start + text.Length;
    }

    private void Delete(int start, int end)
    {
        Text = Text[..start] + Text[end..];
        Cursor = start;
    }

    /// <summary>After the newest entry comes the line that was being typed.</summary>
    private void Recall(int index)
    {
        if (index < 0 || index > history.Count) return;
        if (_at == history.Count) _draft = Text;
        _at = index;
        Text = index == history.Count ? _draft : history[index];
        Cursor = Text.Length;
    }

    /// <summary>One character, which may be two UTF-16 units.</summary>
    private int Previous(int at) => at == 0 ? 0 : at - (at >= 2 && char.IsSurrogatePair(Text[at - 2], Text[at - 1]) ? 2 : 1);

    private int Next(int at) => at == Text.Length ? at : at + (at + 1 < Text.Length && char.IsSurrogatePair(Text[at], Text[at + 1]) ? 2 : 1);

    private int WordBefore()
    {
        int at = Cursor;
        while (at > 0 && char.IsWhiteSpace(Text[at - 1])) at--;
        while (at > 0 && !char.IsWhiteSpace(Text[at - 1])) at--;
        return at;
    }

    private int WordAfter()
    {
        int at = Cursor;
        while (at < Text.Length && char.IsWhiteSpace(Text[at])) at++;
        while (at < Text.Length && !char.IsWhiteSpace(Text[at])) at++;
        return at;
    }
}
