using Spectre.Console;

namespace ActorLb.Cli.Output;

/// <summary>
/// The rows of a table that is too wide for the terminal, one below the other: the first value is a heading, the others follow as
/// name and value, as many per line as fit, at the same positions for every row. Lines break only at spaces.
/// </summary>
internal sealed class Records
{
    private const int Indent = 2, Gap = 3;

    private readonly string[] _names;
    private readonly int[] _widths;
    private readonly int _width;

    /// <param name="names">Of the columns; the first one is not shown.</param>
    /// <param name="width">Of the terminal.</param>
    public Records(string[] names, IReadOnlyList<string[]> rows, int width)
    {
        _names = names;
        _width = width;
        _widths = [.. names.Select((name, i) => WordWrap.Cells(name) + 2 + rows.Select(r => WordWrap.Cells(r[i])).DefaultIfEmpty(0).Max())];
    }

    public void AppendTo(Paragraph text, string[] row, Func<string, Style> styleOf)
    {
        text.Append(row[0] + "\n", new Style(decoration: Decoration.Bold));
        int used = 0;
        for (int i = 1; i < row.Length; i++)
        {
            bool begins = used == 0 || used + Gap + _widths[i] > _width;
            if (begins) text.Append((used == 0 ? "" : "\n") + new string(' ', Indent));
            else text.Append(new string(' ', Gap));
            used = begins ? Indent : used + Gap;
            text.Append(_names[i] + ": ");
            int name = WordWrap.Cells(_names[i]) + 2;
            string[] lines = [.. WordWrap.Lines(row[i], _width, Indent * 2, used + name)];
            text.Append(string.Join('\n', lines), styleOf(row[i]));
            int rest = _widths[i] - name - WordWrap.Cells(row[i]);
            if (rest > 0 && lines.Length == 1) text.Append(new string(' ', rest));
            // A value of several lines must be the last on its line.
            used = lines.Length == 1 ? used + _widths[i] : _width;
        }
        text.Append("\n");
    }
}
