using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Fleet;

/// <summary>Every node sends a client to the broker where it belongs; nothing fails here.</summary>
[Collection(FleetGroup.Name)]
public sealed class FleetStickinessTests(HealthyFleet healthy) : IClassFixture<HealthyFleet>
{
    private readonly TestFleet _fleet = healthy.Fleet;

    [Fact]
    [Trait("speed", "slow")]
    public async Task ThousandClients_PlacedThroughOneNode_AreFoundThroughTheOthers()
    {
        await _fleet.WhenEmptyAsync();
        double before = await _fleet.SumAsync("actorlb_sticky_entries");
        Dictionary<string, int> placed;

        // Held open, so that least-connections has something to count.
        using (var clients = new FleetClients())
        {
            foreach (string id in TestFleet.Ids("client", 1000))
                clients.Add(await TestFleet.OpenAsync(_fleet.Nodes[0], id));
            placed = clients.ToDictionary(c => c.Id, c => c.Broker);
        }

        int[] spread = placed.Values.CountBy(b => b).Select(b => b.Value).ToArray();
        Assert.Equal(3, spread.Length);
        Assert.All(spread, n => Assert.InRange(n, 320, 347));

        foreach (var node in _fleet.Nodes.Skip(1))
        {
            var (found, _) = await TestFleet.VisitAsync([node], placed.Keys);
            Assert.Equal(1000, found.Count);
            TestFleet.AssertSame(placed, found);
        }

        var pages = await Task.WhenAll(_fleet.Nodes.Select(n => n.MetricsAsync()));
        Assert.Equal(1000, pages.Sum(p => p["actorlb_sticky_entries"]) - before);
        Assert.All(pages, p => Assert.True(p["actorlb_sticky_lookups_total{outcome=\"remote\"}"] > 500));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task OneClient_ThroughTwoNodesAtOnce_EndsOnOneBroker()
    {
        var through = new HashSet<(int, int)>();
        for (int i = 0; i < 200; i++)
        {
            int one = i % 3, two = (i + 1 + (i / 3 % 2)) % 3;
            string id = $"twin-{i}";
            var both = await Task.WhenAll(
                TestFleet.OpenAsync(_fleet.Nodes[one], id), TestFleet.OpenAsync(_fleet.Nodes[two], id));
            Assert.Equal(both[0].Broker, both[1].Broker);
            through.Add((one, two));
            both[0].Dispose();
            both[1].Dispose();
        }

        Assert.Equal(6, through.Count);
    }

    [Theory]
    [Trait("speed", "slow")]
    [InlineData("-tls1_2", "TLSv1.2", "Verify return code")]
    [InlineData("-tls1_3", "TLSv1.3", "Post-Handshake New Session Ticket arrived")]
    public async Task TlsSession_OfOneNode_IsResumedThroughTheOthers(string option, string version, string until)
    {
        string first = await OpenSslClient.TalkAsync(_fleet.Nodes[0].Secure, until, option, "-sess_out", healthy.SessionFile);
        Assert.Contains($"New, {version}", first, StringComparison.Ordinal);
        foreach (var node in _fleet.Nodes.Skip(1))
        {
            string next = await OpenSslClient.TalkAsync(node.Secure, until, option, "-sess_in", healthy.SessionFile, "-sess_out", healthy.SessionFile);
            Assert.Contains($"Reused, {version}", next, StringComparison.Ordinal);
        }
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task LeastConnections_ThroughAllNodes_CountsTheFleetsConnections()
    {
        await _fleet.WhenEmptyAsync();
        using var clients = new FleetClients();

        // A crowd that came through one node alone is uneven on purpose: the second broker is away for new clients.
        await _fleet.Nodes[0].ChangeAsync(HttpMethod.Post, $"backends/{_fleet.Brokers[1].EndPoint}/drain");
        for (int i = 0; i < 200; i++)
            clients.Add(await TestFleet.OpenAsync(_fleet.Nodes[0], $"early-{i}"));
        Assert.DoesNotContain(clients, c => c.Broker == 1);
        await _fleet.Nodes[2].ChangeAsync(HttpMethod.Post, $"backends/{_fleet.Brokers[1].EndPoint}/up");

        // The other nodes have no connections of their own, and know all the same where there is room.
        await Wait.UntilAsync(
            async () => (await _fleet.Nodes[1].MetricsAsync()).Where(
                m => m.Key.StartsWith("actorlb_backend_fleet_connections", StringComparison.Ordinal)).Sum(m => m.Value) == 200,
            () => "node 2 does not know the connections of node 1");
        await Wait.UntilAsync(
            async () => (await _fleet.Nodes[1].MetricsAsync())[$"actorlb_backend_up{{pool=\"p\",backend=\"{_fleet.Brokers[1].EndPoint}\"}}"] == 1,
            () => "node 2 has not heard that the backend is up");
        for (int i = 0; i < 400; i++)
            clients.Add(await TestFleet.OpenAsync(_fleet.Nodes[1 + (i % 2)], $"late-{i}"));
        Assert.All(clients.CountBy(c => c.Broker), b => Assert.InRange(b.Value, 180, 220));
    }
}

/// <summary>Three nodes that nothing happens to.</summary>
public sealed class HealthyFleet : IAsyncLifetime
{
    private readonly TestCertificates _ca = new();
    private TestFleet? _fleet;

    internal TestFleet Fleet => _fleet!;

    internal string SessionFile => Path.Combine(_ca.Directory, "session");

    public async ValueTask InitializeAsync()
    {
        var server = _ca.Server(["localhost"]);
        _fleet = await TestFleet.StartAsync(new TestFleetOptions
        {
            More = $"listeners.mqtts {{ bind = \"{{secure}}\", pool = p, tls {{ certificate = \"{server.CertificatePath}\", key = \"{server.KeyPath}\" }} }}",
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (_fleet is not null)
            await _fleet.DisposeAsync();
        _ca.Dispose();
    }
}

/// <summary>One fleet at a time: three nodes and their clients fill the machine.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class FleetGroup
{
    public const string Name = "fleet";
}
