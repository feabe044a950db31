using Spectre.Console.Rendering;

namespace ActorLb.Cli.Output;

/// <summary>Wraps text to the terminal's width, breaking only at spaces so that names and addresses can be copied. A word longer than a
/// line gets its own line, which the terminal then wraps.</summary>
internal static class WordWrap
{
    /// <summary>Columns that the text occupies on a terminal.</summary>
    public static int Cells(string text) => new Segment(text).CellCount();

    /// <param name="width">Of a line.</param>
    /// <param name="indent">Spaces at the start of every line but the first.</param>
    /// <param name="begun">Columns of the first line that are already used.</param>
    public static IEnumerable<string> Lines(string text, int width, int indent = 0, int begun = 0)
    {
        if (begun + Cells(text) <= width) return [text];
        var lines = new List<string>();
        string line = "";
        int used = begun;
        foreach (string word in text.Split(' '))
        {
            int cells = Cells(word);
            if (line.Length > 0 && used + 1 + cells > width)
            {
                lines.Add(line);
                line = new string(' ', indent) + word;
                used = indent + cells;
                continue;
            }
            line = line.Length == 0 ? word : $"{line} {word}";
            used += cells + (line.Length == word.Length ? 0 : 1);
        }
        lines.Add(line);
        return lines;
    }
}
