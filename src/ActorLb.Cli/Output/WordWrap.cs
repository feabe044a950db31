using Spectre.Console.Rendering;

namespace ActorLb.Cli.Output;

/// <summary>Text in lines of a terminal: broken at blanks alone, so that names and addresses can be copied. A word that is longer than a
/// line has a line of its own, which the terminal goes on with in its next.</summary>
internal static class WordWrap
{
    /// <summary>Columns that a terminal takes for the text.</summary>
    public static int Cells(string text) => new Segment(text).CellCount();

    /// <param name="width">Of a line.</param>
    /// <param name="indent">Blanks at the beginning of all lines but the first.</param>
    /// <param name="begun">Columns of the first line that are taken already.</param>
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
