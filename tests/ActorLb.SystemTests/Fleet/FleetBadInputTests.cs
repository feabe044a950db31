namespace ActorLb.SystemTests.Fleet;

/// <summary>What does not belong to the fleet is refused with a clear error, and no client notices.</summary>
[Collection(FleetGroup.Name)]
public sealed class FleetBadInputTests
{
    [Fact]
    [Trait("speed", "slow")]
    public async Task Strangers_AreRefusedByName_AndTheFleetGoesOn()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 2 });
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 100));

        await using (var wrong = fleet.Add("lb-wrong", $"secret-file = \"{fleet.Write("other", "this is not the secret of the fleet")}\""))
        {
            await wrong.StartAsync();
            await wrong.Process.WaitForLineAsync(l => l.Contains("refused (", StringComparison.Ordinal));
            await TestFleet.UntilAsync(async () => await FaultsAsync(fleet, "proof", "hash_key") > 0, () => fleet.Nodes[0].Process.Output);
            Assert.DoesNotContain("this is not the secret of the fleet", wrong.Process.Output, StringComparison.Ordinal);
            await ServesAsync(wrong);
            await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync(fleet.Nodes, placed.Keys)).Brokers);
        }

        await using (var other = fleet.Add("lb-other", "name = staging"))
        {
            await other.StartAsync();
            await TestFleet.UntilAsync(async () => await FaultsAsync(fleet, "cluster") > 0, () => fleet.Nodes[0].Process.Output);
            Assert.Contains(
                fleet.Nodes.SelectMany(n => n.Process.Lines), l => l.Contains("staging", StringComparison.Ordinal) && l.Contains("production", StringComparison.Ordinal));
            await ServesAsync(other);
            await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync(fleet.Nodes, placed.Keys)).Brokers);
        }

        await using (var twin = fleet.Add("lb-1", file: "twin"))
        {
            await twin.StartAsync();
            var line = await twin.Process.WaitForLineAsync(l => l.Contains("is registered by a process at", StringComparison.Ordinal));
            Assert.Contains("lb-1", line, StringComparison.Ordinal);
            Assert.Contains(fleet.Nodes[0].Peer.ToString(), line, StringComparison.Ordinal);
            await ServesAsync(twin);
            Assert.True(fleet.Nodes[0].IsRunning);
            await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync(fleet.Nodes, placed.Keys)).Brokers);
        }
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Etcd_WithWrongCredentials_IsTold_AndTheNodeServes()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 0 });
        var member = fleet.Etcd.Members[0];
        await member.ControlAsync("user", "add", "root:s3cret-root");
        await member.ControlAsync("auth", "enable");
        await using var node = fleet.Add("lb-1", $"etcd {{ user = root, password-file = \"{fleet.Write("password", "wr0ng-password")}\" }}");
        await node.StartAsync();
        var line = await node.Process.WaitForLineAsync(l => l.Contains("the cluster store fails", StringComparison.Ordinal));
        Assert.Contains("root", line, StringComparison.Ordinal);
        Assert.DoesNotContain("wr0ng-password", node.Process.Output, StringComparison.Ordinal);
        Assert.Equal(0, (await node.MetricsAsync())["actorlb_fleet_store_up"]);
        await ServesAsync(node);
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Table_Overwritten_IsTold_AndTheLastOneStays()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 100));
        await fleet.Etcd.Members[0].ControlAsync("put", "/actorlb/table", "no table at all");
        await Task.WhenAll(fleet.Nodes.Select(n => n.Process.WaitForLineAsync(
            l => l.Contains("the shard table in the cluster store cannot be read", StringComparison.Ordinal))));
        foreach (var node in fleet.Nodes)
            await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync([node], placed.Keys)).Brokers);

        // The coordinator writes a readable one again: the next node that goes is replaced as ever.
        await TestFleet.UntilAsync(
            async () => !(await fleet.Etcd.Members[0].ControlAsync("get", "/actorlb/table")).Contains("no table at all", StringComparison.Ordinal),
            () => "nobody writes the table again");
        await fleet.WhenSettledAsync();
        await fleet.Nodes[2].KillAsync();
        await fleet.WhenSettledAsync();
        await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync([fleet.Nodes[0], fleet.Nodes[1]], placed.Keys)).Brokers);
    }

    /// <summary>Whoever is refused by the fleet still balances for the clients that come to it.</summary>
    private static async Task ServesAsync(FleetNodeProcess node) => await TestFleet.VisitAsync([node], TestFleet.Ids("alone", 5));

    private static async Task<double> FaultsAsync(TestFleet fleet, params string[] faults)
    {
        var sums = await Task.WhenAll(faults.Select(f => fleet.SumAsync($"actorlb_fleet_peer_faults_total{{fault=\"{f}\"}}")));
        return sums.Sum();
    }
}
