using ActorLb.Fleet.Membership;
using ActorLb.Testing;

namespace ActorLb.Tests.Fleet.Membership;

/// <summary>Fleets of hosts in this process: losing nodes and links, splitting and rejoining.</summary>
[Trait("place", "beside")]
[Trait("speed", "slow")]
public sealed class FleetLossTests
{
    /// <summary>
    /// The third node hears both and reports so: otherwise each would consider the other dead, and both would be removed.
    /// </summary>
    [Fact]
    public async Task Link_CutBetweenTwoOfThree_CostsNobodyTheMembership()
    {
        await using var nodes = new FleetNodes(3);
        nodes.StartAll();
        await nodes.FormedAsync(0, 1, 2);

        await nodes.CutAsync(0, 1, isCut: true);
        await Wait.UntilAsync(() => !nodes.Hears(0, 1) && !nodes.Hears(1, 0), nodes.LogText);
        // Longer than a fleet takes to remove a member that no node hears.
        await Task.Delay(TimeSpan.FromSeconds(8));
        Assert.All(nodes.Running, n => Assert.Equal((FleetStage.Member, 0, 3), (n.Standing.Stage, n.Standing.Restarts, n.Standing.Members!.All.Length)));
        Assert.False(nodes.Hears(0, 1) || nodes.Hears(1, 0));
        Assert.True(nodes.Hears(2, 0) && nodes.Hears(2, 1) && nodes.Hears(0, 2) && nodes.Hears(1, 2));

        await nodes.CutAsync(0, 1, isCut: false);
        await nodes.FormedAsync(0, 1, 2);
        Assert.All(nodes.Running, n => Assert.Equal(0, n.Standing.Restarts));
    }


    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task TwoNodes_WhenEitherIsKilled_TheOtherGoesOn(int victim)
    {
        await using var nodes = new FleetNodes(2);
        nodes.StartAll();
        await nodes.FormedAsync(0, 1);

        await nodes.KillAsync(victim);
        await nodes.FormedAsync(1 - victim);

        nodes.Start(victim);
        await nodes.FormedAsync(0, 1);
    }


    [Fact]
    public async Task Node_KilledAndStartedAgain_IsANewMemberOfTheSameName()
    {
        await using var nodes = new FleetNodes(3);
        nodes.StartAll();
        await nodes.FormedAsync(0, 1, 2);
        ulong old = nodes[0].Standing.Members!.Self.Incarnation;

        await nodes.KillAsync(0);
        nodes.Start(0);
        await nodes.FormedAsync(0, 1, 2);

        Assert.NotEqual(old, nodes[0].Standing.Members!.Self.Incarnation);
    }


    [Fact]
    public async Task Split_InWhichBothSidesFormed_ComesTogetherOnTheLargerSide()
    {
        await using var nodes = new FleetNodes(3);
        nodes.StartAll();
        await nodes.FormedAsync(0, 1, 2);

        await CutOffAsync(nodes, 0, isCut: true);
        await nodes.FormedAsync(1, 2);
        await nodes.DetachedAsync(0);
        // Its new system has new links that work at this end; the others' ends are cut.
        await nodes.FormedAsync(0);
        await CutOffAsync(nodes, 0, isCut: false);
        await nodes.FormedAsync(0, 1, 2);

        // One restart for losing its membership and one for joining the larger side; on an overloaded machine joining may take
        // several tries.
        Assert.InRange(nodes[0].Standing.Restarts, 2, 4);
        Assert.Equal((0, 0), (nodes[1].Standing.Restarts, nodes[2].Standing.Restarts));
    }


    [Fact]
    public async Task TenNodes_ThatLoseThreeAtOnce_GoOnAndHeal()
    {
        await using var nodes = new FleetNodes(10);
        nodes.Adapt = (_, s) => s with { DownAfter = TimeSpan.FromSeconds(15) };
        nodes.StartAll();
        await nodes.FormedAsync([.. Enumerable.Range(0, 10)]);

        await Task.WhenAll(nodes.KillAsync(0), nodes.KillAsync(4), nodes.KillAsync(9));
        await nodes.FormedAsync(1, 2, 3, 5, 6, 7, 8);

        nodes.Start(0, 4, 9);
        await nodes.FormedAsync([.. Enumerable.Range(0, 10)]);
    }

    private static async Task CutOffAsync(FleetNodes nodes, int node, bool isCut)
    {
        foreach (int other in Enumerable.Range(0, nodes.Count).Where(n => n != node)) await nodes.CutAsync(node, other, isCut);
    }
}
