using ActorLb.Fleet.Membership;

namespace ActorLb.Tests.Fleet.Membership;

[Collection(FleetCollection.Name)]
public sealed class FleetHostTests
{
    [Fact]
    public async Task Nodes_StartedTogether_FormOneFleet()
    {
        await using var nodes = new FleetNodes(3);
        nodes.StartAll();

        await nodes.FormedAsync(0, 1, 2);
    }

    [Fact]
    public async Task Nodes_WithTheFirstSeedMissing_FormAndItJoinsLater()
    {
        await using var nodes = new FleetNodes(3);
        nodes.Start(2, 1);
        await nodes.FormedAsync(1, 2);

        nodes.Start(0);
        await nodes.FormedAsync(0, 1, 2);
    }

    [Fact]
    public async Task Node_WithoutTheOthers_IsDetachedAndThenAFleetAlone_WhichTheOthersJoin()
    {
        await using var nodes = new FleetNodes(3);
        nodes.Start(1);
        await nodes.FormedAsync(1);

        nodes.Start(0, 2);
        await nodes.FormedAsync(0, 1, 2);
    }
}
