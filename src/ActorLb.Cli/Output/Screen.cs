using System.Text;
using ActorLb.Protocol.Text;
using Spectre.Console;

namespace ActorLb.Cli.Output;

/// <summary>What a command writes to: tables for people or the API's JSON, and errors beside it. Whatever a node answers, nothing reaches
/// the terminal that it would act upon.</summary>
internal sealed class Screen
{
    /// <summary>Cells are never folded: a line that is too long for the terminal goes on in its next, where it can still be copied.</summary>
    private const int Unfolded = 4096;

    /// <summary>A cell is cut behind so many characters: a client id may have 65,535 bytes, which --json shows whole.</summary>
    private const int LongestCell = 160;

    private const int LongestLine = 16 * 1024;

    private static readonly string[] Good = ["up", "ready", "open", "established"];
    private static readonly string[] Bad = ["down", "unreachable", "paused", "leaving"];

    private readonly IAnsiConsole _console;
    private readonly TextWriter _error;

    public Screen(TextWriter output, TextWriter error, bool isTerminal)
    {
        Output = output;
        _error = error;
        IsTerminal = isTerminal;
        _console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = AnsiSupport.Detect,
            ColorSystem = Environment.GetEnvironmentVariable("NO_COLOR") is null or "" ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        _console.Profile.Width = Unfolded;
    }

    public TextWriter Output { get; }

    public bool IsTerminal { get; }

    public void Line(string text) => Output.WriteLine(SafeText.Shortened(SafeText.OfMessage(text), LongestLine));

    public void Error(string text)
    {
        foreach (string line in text.Split('\n')) _error.WriteLine($"pbm: {SafeText.Shortened(SafeText.OfMessage(line), LongestLine)}");
    }

    /// <summary>Its values stay what they are: what is not safe to show is escaped, as JSON may have it.</summary>
    public void Json(ReadOnlySpan<byte> json) => Json(Encoding.UTF8.GetString(json));

    public void Json(string json) => Output.WriteLine(SafeText.OfDocument(json));

    /// <summary>Lines with a syntax of their own.</summary>
    public void Document(string text) => Output.Write(SafeText.OfDocument(text));

    /// <param name="columns">Those that begin with '>' are aligned right.</param>
    public void Table(string[] columns, IEnumerable<string[]> rows)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in columns)
        {
            bool right = column.StartsWith('>');
            var header = new TableColumn(new Text(column.TrimStart('>'), new Style(decoration: Decoration.Bold)));
            table.AddColumn(right ? header.RightAligned() : header);
        }
        foreach (string[] row in rows) table.AddRow(row.Select(Cell));
        Write(table);
    }

    /// <summary>One thing: a name and a value a line.</summary>
    public void Facts(params (string Name, string Value)[] facts)
    {
        Grid grid = new Grid().AddColumn().AddColumn();
        foreach ((string name, string value) in facts) grid.AddRow(new Text(name), Cell(value));
        Write(grid);
    }

    private static Text Cell(string value) => new(
        SafeText.Shortened(SafeText.OfMessage(value), LongestCell), Good.Contains(value) ? new Style(Color.Green) : Bad.Contains(value) ? new Style(Color.Red) : Style.Plain);

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
