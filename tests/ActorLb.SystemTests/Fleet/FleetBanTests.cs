using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Fleet;

/// <summary>A ban is given to one node and holds on all, also on one that was away.</summary>
[Collection(FleetGroup.Name)]
public sealed class FleetBanTests
{
    private static readonly byte[] Banned = FakeBroker.ConnackBytes(0x8A, 5);

    [Fact]
    [Trait("speed", "slow")]
    public async Task Ban_GivenToOneNode_HoldsOnAllAndAfterARestart()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 2 });
        using var bad = await TestFleet.OpenAsync(fleet.Nodes[1], "bad");
        using var good = await TestFleet.OpenAsync(fleet.Nodes[1], "good");
        await fleet.Nodes[0].ChangeAsync(HttpMethod.Post, "bans", new { clientId = "bad", reason = "it floods" });
        Assert.Equal(0xE0, (await bad.Raw.ReadToEndAsync()).Bytes[0]);
        foreach (var node in fleet.Nodes)
            Assert.Equal(Banned, await AnswerAsync(node));
        var ban = Assert.Single((await fleet.Nodes[1].GetAsync("bans")).GetProperty("bans").EnumerateArray());
        Assert.EndsWith(" on lb-1", ban.GetProperty("by").GetString(), StringComparison.Ordinal);

        // What a node has on its disk holds before it finds the fleet again.
        await fleet.Nodes[1].KillAsync();
        await fleet.Nodes[1].StartAsync();
        Assert.Equal(Banned, await AnswerAsync(fleet.Nodes[1]));

        // One that is away when a ban is taken back hears of it when it comes.
        await fleet.WhenSettledAsync();
        await fleet.Nodes[1].KillAsync();
        await fleet.Nodes[0].ChangeAsync(HttpMethod.Delete, "bans?client=bad");
        await fleet.Nodes[1].StartAsync();
        await Wait.UntilAsync(
            async () => (await fleet.Nodes[1].GetAsync("bans")).GetProperty("bans").GetArrayLength() == 0, () => "the ban is still there");
        using var again = await TestFleet.OpenAsync(fleet.Nodes[1], "bad");
    }

    private static async Task<byte[]> AnswerAsync(FleetNodeProcess node)
    {
        using var client = await RawClient.ConnectAsync(node.Front);
        await client.SendAsync(ConnectBytes.V5("bad"));
        return (await client.ReadToEndAsync()).Bytes;
    }
}
