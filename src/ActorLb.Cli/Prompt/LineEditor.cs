using ActorLb.Cli.Output;
using ActorLb.Protocol.Text;

namespace ActorLb.Cli.Prompt;

/// <summary>Reads a line from a terminal with editing, history and completion. A line wider than the terminal scrolls sideways.</summary>
internal sealed class LineEditor(TextWriter output, LineHistory history, Func<string, Candidates> complete)
{
    private const int MostShown = 100;

    private string _prompt = "";

    /// <returns>Null at the end of input.</returns>
    public string? ReadLine(string prompt)
    {
        _prompt = prompt;
        var buffer = new EditBuffer(history.Lines);
        // Ctrl-C discards the line at the prompt; a running command gets it as a signal. The switch must be done before the prompt appears.
        Console.TreatControlCAsInput = true;
        try
        {
            Draw(buffer);
            while (true)
            {
                switch (buffer.Apply(Console.ReadKey(intercept: true)))
                {
                    case EditOutcome.Accepted:
                        output.Write("\r\n");
                        return buffer.Text;
                    case EditOutcome.Cancelled:
                        output.Write("^C\r\n");
                        return "";
                    case EditOutcome.Ended:
                        output.Write("\r\n");
                        return null;
                    case EditOutcome.ClearScreen:
                        output.Write("\u001b[H\u001b[2J");
                        break;
                    case EditOutcome.Complete:
                        Complete(buffer);
                        break;
                }
                Draw(buffer);
            }
        }
        catch (InvalidOperationException)
        {
            // The terminal is gone.
            return null;
        }
        finally
        {
            Console.TreatControlCAsInput = false;
        }
    }

    private void Complete(EditBuffer buffer)
    {
        var found = complete(buffer.Text[..buffer.Cursor]);
        if (found.Words.Length == 1)
        {
            buffer.Replace(found.Start, Words.Quote(found.Words[0]) + " ");
            return;
        }
        string typed = buffer.Text[found.Start..buffer.Cursor];
        if (found.CommonStart.Length > typed.Length)
        {
            buffer.Replace(found.Start, found.CommonStart);
            return;
        }
        if (found.Words.Length == 0) return;
        output.Write("\r\n" + string.Join("  ", found.Words.Take(MostShown).Select(Printable.Of)));
        output.Write(found.Words.Length > MostShown ? $"  and {found.Words.Length - MostShown} more\r\n" : "\r\n");
    }

    private void Draw(EditBuffer buffer)
    {
        int room = Math.Max(10, Width() - _prompt.Length - 1);
        int from = Math.Max(0, buffer.Cursor - room);
        string shown = buffer.Text[from..Math.Min(buffer.Text.Length, from + room)];
        int column = _prompt.Length + buffer.Cursor - from;
        // To the line's start, clear it, write, and back to the cursor's column (ECMA-48: EL, CUF).
        output.Write($"\r\u001b[K{_prompt}{SafeText.Masked(shown)}\r{(column > 0 ? $"\u001b[{column}C" : "")}");
        output.Flush();
    }

    private static int Width()
    {
        try
        {
            return Console.WindowWidth is > 0 and var width ? width : 80;
        }
        catch (IOException)
        {
            return 80;
        }
    }
}
