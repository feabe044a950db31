using System.Net;
using System.Text.Json;
using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.FunctionalTests.Server;

/// <summary>Prometheus itself, with the files of deploy/monitoring, beside a node.</summary>
public sealed class PrometheusTests
{
    [Fact]
    [Trait("speed", "slow")]
    public async Task Prometheus_ReadsTheNode_AndTheAlertsFire()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        using var files = new NodeFiles();
        files.Write(TestNode.Backends(broker));
        await using var node = await files.StartAsync();
        var at = Ports.FreeEndPoint();
        string alerts = await File.ReadAllTextAsync(RepositoryRoot.File("deploy/monitoring/alerts.yml"));
        files.Add("alerts.yml", alerts.Replace("for: 30s", "for: 1s", StringComparison.Ordinal));
        string scrapes = await File.ReadAllTextAsync(RepositoryRoot.File("deploy/monitoring/prometheus.yml"));
        Assert.Contains("\"lb-1:8888\", \"lb-2:8888\", \"lb-3:8888\"", scrapes, StringComparison.Ordinal);
        string configuration = files.Add("prometheus.yml", "global: { scrape_interval: 1s, evaluation_interval: 1s }\n"
            + scrapes.Replace("\"lb-1:8888\", \"lb-2:8888\", \"lb-3:8888\"", $"\"{files.Admin}\"", StringComparison.Ordinal));
        await using var prometheus = ProcessHost.Start(
            "prometheus", [$"--config.file={configuration}", $"--storage.tsdb.path={files["tsdb"]}", $"--web.listen-address={at}"]);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{at}/api/v1/") };
        JsonElement target = default;
        await prometheus.WaitUntilAsync(async () =>
        {
            target = (await TryGetAsync(http, "targets")) is { } found && found.GetProperty("activeTargets") is var active && active.GetArrayLength() == 1 ? active[0] : default;
            return target.ValueKind == JsonValueKind.Object && target.GetProperty("health").GetString() != "unknown";
        });
        // It reads every line of the page, or none.
        Assert.Equal(("up", ""), (target.GetProperty("health").GetString(), target.GetProperty("lastError").GetString()));
        var metadata = (await TryGetAsync(http, "targets/metadata?match_target={job=\"actorlb\"}&limit=1000"))!.Value;
        Assert.Contains(metadata.EnumerateArray(), m => m.GetProperty("metric").GetString() == "actorlb_connect_seconds" && m.GetProperty("type").GetString() == "histogram");

        await node.Admin.PostAsync(new Uri($"api/v1/backends/{broker.EndPoint}/down", UriKind.Relative), null);
        await prometheus.WaitUntilAsync(async () => await TryGetAsync(http, "alerts") is { } firing && firing.GetProperty("alerts").EnumerateArray().Any(a =>
            a.GetProperty("labels").GetProperty("alertname").GetString() == "ActorLbPoolEmpty" && a.GetProperty("state").GetString() == "firing"));
        JsonElement[] rules = [.. (await TryGetAsync(http, "rules"))!.Value.GetProperty("groups").EnumerateArray().SelectMany(g => g.GetProperty("rules").EnumerateArray())];
        Assert.True(rules.Length > 20);
        Assert.Equal([], rules.Where(r => r.GetProperty("health").GetString() != "ok").Select(r => r.ToString()));
    }

    private static async Task<JsonElement?> TryGetAsync(HttpClient http, string path)
    {
        try
        {
            using var answer = await http.GetAsync(new Uri(path, UriKind.Relative));
            return answer.IsSuccessStatusCode ? JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("data") : null;
        }
        catch (HttpRequestException)
        {
            // It is starting.
            return null;
        }
    }
}
