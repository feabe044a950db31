using System.Text;
using ActorLb.Testing;

namespace ActorLb.Tests.Documentation;

/// <summary>A fenced block of a document.</summary>
/// <param name="Document">Relative to the repository, such as <c>docs/tour.md</c>.</param>
/// <param name="Line">Of the opening fence.</param>
/// <param name="Language">What stands behind the fence; may be empty.</param>
internal sealed record DocumentBlock(string Document, int Line, string Language, string[] Lines)
{
    public string Text => string.Join('\n', Lines);

    public override string ToString() => $"{Document}:{Line}";
}

/// <summary>A command as a document shows it, with what the document says that it prints.</summary>
/// <param name="Text">May have several lines: a here document, or lines that end with a backslash.</param>
internal sealed record ShownCommand(DocumentBlock Block, int Line, string Text, string[] Output)
{
    public string Document => Block.Document;

    /// <summary>An output that begins with an error is that of a command that fails.</summary>
    public bool Fails => Output.Any(l => l.StartsWith("error: ", StringComparison.Ordinal));

    public override string ToString() => $"{Document}:{Line}: {Text}";
}

/// <summary>
/// What users read. A block <c>sh</c> holds commands alone; in a block <c>console</c> a command stands behind "$ ", goes on behind "> ", and is
/// followed by its output.
/// </summary>
internal static class DocumentBlocks
{
    public static string[] Documents { get; } =
    [
        .. Directory.EnumerateFiles(RepositoryRoot.File("docs"), "*.md").Append(RepositoryRoot.File("README.md"))
            .Select(f => Path.GetRelativePath(RepositoryRoot.File(), f)).Order(StringComparer.Ordinal),
    ];

    public static IEnumerable<DocumentBlock> All => Documents.SelectMany(Of);

    public static IEnumerable<DocumentBlock> Of(string document)
    {
        string[] lines = File.ReadAllLines(RepositoryRoot.File(document));
        for (int i = 0; i < lines.Length; i++)
        {
            int indent = lines[i].Length - lines[i].TrimStart(' ').Length;
            if (!lines[i].AsSpan(indent).StartsWith("```")) continue;
            int end = Array.FindIndex(lines, i + 1, l => l.Trim() == "```");
            Assert.True(end > 0, $"{document}:{i + 1}: the block does not end");
            yield return new DocumentBlock(document, i + 1, lines[i][(indent + 3)..], [.. lines[(i + 1)..end].Select(l => l.Length > indent ? l[indent..] : "")]);
            i = end;
        }
    }

    public static IEnumerable<ShownCommand> Commands(DocumentBlock block) => block.Language switch
    {
        "sh" => OfScript(block),
        "console" => OfTranscript(block),
        _ => [],
    };

    private static IEnumerable<ShownCommand> OfScript(DocumentBlock block)
    {
        for (int i = 0; i < block.Lines.Length; i++)
        {
            if (block.Lines[i].Trim() is "" or ['#', ..]) continue;
            int first = i;
            while (block.Lines[i].EndsWith('\\') && i + 1 < block.Lines.Length) i++;
            yield return new ShownCommand(block, block.Line + 1 + first, string.Join('\n', block.Lines[first..(i + 1)]), []);
        }
    }

    private static IEnumerable<ShownCommand> OfTranscript(DocumentBlock block)
    {
        for (int i = 0; i < block.Lines.Length;)
        {
            Assert.True(block.Lines[i].StartsWith("$ ", StringComparison.Ordinal), $"{block}: line {i + 1} is the output of no command");
            int first = i;
            var text = new StringBuilder(block.Lines[i++][2..]);
            for (; i < block.Lines.Length && block.Lines[i].StartsWith("> ", StringComparison.Ordinal); i++) text.Append('\n').Append(block.Lines[i][2..]);
            int output = i;
            while (i < block.Lines.Length && !block.Lines[i].StartsWith("$ ", StringComparison.Ordinal)) i++;
            yield return new ShownCommand(block, block.Line + 1 + first, text.ToString(), block.Lines[output..i]);
        }
    }
}
