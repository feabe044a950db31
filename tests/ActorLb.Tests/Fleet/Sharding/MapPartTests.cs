using ActorLb.Sticky;
using ActorLb.Testing;
using ActorLb.Tests.Fleet.Membership;

namespace ActorLb.Tests.Fleet.Sharding;

/// <summary>
/// The map on several fleet systems: every client has one broker, whichever node is asked and whatever happens to the nodes.
/// </summary>
[Trait("place", "beside")]
[Trait("speed", "slow")]
public sealed class MapPartTests
{
    private const int Clients = 200;

    [Fact]
    public async Task Client_AskedForOnAnyNode_HasOneBackend()
    {
        await using var nodes = new MapNodes(3);
        nodes.Fleet.StartAll();
        await nodes.BalancedAsync(0, 1, 2);

        var first = await AssignAsync(nodes, 0, proposal: 1);
        foreach (int node in (int[])[1, 2]) Assert.Equal(first, await AssignAsync(nodes, node, proposal: 2));
    }

    [Fact]
    public async Task Node_Killed_LosesNoClient()
    {
        await using var nodes = new MapNodes(3);
        nodes.Fleet.StartAll();
        await nodes.BalancedAsync(0, 1, 2);
        var before = await AssignAsync(nodes, 1, proposal: 1);
        await ReplicatedAsync(nodes, 0, 1, 2);

        await nodes.Fleet.KillAsync(2);
        // First answered by the copies, later by the reopened shards.
        Assert.Equal(before, await ReadAsync(nodes, 0));
        await nodes.BalancedAsync(0, 1);
        Assert.Equal(before, await AssignAsync(nodes, 0, proposal: 3));
        Assert.Equal(before, await AssignAsync(nodes, 1, proposal: 3));
    }

    [Fact]
    public async Task Node_Leaving_HandsItsShardsOver()
    {
        await using var nodes = new MapNodes(3);
        nodes.Fleet.StartAll();
        await nodes.BalancedAsync(0, 1, 2);
        var before = await AssignAsync(nodes, 1, proposal: 1);

        await nodes.Fleet[2].LeaveAsync(TimeSpan.FromSeconds(15));
        await nodes.BalancedAsync(0, 1);

        Assert.Equal(before, await AssignAsync(nodes, 0, proposal: 3));
    }

    [Fact]
    public async Task Node_Joining_TakesItsShareAndNothingIsLost()
    {
        await using var nodes = new MapNodes(3);
        nodes.Fleet.Start(0, 1);
        await nodes.BalancedAsync(0, 1);
        var before = await AssignAsync(nodes, 0, proposal: 1);

        nodes.Fleet.Start(2);
        await nodes.BalancedAsync(0, 1, 2);

        Assert.Equal(before, await AssignAsync(nodes, 2, proposal: 3));
    }

    /// <summary>While shards move, known clients keep their backends, and so do clients placed meanwhile.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Clients_AskedForWhileShardsMove_KeepTheirBackends(bool isLeave)
    {
        await using var nodes = new MapNodes(3);
        int[] start = isLeave ? [0, 1, 2] : [0, 1], end = isLeave ? [0, 1] : [0, 1, 2];
        nodes.Fleet.Start(start);
        await nodes.BalancedAsync(start);
        var before = await AssignAsync(nodes, 0, proposal: 1);

        var change = isLeave ? nodes.Fleet[2].LeaveAsync(TimeSpan.FromSeconds(15)) : Task.Run(() => nodes.Fleet.Start(2));
        var settled = change.ContinueWith(_ => nodes.BalancedAsync(end), TaskScheduler.Default).Unwrap();
        var placed = new Dictionary<string, BackendRef>();
        for (int i = 0; !settled.IsCompleted; i++)
        {
            Assert.Equal(before[i % Clients], await nodes.ReadAsync(i % 2, $"client-{i % Clients}"));
            if (i % 4 == 0)
            {
                var answer = await nodes.AssignAsync(i % 2, $"new-{i}", proposal: 2);
                if (answer.Outcome != StickyOutcome.Fallback) placed.Add($"new-{i}", answer.Backend);
            }
            // Clients' pace: to ask without a pause would take the machine from the shards that move.
            await Task.Delay(1, CancellationToken.None);
        }
        await settled;

        Assert.NotEmpty(placed);
        foreach ((string client, var backend) in placed) Assert.Equal(backend, (await nodes.AssignAsync(1, client, proposal: 3)).Backend);
        Assert.Equal(before, await AssignAsync(nodes, 1, proposal: 3));
    }

