namespace ActorLb.Protocol.CommandLine;

/// <summary>The examples below a command's help.</summary>
public static class ExamplesText
{
    public static void Write(TextWriter output, IReadOnlyCollection<string> examples)
    {
        if (examples.Count == 0) return;
        output.WriteLine(examples.Count == 1 ? "Example:" : "Examples:");
        foreach (string example in examples) output.WriteLine($"  {example}");
        output.WriteLine();
    }
}
