using ActorLb.Testing;
using ActorLb.Testing.Peers;
using ActorLb.Testing.Processes;

namespace ActorLb.SystemTests.Guide;

/// <summary>Every worked example of <c>hocon/</c> does with real brokers and clients what its name says.</summary>
public sealed class ExampleTests
{
    /// <summary>All but the manual, the fleet's, which needs a fleet, and that of EMQX's API, which needs an EMQX.</summary>
    public static TheoryData<string> Names =>
    [
        .. Directory.GetFiles(RepositoryRoot.File("hocon"), "*.conf").Select(f => Path.GetFileNameWithoutExtension(f))
            .Except(["reference", "fleet", "emqx"], StringComparer.Ordinal).Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Example_WithRealBrokers_ServesClientsAsItSays(string name)
    {
        await using var example = await RunningExample.StartAsync(name);
        var clients = new List<MqttJsClient>();
        for (int i = 0; i < 6; i++)
        {
            var client = await example.Js.ConnectAsync(example.Client($"c{i}"));
            await client.SubscribeAsync($"t/{i}", qos: 1);
            await client.PublishAsync($"t/{i}", "hello", qos: 1);
            Assert.Equal("hello", (await client.NextMessageAsync()).Text);
            clients.Add(client);
        }

        int[] counts = example.Brokers.Select(b => b.Accepted.Count(c => c.Id is ['c', _] or "0ABC01")).ToArray();
        switch (name)
        {
            case "tcp":
                // The second is down, the third waits for the first to fail; the first learns who the clients are.
                Assert.Equal("127.0.0.1", (await example.ProxyBrokers[0].WaitForClientAsync("c5")).Address);
                Assert.Equal(1, (await example.ProxyBrokers[0].WaitForClientAsync("c0")).Proxy);
                break;
            case "tls":
                var seen = await example.ProxyBrokers[0].WaitForClientAsync("c0");
                // PP2_TYPE_SSL (PROXY protocol, section 2.2.6).
                Assert.Equal(2, seen.Proxy);
                Assert.Contains("544C5376312E33", seen.Header, StringComparison.OrdinalIgnoreCase);
                break;
            case "weighted":
                Assert.Equal([3, 2, 1], counts);
                break;
            case "ip-hash":
                Assert.Equal([0, 0, 6], counts.Order());
                break;
            case "sticky" or "sticky-hash":
                await ComeBack(example, clients);
                break;
            case "client-id-replacement":
                // All six are one device: each takes the session over from the last.
                Assert.Equal([6], counts);
                Assert.Equal("0ABC01", Assert.Single(example.Brokers[0].Accepted.Select(c => c.Id).Where(i => i is "0ABC01").Distinct()));
                break;
            case "mutual-tls":
                Assert.Equal([3, 3], counts);
                await Assert.ThrowsAsync<MqttJsException>(() => example.Js.ConnectAsync(example.Client("nobody", certificate: false)));
                break;
            case "many-source-addresses":
                Assert.Equal([3, 3], counts);
                string[] sources = ["127.0.0.5", "127.0.0.20", "127.0.0.21", "127.0.0.22", "127.0.0.23"];
                Assert.All(example.Brokers.SelectMany(b => b.Accepted).Where(c => c.Id is ['c', _]), c => Assert.Contains(c.Address.Address.MapToIPv4().ToString(), sources));
                break;
            case "status":
                Assert.StartsWith("Active connections: ", await example.Node.Admin.GetStringAsync(new Uri("status", UriKind.Relative)), StringComparison.Ordinal);
                goto default;
            default:
                Assert.True(counts.Max() - counts.Min() <= 1, string.Join(' ', counts));
                break;
        }
    }

    [Fact]
    public async Task Fleet_Example_IsValid()
    {
        using var folder = new TempFolder();
        folder.Write("certs/cluster.secret", "a secret of 32 bytes, or somewhat more");
        string file = folder.Write("fleet.conf", await File.ReadAllTextAsync(RepositoryRoot.File("hocon", "fleet.conf")));
        var result = await ActorLbProcess.RunAsync("check", "-c", file);
        Assert.True(result.ExitCode == 0, result.Output);
    }

    private static async Task ComeBack(RunningExample example, List<MqttJsClient> clients)
    {
        foreach (var client in clients)
            await client.EndAsync();
        for (int i = 5; i >= 0; i--)
            await example.Js.ConnectAsync(example.Client($"c{i}"));
        for (int i = 0; i < 6; i++)
            Assert.Equal([0, 0, 2], example.Brokers.Select(b => b.Accepted.Count(c => c.Id == $"c{i}")).Order());
    }
}
