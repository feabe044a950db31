using System.Net;
using ActorLb.FunctionalTests.Harness;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Dialing;

public sealed class SourceAddressTests
{
    [Fact]
    public async Task Sources_Shares_AreWhatTheBrokerSees()
    {
        const int Clients = 300;
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker)
            + "source-addresses = [\"127.0.0.11\", { address = \"127.0.0.12\", share = 20% }, \"127.0.0.13\"]");
        var clients = new List<RawClient>();
        for (int i = 0; i < Clients; i++)
            clients.Add(await node.OpenAsync($"c{i}"));
        var seen = new List<IPAddress>();
        for (int i = 0; i < Clients; i++)
            seen.Add((await broker.NextConnectionAsync()).Remote.Address);
        int Share(string address) => seen.Count(a => a.Equals(IPAddress.Parse(address)));
        Assert.Equal(Clients, Share("127.0.0.11") + Share("127.0.0.12") + Share("127.0.0.13"));
        // 40, 20 and 40 in a hundred; six standard deviations.
        Assert.InRange(Share("127.0.0.11"), 69, 171);
        Assert.InRange(Share("127.0.0.12"), 19, 101);

        string metrics = MetricsText.Of(node.Node);
        Assert.Contains(
            $"actorlb_source_connections{{pool=\"p\",source=\"127.0.0.12\",destination=\"{broker.EndPoint}\"}} {Share("127.0.0.12")}\n",
            metrics, StringComparison.Ordinal);
        clients.ForEach(c => c.Dispose());
        await node.UntilAsync(() => node.Node.Pools.Single().Sources!.Held().All(h => h.Held == 0));
    }

    [Fact]
    public async Task Sources_SameClientAddressAndPort_SameSource()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker) + "source-addresses = [\"127.0.0.11\", \"127.0.0.12\", \"127.0.0.13\", \"127.0.0.14\"]",
            "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }");
        var sources = new HashSet<IPAddress>();
        for (int i = 0; i < 10; i++)
        {
            using var client = await node.DialAsync();
            byte[] first = [.. "PROXY TCP4 192.0.2.1 198.51.100.1 4001 1883\r\n"u8, .. ConnectBytes.V311("x")];
            await client.SendAsync(first);
            await client.ReadAsync(4);
            sources.Add((await broker.NextConnectionAsync()).Remote.Address);
        }

        Assert.Single(sources);
    }

    [Fact]
    public async Task Sources_AddressThatIsNotOurs_ClientIsRefusedAndToldInTheLog()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "source-addresses = [\"192.0.2.200\"]");
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("x")));
        await node.Log.LineAsync(l => l.Text.Contains("source-addresses", StringComparison.Ordinal));
        // The fault is this machine's: the broker is not blamed.
        Assert.Equal(0, node.Backend(broker).Failures);
    }
}
