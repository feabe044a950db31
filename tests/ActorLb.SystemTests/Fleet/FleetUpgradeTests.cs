namespace ActorLb.SystemTests.Fleet;

/// <summary>Another process takes the place of one node of a fleet.</summary>
[Collection(FleetGroup.Name)]
public sealed class FleetUpgradeTests
{
    private const int Clients = 90;

    [Fact]
    [Trait("speed", "slow")]
    public async Task NodesUpgraded_OneAfterTheOther_WhileClientsCome_RefuseNobodyAndMoveNobody()
    {
        await using var fleet = await TestFleet.StartAsync(new TestFleetOptions { Nodes = 2 });
        var placed = await TestFleet.PlaceAsync(fleet.Nodes, TestFleet.Ids("c", Clients));
        using var end = new CancellationTokenSource();
        var coming = Task.Run(async () =>
        {
            // Who comes while nobody accepts waits in the queue: nobody is refused.
            for (int n = 0; !end.IsCancellationRequested; n++)
                (await TestFleet.OpenAsync(fleet.Nodes[n % 2], $"new-{n:d5}")).Dispose();
        });
        foreach (var node in fleet.Nodes)
        {
            await node.UpgradeAsync();
            await fleet.WhenSettledAsync(whileVisited: true);
        }

        await end.CancelAsync();
        await coming;
        await fleet.AssertSameAsync(placed, (await TestFleet.VisitAsync(fleet.Nodes, placed.Keys)).Brokers);
    }
}
