using System.Text;
using ActorLb.Protocol.Text;
using Spectre.Console;

namespace ActorLb.Cli.Output;

/// <summary>What a command writes to: tables for people or the API's JSON, and errors beside it. Whatever a node answers, nothing reaches
/// the terminal that it would act upon.</summary>
internal sealed class Screen
{
    /// <summary>Where nobody reads at a terminal lines are as long as they are.</summary>
    public const int Unfolded = 4096;

    /// <summary>A cell is cut behind so many characters: a client id may have 65,535 bytes, which --json shows whole.</summary>
    private const int LongestCell = 160;

    private const int LongestLine = 16 * 1024;

    private static readonly string[] Good = ["up", "ready", "open", "established"];
    private static readonly string[] Bad = ["down", "unreachable", "paused", "leaving"];

    private readonly IAnsiConsole _console;
    private readonly TextWriter _error;
    private readonly Func<int> _width;
    private readonly Func<int> _height;
    private readonly Func<string, bool> _emit;

    /// <param name="width">Of a line, asked for each time: a terminal's may change.</param>
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
            Out = new AnsiConsoleOutput(output), Ansi = ansi, ColorSystem = colors, Interactive = InteractionSupport.No,
        });
        _console.Profile.Width = Unfolded;
    }

    public TextWriter Output { get; }

    public bool IsTerminal { get; }

    /// <summary>Columns of a line.</summary>
    public int Width => _width();

    /// <summary>Lines of the terminal.</summary>
    public int Height => Math.Max(1, _height());

    /// <summary>Writes what was made ready elsewhere; false when nobody reads the output any more.</summary>
    public bool Emit(string text) => _emit(text);

    /// <summary>The same screen, with what is written kept in <paramref name="buffer"/>.</summary>
    /// <param name="withErrors">Errors, too; else they go where they always do.</param>
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

    /// <summary>Its values stay what they are: what is not safe to show is escaped, as JSON may have it.</summary>
    public void Json(ReadOnlySpan<byte> json) => Json(Encoding.UTF8.GetString(json));

    public void Json(string json) => Output.WriteLine(SafeText.OfDocument(json));

    /// <summary>Lines with a syntax of their own.</summary>
    public void Document(string text) => Output.Write(SafeText.OfDocument(text));

    /// <summary>Rows below their names, or one below the other where the terminal is too narrow for that.</summary>
    /// <param name="columns">Those that begin with '>' are aligned right. The first one tells the rows apart.</param>
    public void Table(string[] columns, IEnumerable<string[]> rows)
    {
        string[][] shown = [.. rows.Select(row => row.Select(Shown).ToArray())];
        string[] names = [.. columns.Select(c => c.TrimStart('>'))];
        // Each column has a blank at either side, and there are one between two and two at the ends.
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
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in columns)
        {
            bool right = column.StartsWith('>');
            var header = new TableColumn(new Text(column.TrimStart('>'), new Style(decoration: Decoration.Bold)));
            table.AddColumn(right ? header.RightAligned() : header);
        }
        foreach (string[] row in shown) table.AddRow(row.Select(Cell));
        Write(table);
    }

    /// <summary>One thing: a name and a value a line.</summary>
    public void Facts(params (string Name, string Value)[] facts)
    {
        int names = facts.Max(f => f.Name.Length) + 2, width = Math.Max(1, Width - names);
        Grid grid = new Grid().AddColumn().AddColumn();
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
        // Cells are padded to their column; blanks at the end of a line serve nobody in a file.
        using var text = new StringWriter();
        IAnsiConsole plain = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
        plain.Profile.Width = Unfolded;
        plain.Write(what);
        foreach (string line in text.ToString().TrimEnd('\n').Split('\n'))
        {
            if (line.Trim().Length > 0) Output.WriteLine(line.TrimEnd());
        }
    }
}