    [Fact]
    public async Task Region_StoppedBehindTheFleetsBack_GivesTheNodeAnotherFleetSystem()
    {
        await using var nodes = new MapNodes(3);
        nodes.Fleet.StartAll();
        await nodes.BalancedAsync(0, 1, 2);
        var before = await AssignAsync(nodes, 0, proposal: 1);
        await ReplicatedAsync(nodes, 0, 1, 2);

        var system = nodes.Fleet[1].System!.System;
        system.Stop(Akka.Cluster.Sharding.ClusterSharding.Get(system).ShardRegion("map"));
        await Wait.UntilAsync(() => nodes.Fleet[1].Standing.Restarts == 1, () => "not restarted");
        await nodes.BalancedAsync(0, 1, 2);

        Assert.Equal(before, await AssignAsync(nodes, 1, proposal: 3));
    }

    [Fact]
    public async Task Node_CutOffFromTheOthers_IsDetachedAnswersOnAndComesBack()
    {
        await using var nodes = new MapNodes(3);
        nodes.Fleet.Adapt = (_, s) => s with { FormAfter = TimeSpan.FromMinutes(1) };
        nodes.Fleet.StartAll();
        await nodes.BalancedAsync(0, 1, 2);
        var before = await AssignAsync(nodes, 0, proposal: 1);
        await ReplicatedAsync(nodes, 0, 1, 2);

        await nodes.Fleet.CutAsync(2, 0, isCut: true);
        await nodes.Fleet.CutAsync(2, 1, isCut: true);
        await nodes.Fleet.DetachedAsync(2);
        await nodes.BalancedAsync(0, 1);
        Assert.Equal(before, await ReadAsync(nodes, 0));
        await nodes.Fleet.CutAsync(2, 0, isCut: false);
        await nodes.Fleet.CutAsync(2, 1, isCut: false);
        await nodes.BalancedAsync(0, 1, 2);

        Assert.Equal(before, await AssignAsync(nodes, 2, proposal: 3));
        Assert.Equal(1, nodes.Fleet[2].Standing.Restarts);
    }

    /// <summary>What the map holds, not what a node falls back to: that depends on the machine's load.</summary>
    private static Task<BackendRef[]> AssignAsync(MapNodes nodes, int node, int proposal) => Task.WhenAll(Enumerable.Range(0, Clients).Select(async i =>
    {
        for (int attempt = 1; ; attempt++)
        {
            var answer = await nodes.AssignAsync(node, $"client-{i}", proposal);
            if (answer.Outcome != StickyOutcome.Fallback || attempt == 50) return answer.Backend;
        }
    }));

    private static Task<BackendRef[]> ReadAsync(MapNodes nodes, int node) =>
        Task.WhenAll(Enumerable.Range(0, Clients).Select(i => nodes.ReadAsync(node, $"client-{i}")));

    /// <summary>Waits until the copies equal their owners: both hold the entries in a table.</summary>
    private static Task ReplicatedAsync(MapNodes nodes, params int[] of) => Wait.UntilAsync(
        () => of.Sum(n => nodes.Map(n).Measure().Behind) == 0 && of.All(n => nodes.Map(n).Measure().Unreplicated == 0), () => "behind");
}
