namespace ActorLb.Protocol.CommandLine;

/// <summary>What stands below a command's help: how it looks in use.</summary>
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
