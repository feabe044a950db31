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
            await SaysAsync(wrong, "is refused: its certificate was not derived from this node's cluster.secret-file");
            await SaysAsync(fleet.Nodes[0], "127.0.0.1 is refused: its certificate was not derived from this node's cluster.secret-file");
            Assert.DoesNotContain("this is not the secret of the fleet", wrong.Process.Output, StringComparison.Ordinal);
            await StaysOutsideAsync(fleet, wrong, placed);
        }

        await using (var other = fleet.Add("lb-other", "name = staging"))
        {
            await other.StartAsync();
            await SaysAsync(other, "its cluster is 'production', this node's is 'staging'");
            await SaysAsync(fleet.Nodes[0], $"lb-other ({other.Peer}) is refused: its cluster is 'staging', this node's is 'production'");
            await StaysOutsideAsync(fleet, other, placed);
        }

        await using (var twin = fleet.Add("lb-1", file: "twin"))
        {
            await twin.StartAsync();
            await SaysAsync(twin, "it refuses this node: another node is already called 'lb-1', and node.name must be unique");
            await SaysAsync(fleet.Nodes[1], $"lb-1 ({twin.Peer}) is refused: its node.name 'lb-1' is already in use");
            await StaysOutsideAsync(fleet, twin, placed);
        }
    }

    private static Task SaysAsync(FleetNodeProcess node, string text) => node.Process.WaitForLineAsync(l => l.Contains(text, StringComparison.Ordinal));

    /// <summary>Whoever is refused by the fleet still balances for the clients that come to it, and the fleet for its own.</summary>
    private static async Task StaysOutsideAsync(TestFleet fleet, FleetNodeProcess stranger, Dictionary<string, int> placed)
    {
        await TestFleet.VisitAsync([stranger], TestFleet.Ids("alone", 5));
        Assert.NotEqual(3, (await stranger.MetricsAsync())["actorlb_fleet_members"]);
        foreach (var node in fleet.Nodes)
        {
            var metrics = await node.MetricsAsync();
            Assert.Equal((2, 0), (metrics["actorlb_fleet_members"], metrics["actorlb_fleet_detached"]));
        }

        Assert.True(await fleet.SumAsync("actorlb_fleet_refused_total") > 0);
        await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync(fleet.Nodes, placed.Keys)).Brokers);
    }
}
