using System.Text.RegularExpressions;
using ActorLb.Testing;

namespace ActorLb.Tests;

/// <summary>Which part of the engine may know which: a newcomer can rely on the folders' names.</summary>
public sealed partial class LayeringTests
{
    [Theory]
    [InlineData("Supervision", "Balancing", "Health", "Discovery", "Sticky", "Proxying", "Fleet", "Standalone", "Hosting")]
    [InlineData("Balancing", "Sticky", "Proxying", "Fleet", "Standalone", "Hosting")]
    [InlineData("Health", "Sticky", "Proxying", "Fleet", "Standalone", "Hosting")]
    [InlineData("Discovery", "Sticky", "Proxying", "Fleet", "Standalone", "Hosting")]
    [InlineData("Sticky", "Proxying", "Fleet", "Standalone", "Hosting")]
    [InlineData("Proxying", "Fleet", "Standalone", "Hosting")]
    [InlineData("Proxying/Streams", "Health")]
    [InlineData("Tls", "Fleet", "Standalone", "Hosting")]
    [InlineData("Fleet", "Proxying")]
    public void Folder_OfTheEngine_UsesNothingThatStandsAboveIt(string folder, params string[] forbidden)
    {
        foreach (string file in Sources(Path.Combine("src", "ActorLb", folder)))
        {
            string text = File.ReadAllText(file);
            foreach (string above in forbidden) Assert.False(Regex.IsMatch(text, $@"\bActorLb\.{above}\b"), $"{file} uses {above}");
        }
    }

    /// <summary>No actor stands on the way of a byte or of a CONNECT, but for the data plane of Akka.Streams, which nothing else knows.</summary>
    [Theory]
    [InlineData("Balancing")]
    [InlineData("Proxying")]
    [InlineData("Sticky")]
    public void Folder_OfTheDataPlane_KnowsNoActors(string folder)
    {
        foreach (string file in Sources(Path.Combine("src", "ActorLb", folder)).Where(f => !f.Contains("/Proxying/Streams/")))
        {
            string text = File.ReadAllText(file);
            Assert.DoesNotContain("Akka.", text, StringComparison.Ordinal);
            Assert.DoesNotContain("ActorLb.Proxying.Streams", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Unsafe_StandsOnlyWhereItIsMeantTo()
    {
        foreach (string file in Sources("src"))
        {
            if (!File.ReadLines(file).Any(l => !l.TrimStart().StartsWith("//", StringComparison.Ordinal) && UnsafeCode().IsMatch(l))) continue;
            string path = file.Replace(Path.DirectorySeparatorChar, '/');
            Assert.True(path.Contains("/Native/") || path.EndsWith("/Sticky/ShardTable.cs", StringComparison.Ordinal), $"{path} has unsafe code");
        }
    }

    [Fact]
    public void Protocol_References_Nothing()
    {
        string project = File.ReadAllText(RepositoryRoot.File("src", "ActorLb.Protocol", "ActorLb.Protocol.csproj"));
        Assert.DoesNotContain("<ProjectReference", project, StringComparison.Ordinal);
        string cli = File.ReadAllText(RepositoryRoot.File("src", "ActorLb.Cli", "ActorLb.Cli.csproj"));
        Assert.Equal(1, Regex.Count(cli, "<ProjectReference"));
    }

    /// <summary>The balancer reads MQTT itself; the library of clients and brokers is for bench and demo.</summary>
    [Fact]
    public void MqttNet_IsTheServersAlone()
    {
        foreach (string project in (string[])["ActorLb.Protocol", "ActorLb", "ActorLb.Cli"])
            Assert.DoesNotContain("MQTTnet", File.ReadAllText(RepositoryRoot.File("src", project, project + ".csproj")), StringComparison.Ordinal);
        foreach (string file in Sources(Path.Combine("src", "ActorLb.Server")).Where(f => !f.Contains("/Bench/") && !f.Contains("/Demo/")))
            Assert.DoesNotContain("using MQTTnet", File.ReadAllText(file), StringComparison.Ordinal);
    }

    [Fact]
    public void EventIds_NameOneEventEach()
    {
        // Whoever filters a log by an id gets that event and no other; ids are by folder.
        var twice = Sources("src").SelectMany(f => EventId().Matches(File.ReadAllText(f)).Select(m => (Id: m.Groups[1].Value, File: f)))
            .GroupBy(e => e.Id).Where(g => g.Count() > 1).Select(g => $"{g.Key}: {string.Join(", ", g.Select(e => e.File))}");
        Assert.Empty(twice);
    }

    private static IEnumerable<string> Sources(string folder)
    {
        string[] files = [.. Directory.EnumerateFiles(RepositoryRoot.File(folder), "*.cs", SearchOption.AllDirectories).Where(f => !f.Contains("/obj/"))];
        Assert.NotEmpty(files);
        return files;
    }

    [GeneratedRegex(@"\[LoggerMessage\((?:EventId = )?(\d+)")]
    private static partial Regex EventId();

    [GeneratedRegex(@"\bunsafe\b(?! code)")]
    private static partial Regex UnsafeCode();
}
