using System.Globalization;
using System.Text.RegularExpressions;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Admin;

/// <param name="Labels">Sorted, without that of a histogram's buckets.</param>
internal sealed record MetricFamily(string Name, string Type, string Help, string[] Labels)
{
    /// <summary>Its row in docs/metrics.md.</summary>
    public string Row => $"| `{Name}` | {Type} | {string.Join(", ", Labels.Select(l => $"`{l}`"))} | {Help.Replace("|", "\\|", StringComparison.Ordinal)} |";
}

/// <summary>The page of a node of which every part is in use, so that each of its metrics has a series.</summary>
public sealed partial class EveryMetric : IAsyncLifetime
{
    public string Page { get; private set; } = "";

    internal MetricFamily[] Families { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        using var certificates = new TestCertificates();
        var server = certificates.Server(["localhost"]);
        string list = certificates.RevocationList([]);
        using var folder = new TempFolder();
        int port = Ports.Free();
        await using var node = await AdminNode.StartAsync(more: $$"""
            log.access = "{{folder["access.log"]}}"
            cluster { bind = "127.0.0.1:{{port}}", seeds = ["127.0.0.1:{{port}}"], form-after = 1s }
            pools.even { backends = ["127.0.0.1:8", "127.0.0.1:9"], health.probe = none, connects-per-second = 100 }
            sticky.damping { takeovers = 5 }
            pools.plain { health.probe = tcp, source-addresses = ["127.0.0.1"] }
            pools.secure {
              backends = ["127.0.0.1:9"], health.probe = none
              tls { ca = "{{certificates.CaPath}}", certificate = "{{server.CertificatePath}}", key = "{{server.KeyPath}}" }
            }
            listeners.plain { bind = "127.0.0.1:0", pool = plain }
            listeners.tls {
              bind = "127.0.0.1:0", pool = plain
              tls { certificate = "{{server.CertificatePath}}", key = "{{server.KeyPath}}", client-ca = "{{certificates.CaPath}}", verify-client = optional, crl = "{{list}}" }
            }
            """);
        using var client = await node.ConnectAsync("one");
        using var other = await RawClient.ConnectAsync(node.Node.Listeners.Single(l => l.Name == "plain").BoundTo!);
        await other.SendAsync(ConnectBytes.V311("two"));
        Assert.Equal(0x20, (await other.ReadAsync(4))[0]);
        await FormedAsync(node);
        await OrderAsync(node, "bans", """{"clientId":"nobody"}""");
        await OrderAsync(node, $"backends/{node.One.EndPoint}/drain?pool=emqx", """{"rate":0.01}""");
        await OrderAsync(node, "pools/even/rebalance", """{"rate":0.01}""");
        Page = await FormedAsync(node);
        Families = [.. Read(Page)];
    }

    /// <summary>Its metrics once its fleet of one has formed.</summary>
    private static async Task<string> FormedAsync(AdminNode node)
    {
        string page = "";
        await Wait.UntilAsync(async () =>
            (page = await node.Http.GetStringAsync("/metrics")).Contains("\nactorlb_fleet_members 1\n", StringComparison.Ordinal));
        return page;
    }

    private static async Task OrderAsync(AdminNode node, string path, string body)
    {
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var answer = await node.Http.PostAsync($"/api/v1/{path}", content);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Each name of a metric in a text, a histogram's series under its own.</summary>
    internal IEnumerable<string> NamesIn(string text) => Name().Matches(text).Select(m => m.Value).Distinct().Select(n => Families.Any(f => f.Name == n) ? n : Parts().Replace(n, ""));

    internal static IEnumerable<MetricFamily> Read(string page)
    {
        string[] lines = page.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < lines.Length; i++)
        {
            var help = Help().Match(lines[i]);
            if (!help.Success) continue;
            string name = help.Groups["name"].Value, type = lines[i + 1].Split(' ')[3];
            string[] labels = [.. lines.Skip(i + 2).TakeWhile(l => l[0] != '#').SelectMany(l => Label().Matches(l)).Select(m => m.Groups["label"].Value).Distinct()
                .Where(l => type != "histogram" || l != "le").Order(StringComparer.Ordinal)];
            Assert.True(i + 2 < lines.Length && lines[i + 2].StartsWith(name, StringComparison.Ordinal), string.Create(CultureInfo.InvariantCulture, $"{name} has no series"));
            yield return new MetricFamily(name, type, help.Groups["help"].Value, labels);
        }
    }

    [GeneratedRegex("^# HELP (?<name>[a-z0-9_]+) (?<help>.*)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Help();

    [GeneratedRegex("[{,](?<label>[a-z_]+)=\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Label();

    [GeneratedRegex(@"\b(?:actorlb|process)_[a-z][a-z0-9_]+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Name();

    [GeneratedRegex("_(?:bucket|sum|count)$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Parts();
}
