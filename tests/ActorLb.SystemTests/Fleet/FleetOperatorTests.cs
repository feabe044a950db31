using System.Text.Json;
using ActorLb.Testing;

namespace ActorLb.SystemTests.Fleet;

/// <summary>What an operator does to one node of a fleet, and sees on the others.</summary>
[Collection(FleetGroup.Name)]
public sealed class FleetOperatorTests
{
    [Fact]
    [Trait("speed", "slow")]
    public async Task Configurations_ThatDiffer_AreNamedOnEveryNode()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 2 });
        Assert.Equal("", await WaitAsync(fleet.Nodes[0], "lb-2", ""));

        await fleet.Nodes[1].ReloadAsync(text => text.Replace("place = least-connections", "place = random", StringComparison.Ordinal));

        Assert.Equal("pools.p", await WaitAsync(fleet.Nodes[0], "lb-2", "pools.p"));
        Assert.Equal("pools.p", await WaitAsync(fleet.Nodes[1], "lb-1", "pools.p"));
        Assert.Equal(1, (await fleet.Nodes[0].MetricsAsync())["actorlb_fleet_configurations_differing"]);
        await fleet.Nodes[1].ReloadAsync(text => text.Replace("place = random", "place = least-connections", StringComparison.Ordinal));
        Assert.Equal("", await WaitAsync(fleet.Nodes[0], "lb-2", ""));
    }

    [Fact]
    [Trait("speed", "slow")]
    public async Task Drain_TakenBack_BringsTheNodeBackIntoTheFleet()
    {
        await using var fleet = await TestFleet.StartAsync();
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", 100));
        using (var drain = await fleet.Nodes[0].Http.PostAsync("api/v1/node/drain", new StringContent("""{"seconds":20}""")))
        {
            Assert.True(drain.IsSuccessStatusCode);
        }

        using (var resume = await fleet.Nodes[0].Http.PostAsync("api/v1/node/resume", null))
        {
            Assert.True(resume.IsSuccessStatusCode, await resume.Content.ReadAsStringAsync());
        }

        await fleet.WhenSettledAsync();
        Assert.False(fleet.Nodes[0].Process.HasExited);
        await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync(fleet.Nodes, placed.Keys)).Brokers);
    }

    /// <summary>What a node says of another's configuration, once it says so.</summary>
    private static async Task<string> WaitAsync(FleetNodeProcess node, string other, string expected)
    {
        string said = "?";
        await Wait.UntilAsync(SaysAsync, () => $"{node.Name} says of {other}: {said}");
        return said;

        async Task<bool> SaysAsync()
        {
            var members = (await node.GetAsync("cluster")).GetProperty("members");
            var member = members.EnumerateArray().Single(m => m.GetProperty("name").GetString() == other);
            said = member.GetProperty("configurationHash").ValueKind == JsonValueKind.Null
                ? "?" : string.Join(", ", member.GetProperty("differences").EnumerateArray().Select(d => d.GetString()));
            return said == expected;
        }
    }
}
