using System.Reflection;
using System.Text.RegularExpressions;
using ActorLb.Hosting;
using ActorLb.Testing;
using NetArchTest.Rules;

namespace ActorLb.Tests;

/// <summary>Which part of the engine may know which: a newcomer can rely on the folders' names.</summary>
public sealed partial class LayeringTests
{
    private const string Engine = "ActorLb";

    private static readonly Assembly EngineAssembly = typeof(Node).Assembly;

    /// <summary>What each folder of the engine must not use. Hosting composes the node and uses all of them.</summary>
    public static TheoryData<string, string[]> Forbidden { get; } = new()
    {
        { "Supervision", ["Balancing", "Configuration", "Discovery", "Fleet", "Health", "Hosting", "Native", "Operations", "Proxying", "Standalone", "Sticky", "Tls"] },
        { "Configuration", ["Fleet", "Hosting", "Operations", "Proxying", "Standalone"] },
        { "Native", ["Fleet", "Hosting", "Operations", "Proxying", "Standalone", "Sticky"] },
        { "Tls", ["Balancing", "Fleet", "Hosting", "Operations", "Standalone", "Sticky"] },
        { "Balancing", ["Fleet", "Hosting", "Operations", "Proxying", "Standalone", "Sticky"] },
        { "Discovery", ["Fleet", "Hosting", "Operations", "Proxying", "Standalone", "Sticky"] },
        { "Health", ["Fleet", "Hosting", "Operations", "Proxying", "Standalone", "Sticky"] },
        { "Sticky", ["Discovery", "Fleet", "Health", "Hosting", "Operations", "Proxying", "Standalone"] },
        { "Fleet", ["Proxying", "Hosting", "Operations", "Standalone"] },
        { "Proxying", ["Fleet", "Hosting", "Operations", "Standalone"] },
        { "Telemetry", ["Fleet", "Hosting", "Operations", "Standalone"] },
        { "Standalone", ["Fleet", "Hosting"] },
        { "Operations", ["Hosting"] },
    };

    [Fact]
    public void Folders_OfTheEngine_HaveARuleEach() => Assert.Equal(
        Directory.GetDirectories(RepositoryRoot.File("src", "ActorLb")).Select(d => Path.GetFileName(d)).Where(d => d is not ("bin" or "obj" or "Hosting")).Order(StringComparer.Ordinal),
        Forbidden.Select(row => row.Data.Item1).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Forbidden))]
    public void Folder_OfTheEngine_UsesNothingAboveIt(string folder, string[] forbidden) => Holds(
        Types.InAssembly(EngineAssembly).That().ResideInNamespace($"{Engine}.{folder}")
            .ShouldNot().HaveDependencyOnAny([.. forbidden.Select(f => $"{Engine}.{f}")]));

    /// <summary>No actor is on the way of a byte or of a CONNECT, but on the data plane of Akka.Streams.</summary>
    [Theory]
    [InlineData("Balancing")]
    [InlineData("Sticky")]
    [InlineData("Tls")]
    [InlineData("Native")]
    [InlineData("Proxying")]
    public void Folder_OfTheDataPlane_UsesNoAkka(string folder) => Holds(
        Types.InAssembly(EngineAssembly).That().ResideInNamespace($"{Engine}.{folder}")
            .And().DoNotResideInNamespace($"{Engine}.Proxying.Streams").ShouldNot().HaveDependencyOnAny("Akka"));

    /// <summary>The rules above see a use in a method's body and in a folder below.</summary>
    [Fact]
    public void Rule_ThatIsBroken_Fails() => Assert.Contains(
        Types.InAssembly(EngineAssembly).That().ResideInNamespace($"{Engine}.Proxying").ShouldNot().HaveDependencyOnAny("Akka").GetResult().FailingTypes,
        t => t.FullName == "ActorLb.Proxying.Streams.StreamsPlane");

    private static void Holds(ConditionList rule)
    {
        var result = rule.GetResult();
        Assert.True(result.LoadedTypes.Count > 0, "The rule matches no type.");
        Assert.Empty(result.FailingTypes.Select(t => $"{t.FullName}: {t.Explanation}"));
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
