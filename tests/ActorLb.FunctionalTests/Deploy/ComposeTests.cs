using System.Text.Json.Nodes;
using ActorLb.Testing;
using k8s;

namespace ActorLb.FunctionalTests.Deploy;

/// <summary>The Compose file of three brokers and three nodes: its shape, and its nodes' configuration.</summary>
public sealed class ComposeTests
{
    [Fact]
    public async Task Compose_Brokers_Nodes_AndTheirConfiguration_FitEachOther()
    {
        string conf = await DeployFiles.ReadAsync("compose.conf");
        var services = (await LoadAsync())["services"]!.AsObject();
        for (int n = 1; n <= 3; n++)
        {
            var broker = services[$"emqx{n}"]!.AsObject();
            var environment = Merged(broker["environment"]!.AsObject());
            Assert.Equal($"emqx@node{n}.emqx.internal", (string?)environment["EMQX_NODE__NAME"]);
            Assert.Equal("true", (string?)environment["EMQX_LISTENERS__TCP__DEFAULT__PROXY_PROTOCOL"]);
            Assert.Contains($"node{n}.emqx.internal", (string?)environment["EMQX_CLUSTER__STATIC__SEEDS"], StringComparison.Ordinal);
            Assert.Equal($"node{n}.emqx.internal", (string?)broker["networks"]!["brokers"]!["aliases"]![0]);
            Assert.Contains($"\"node{n}.emqx.internal:1883\"", conf, StringComparison.Ordinal);

            var node = Merged(services[$"lb{n}"]!.AsObject());
            Assert.Equal($"lb{n}", (string?)node["hostname"]);
            Assert.Equal($"lb{n}", (string?)node["environment"]!["ACTORLB_NODE"]);
            Assert.Contains($"\"lb{n}:7946\"", conf, StringComparison.Ordinal);
            Assert.Equal($"lb{n}:7946", (string?)node["environment"]!["ACTORLB_ADDRESS"]);
            Assert.True((bool?)node["read_only"]);
            Assert.Contains($"{1882 + n}:1883", node["ports"]!.AsArray().Select(p => (string?)p));
            // Nothing of the host but its own loopback reaches the admin endpoint.
            Assert.Contains($"127.0.0.1:{8887 + n}:8888", node["ports"]!.AsArray().Select(p => (string?)p));
        }
        using var folder = new TempFolder();
        await DeployFiles.AcceptedAsync(conf, folder, Secrets, "/run/secrets");
    }

    [Fact]
    public async Task DebianConfiguration_IsAccepted()
    {
        using var folder = new TempFolder();
        await DeployFiles.AcceptedAsync(await DeployFiles.ReadAsync("debian", "actorlb.conf"), folder, Secrets);
    }

    /// <summary>What the build copies is there, each project before the restore, and nothing runs as root.</summary>
    [Fact]
    public async Task Dockerfile_CopiesWhatThereIs_AndRunsWithoutRoot()
    {
        string[] lines = (await DeployFiles.ReadAsync("Dockerfile")).Split('\n');
        string[] copied = [.. lines.Where(l => l.StartsWith("COPY ", StringComparison.Ordinal) && !l.Contains("--from", StringComparison.Ordinal)).SelectMany(l => l.Split(' ')[1..^1])];
        Assert.All(copied, c => Assert.True(Path.Exists(RepositoryRoot.File(c)), c));
        string[] projects = [.. Directory.EnumerateFiles(RepositoryRoot.File("src"), "*.csproj", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(RepositoryRoot.Path, f))];
        Assert.Empty(projects.Except(copied));
        int user = Array.FindIndex(lines, l => l == "USER $APP_UID");
        Assert.True(user > Array.FindLastIndex(lines, l => l.StartsWith("RUN ", StringComparison.Ordinal)) && user < Array.FindIndex(lines, l => l.StartsWith("ENTRYPOINT", StringComparison.Ordinal)));
    }

    private static Dictionary<string, string> Secrets { get; } = new(StringComparer.Ordinal)
    {
        ["admin-token"] = "0123456789abcdef",
        ["cluster-secret"] = "0123456789abcdef0123456789abcdef",
    };

    private static async Task<JsonObject> LoadAsync() =>
        JsonNode.Parse(KubernetesJson.Serialize(KubernetesYaml.Deserialize<Dictionary<string, object>>(await DeployFiles.ReadAsync("compose.yaml"))))!.AsObject();

    /// <summary>With YAML's merge key, if the reader has left it.</summary>
    private static JsonObject Merged(JsonObject mapping)
    {
        if (mapping["<<"] is not JsonObject under) return mapping;
        var merged = under.DeepClone().AsObject();
        foreach ((string name, var value) in mapping) merged[name] = value?.DeepClone();
        return merged;
    }
}
