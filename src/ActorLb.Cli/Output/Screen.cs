using System.Text;
using ActorLb.Protocol.Text;
using Spectre.Console;

namespace ActorLb.Cli.Output;

/// <summary>Where a command writes: tables for people or the API's JSON, and errors to standard error. Nothing that a node answers can
/// reach the terminal as a control sequence.</summary>
internal sealed class Screen
{
    /// <summary>Without a terminal, lines are not wrapped.</summary>
    public const int Unfolded = 4096;

    /// <summary>A longer cell is cut: a client id may have 65,535 bytes, which --json shows in full.</summary>
    private const int LongestCell = 160;

    private const int LongestLine = 16 * 1024;

    private static readonly string[] Good = ["up", "ready", "open", "established"];
    private static readonly string[] Bad = ["down", "unreachable", "paused", "leaving"];

    private readonly IAnsiConsole _console;
    private readonly TextWriter _error;
    private readonly Func<int> _width;
    private readonly Func<int> _height;
    private readonly Func<string, bool> _emit;

    /// <param name="width">Of a line; asked for each time because a terminal's may change.</param>
    /// <param name="height">Lines of the terminal.</param>
    /// <param name="emit">See <see cref="Emit"/>; null writes to the output.</param>
    public Screen(TextWriter output, TextWriter error, bool isTerminal, Func<int>? width = null, Func<int>? height = null, Func<string, bool>? emit = null)
        : this(
            output, error, isTerminal, width ?? (() => Unfolded), height ?? (() => int.MaxValue), emit ?? (text => Written(output, text)),
            AnsiSupport.Detect, Environment.GetEnvironmentVariable("NO_COLOR") is null or "" ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors)
    {
    }

    private Screen(
        TextWriter output, TextWriter error, bool isTerminal, Func<int> width, Func<int> height, Func<string, bool> emit, AnsiSupport ansi,
        ColorSystemSupport colors)
    {
        Output = output;
        _error = error;
        _width = width;
        _height = height;
        _emit = emit;
        IsTerminal = isTerminal;
        _console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = ansi,
            ColorSystem = colors,
            Interactive = InteractionSupport.No,
        });
        _console.Profile.Width = Unfolded;
    }

    public TextWriter Output { get; }

    public bool IsTerminal { get; }

    /// <summary>Columns of a line.</summary>
    public int Width => _width();

    /// <summary>Lines of the terminal.</summary>
    public int Height => Math.Max(1, _height());

    /// <summary>Writes text that is already formatted; false when the reader of the output is gone.</summary>
    public bool Emit(string text) => _emit(text);

    /// <summary>The same screen, writing into <paramref name="buffer"/>.</summary>
    /// <param name="withErrors">Errors too; otherwise they go to standard error as always.</param>
    public Screen Buffered(TextWriter buffer, bool withErrors) => new(
        buffer, withErrors ? buffer : _error, IsTerminal, _width, _height, _emit, _console.Profile.Capabilities.Ansi ? AnsiSupport.Yes : AnsiSupport.No,
        _console.Profile.Capabilities.ColorSystem switch
        {
            ColorSystem.Legacy => ColorSystemSupport.Legacy,
            ColorSystem.Standard => ColorSystemSupport.Standard,
            ColorSystem.EightBit => ColorSystemSupport.EightBit,
            ColorSystem.TrueColor => ColorSystemSupport.TrueColor,
            _ => ColorSystemSupport.NoColors,
        });

    public void Line(string text) => Write(Output, SafeText.Shortened(SafeText.OfMessage(text), LongestLine));

    public void Error(string text)
    {
        foreach (string line in text.Split('\n')) Write(_error, $"pbm: {SafeText.Shortened(SafeText.OfMessage(line), LongestLine)}");
    }

    /// <summary>Values are unchanged: characters that are not safe to show are written as JSON escapes.</summary>
    public void Json(ReadOnlySpan<byte> json) => Json(Encoding.UTF8.GetString(json));

    public void Json(string json) => Output.WriteLine(SafeText.OfDocument(json));

    /// <summary>Writes lines that have their own syntax.</summary>
    public void Document(string text) => Output.Write(SafeText.OfDocument(text));

    /// <summary>Rows below their column names, or as records where the terminal is too narrow for that.</summary>
    /// <param name="columns">Names that start with '>' are aligned right. The first column identifies the row.</param>
    public void Table(string[] columns, IEnumerable<string[]> rows)
    {
        string[][] shown = [.. rows.Select(row => row.Select(Shown).ToArray())];
        string[] names = [.. columns.Select(c => c.TrimStart('>'))];
        // Each column has a space on either side, with one border between two columns and one at each end.
        int needed = names.Select((name, i) => shown.Select(r => WordWrap.Cells(r[i])).Append(WordWrap.Cells(name)).Max() + 3).Sum() + 1;
        int width = Width;
        if (shown.Length > 0 && needed > width)
        {
            var records = new Records(names, shown, width);
            var text = new Paragraph();
            foreach (string[] row in shown) records.AppendTo(text, row, StyleOf);
            Write(text);
            return;
        }
        var table = new Table().Border(TableBorder.Simple);
        foreach (string column in columns)
        {
            bool right = column.StartsWith('>');
            var header = new TableColumn(new Text(column.TrimStart('>'), new Style(decoration: Decoration.Bold)));
            table.AddColumn(right ? header.RightAligned() : header);
        }
        foreach (string[] row in shown) table.AddRow(row.Select(Cell));
        Write(table);
    }

    /// <summary>One object: a name and a value per line.</summary>
    public void Facts(params (string Name, string Value)[] facts)
    {
        int names = facts.Max(f => f.Name.Length) + 2, width = Math.Max(1, Width - names);
        var grid = new Grid().AddColumn().AddColumn();
        foreach ((string name, string value) in facts)
        {
            string shown = Shown(value);
            grid.AddRow(new Text(name), new Text(string.Join('\n', WordWrap.Lines(shown, width)), StyleOf(shown)));
        }
        Write(grid);
    }

    private static bool Written(TextWriter output, string text)
    {
        output.Write(text);
        return true;
    }

    private static string Shown(string value) => SafeText.Shortened(SafeText.OfMessage(value), LongestCell);

    private static Text Cell(string shown) => new(shown, StyleOf(shown));

    private static Style StyleOf(string shown) =>
        Good.Contains(shown) ? new Style(Color.Green) : Bad.Contains(shown) ? new Style(Color.Red) : Style.Plain;

    private void Write(TextWriter to, string line)
    {
        foreach (string part in WordWrap.Lines(line, Width, indent: 2)) to.WriteLine(part);
    }

    private void Write(Spectre.Console.Rendering.IRenderable what)
    {
        if (IsTerminal)
        {
            _console.Write(what);
            return;
        }
        // Cells are padded to the column's width; trailing spaces are useless in a file.
        using var text = new StringWriter();
        var plain = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
        plain.Profile.Width = Unfolded;
        plain.Write(what);
        foreach (string line in text.ToString().TrimEnd('\n').Split('\n'))
        {
            if (line.Trim().Length > 0) Output.WriteLine(line.TrimEnd());
        }
    }
}
