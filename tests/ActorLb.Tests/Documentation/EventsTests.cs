using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using ActorLb.Balancing;
using ActorLb.Telemetry;
using ActorLb.Testing;
using Microsoft.Extensions.Logging;

namespace ActorLb.Tests.Documentation;

/// <summary>docs/events.md is what the program can report: no event more, none less, and the log's lines word by word.</summary>
public sealed partial class EventsTests
{
    private static readonly string[] Page = File.ReadAllLines(RepositoryRoot.File("docs", "events.md"));

    /// <summary>Of the program's assemblies, with what they refer to.</summary>
    private static readonly Assembly[] Assemblies = [typeof(EventFeed).Assembly, typeof(ActorLb.Server.Program).Assembly];

    [Fact]
    public void EventsOfTheFeed_AreThoseOfThePage()
    {
        string[] written = [.. Rows("## Events that operators watch").Select(r => Word().Match(r).Groups["word"].Value)];
        string[] published =
        [
            .. Enum.GetNames<PoolEventKind>().Select(EventFeed.Word),
            .. Directory.EnumerateFiles(RepositoryRoot.File("src"), "*.cs", SearchOption.AllDirectories)
                .Where(f => !f.Contains("/obj/", StringComparison.Ordinal)).SelectMany(f => PublishedIn(File.ReadAllText(f))),
        ];
        Assert.Equal(published.Distinct().Order(StringComparer.Ordinal), written.Order(StringComparer.Ordinal));
    }

    /// <summary>A word that is put together where it is published would be missed by the comparison above.</summary>
    [Fact]
    public void EventsOfTheFeed_AreNamedWhereTheyArePublished() => Assert.Empty(
        Directory.EnumerateFiles(RepositoryRoot.File("src"), "*.cs", SearchOption.AllDirectories).Where(f => !f.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(f => Publishing().Matches(File.ReadAllText(f)).Select(m => $"{Path.GetFileName(f)}: {m.Value}"))
            .Where(c => !c.Contains('"', StringComparison.Ordinal) && !PassedOn.Any(p => c.Contains(p, StringComparison.Ordinal))));

    [Fact]
    public void EventsOfTheLog_WithNumberLevelAndText_AreThoseOfThePage()
    {
        string[] written = [.. Rows("## Events of the log").Order(StringComparer.Ordinal)];
        string[] logged = [.. Logged().Distinct().Order(StringComparer.Ordinal)];
        Assert.True(
            written.SequenceEqual(logged, StringComparer.Ordinal),
            $"docs/events.md lacks the rows\n{string.Join('\n', logged.Except(written))}\nand has too many:\n{string.Join('\n', written.Except(logged))}");
    }

    [Fact]
    public void EventsOfTheLog_HaveEachANumberOfItsOwn() =>
        Assert.Empty(Logged().Distinct().GroupBy(r => r.Split('|')[1]).Where(g => g.Count() > 1).Select(g => string.Join('\n', g)));

    /// <summary>Kinds that come from elsewhere: of pools (the enumeration), and of the method that reports and publishes at once.</summary>
    private static readonly string[] PassedOn = ["Publish(EventFeed.Word(e.Kind", "Publish(kind", "Publish(string kind"];

    private static IEnumerable<string> Logged() =>
        from type in Assemblies.SelectMany(a => a.GetTypes())
        from method in type.GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.DeclaredOnly)
        let message = method.GetCustomAttribute<LoggerMessageAttribute>()
        where message is not null
        select string.Create(
            CultureInfo.InvariantCulture,
            $"| {message.EventId} | `{EventFeed.Word(message.EventName ?? method.Name)}` | {LevelOf(message.Level)} | {message.Message!.Replace("|", "\\|", StringComparison.Ordinal)} |");

    /// <summary>As the log writes it; some lines have their level where they are written.</summary>
    private static string LevelOf(LogLevel level) => level switch
    {
        LogLevel.Information => "info",
        LogLevel.None => "varies",
        _ => level.ToString().ToLowerInvariant(),
    };

    private static IEnumerable<string> Rows(string heading)
    {
        Assert.Contains(heading, Page);
        return Page.SkipWhile(l => l != heading).Skip(1).TakeWhile(l => !l.StartsWith("## ", StringComparison.Ordinal)).Where(l => l.StartsWith("| ", StringComparison.Ordinal)).Skip(1);
    }

    private static IEnumerable<string> PublishedIn(string source) => Published().Matches(source).SelectMany(m => m.Groups["kind"].Captures).Select(c => c.Value);

    /// <summary>The kind is the first argument, one of two perhaps.</summary>
    [GeneratedRegex("""(?:Events\.Publish|events\.Publish|[^A-Za-z]Report)\((?:[^",();]*\? )?"(?<kind>[a-z_]+)"(?: : "(?<kind>[a-z_]+)")?""")]
    private static partial Regex Published();

    [GeneratedRegex("""[Ee]vents\.Publish\([^;]*""")]
    private static partial Regex Publishing();

    [GeneratedRegex("^\\| `(?<word>[a-z_]+)` ")]
    private static partial Regex Word();
}
