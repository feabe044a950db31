using System.Diagnostics;
using System.Text.Json;
using ActorLb.Testing;

namespace ActorLb.Tests.Admin;

/// <summary>What is said of the metrics holds: the documents, the dashboard and the alerts name what there is, by Prometheus' own judgement too.</summary>
public sealed class MonitoringTests(EveryMetric every) : IClassFixture<EveryMetric>
{
    private static string[] Files => [.. Directory.GetFiles(RepositoryRoot.File("deploy/monitoring")), RepositoryRoot.File("README.md"), .. Directory.GetFiles(RepositoryRoot.File("docs"), "*.md")];

    [Fact]
    public async Task Page_ByPromtool_IsClean() => Assert.Equal((0, ""), await PromtoolAsync(every.Page, "check", "metrics"));

    [Fact]
    public void Metrics_EachWithItsTypeLabelsAndMeaning_AreThoseOfTheReference()
    {
        string[] written = [.. File.ReadAllLines(RepositoryRoot.File("docs/metrics.md")).SkipWhile(l => l != "## All").Where(l => l.StartsWith("| `", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        string[] served = [.. every.Families.Select(f => f.Row).Order(StringComparer.Ordinal)];

        Assert.True(
            written.SequenceEqual(served, StringComparer.Ordinal),
            $"docs/metrics.md lacks the rows\n{string.Join('\n', served.Except(written))}\nand has too many:\n{string.Join('\n', written.Except(served))}");
    }

    [Fact]
    public void Metrics_ThatAnyDocumentNames_Exist()
    {
        string[] known = [.. every.Families.Select(f => f.Name)];
        string[] unknown = [.. Files.SelectMany(f => every.NamesIn(File.ReadAllText(f)).Except(known).Select(n => $"{Path.GetFileName(f)}: {n}"))];

        Assert.Equal([], unknown);
    }

    [Fact]
    public async Task Alerts_ByPromtool_AreClean() =>
        Assert.Equal(0, (await PromtoolAsync("", "check", "rules", RepositoryRoot.File("deploy/monitoring/alerts.yml"))).Code);

    [Fact]
    public async Task Alerts_ByTheirOwnTests_FireWhenTheyShould() =>
        Assert.Equal(0, (await PromtoolAsync("", "test", "rules", RepositoryRoot.File("deploy/monitoring/alerts.test.yml"))).Code);

    [Fact]
    public async Task Dashboard_EveryExpression_IsPromQl()
    {
        using var folder = new TempFolder();
        using var dashboard = JsonDocument.Parse(await File.ReadAllTextAsync(RepositoryRoot.File("deploy/monitoring/dashboard.json")));
        string[] expressions = [.. Expressions(dashboard.RootElement)];
        Assert.True(expressions.Length > 20);
        string rules = string.Concat(expressions.Select((e, i) => $"\n  - record: test:e{i}\n    expr: {JsonSerializer.Serialize(e
            .Replace("$__rate_interval", "5m", StringComparison.Ordinal).Replace("$node", "lb.*", StringComparison.Ordinal))}"));
        string file = folder.Write("rules.yml", $"groups:\n- name: dashboard\n  rules:{rules}\n");

        (int code, string output) = await PromtoolAsync("", "check", "rules", file);

        Assert.True(code == 0, output);
    }

    private static IEnumerable<string> Expressions(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(p =>
            p is { Name: "expr", Value.ValueKind: JsonValueKind.String } ? [p.Value.GetString()!] : Expressions(p.Value)),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(Expressions),
        _ => [],
    };

    private static async Task<(int Code, string Output)> PromtoolAsync(string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("promtool", arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await error);
    }
}
