using System.Text.RegularExpressions;
using ActorLb.Server.Commands;
using ActorLb.Testing;

namespace ActorLb.Tests.Documentation;

/// <summary>Every configuration in the documents is accepted: whole ones as they stand, parts of the block <c>actorlb</c> within the least that makes one whole.</summary>
public sealed partial class ConfigurationBlocksTests(NamedFiles files) : IClassFixture<NamedFiles>
{
    public static TheoryData<string, int> Blocks
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (var block in DocumentBlocks.All.Where(b => b.Language == "hocon")) data.Add(block.Document, block.Line);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Block_ByCheck_IsValidWithoutAWarning(string document, int line)
    {
        string text = DocumentBlocks.Of(document).Single(b => b.Line == line).Text;
        if (!Whole().IsMatch(text)) text = $"actorlb {{\n{Least}\n{text}\n}}";
        using var folder = new TempFolder();
        foreach (string name in Named().Matches(text).Select(m => m.Groups["file"].Value).Distinct()) folder.Write(name, files.ContentOf(name));
        string file = folder.Write("actorlb.conf", text);
        using var output = new StringWriter();

        int code = CheckCommand.Check(file, portable: true, output, output);

        string[] warnings = [.. output.ToString().Split('\n').Where(l => l.StartsWith("warning: ", StringComparison.Ordinal) && !OfThisMachine.Any(w => l.Contains(w, StringComparison.Ordinal)))];
        Assert.True(code == 0 && warnings.Length == 0, $"{document}:{line}: {output}");
    }

    /// <summary>What the environment or a file beside it would say.</summary>
    private static readonly string[] OfThisMachine = ["actorlb.cluster.advertise: is not set", "site.conf' does not exist"];

    private const string Least = """
        pools.emqx.backends = ["emqx1.example.com:1883"]
        listeners.mqtt { bind = "0.0.0.0:1883", pool = emqx }
        """;

    [GeneratedRegex(@"^actorlb\b", RegexOptions.Multiline)]
    private static partial Regex Whole();

    /// <summary>A file that the configuration names.</summary>
    [GeneratedRegex("\"(?<file>[a-z][a-z0-9_/-]*\\.(?:pem|crt|key|secret|token|headers))\"")]
    private static partial Regex Named();
}
