using System.Net;
using ActorLb.Fleet.Membership;
using ActorLb.Testing;

namespace ActorLb.Tests.Fleet.Membership;

/// <summary>Fleets of hosts in this process: forming, losing nodes, splitting and coming together again.</summary>
[Collection(FleetCollection.Name)]
[Trait("speed", "slow")]
public sealed class FleetHostTests
{
    [Theory]
    [InlineData(false, 5)]
    [InlineData(true, 20)]
    public async Task Nodes_StartedTogether_FormOneFleetEachTime(bool isSecured, int times)
    {
        string secret = Path.Combine(Directory.CreateTempSubdirectory("actorlb-fleet-").FullName, "secret");
        await File.WriteAllTextAsync(secret, "0123456789abcdef0123456789abcdef");
        for (int i = 0; i < times; i++)
        {
            await using var nodes = new FleetNodes(3) { Adapt = (_, s) => s with { SecretFile = isSecured ? secret : null, Akka = "" } };
            nodes.StartAll();

            await nodes.FormedAsync(0, 1, 2);
        }
        Directory.Delete(Path.GetDirectoryName(secret)!, recursive: true);
    }

    /// <summary>The third one hears both, and says so: otherwise each would be down in the other's eyes, and the fleet would give up both.</summary>
    [Fact]
    public async Task Link_CutBetweenTwoOfThree_CostsNobodyTheMembership()
    {
        await using var nodes = new FleetNodes(3);
        nodes.StartAll();
        await nodes.FormedAsync(0, 1, 2);

        await nodes.CutAsync(0, 1, isCut: true);
        await Wait.UntilAsync(() => !nodes.Hears(0, 1) && !nodes.Hears(1, 0), nodes.LogText);
        // Longer than a fleet takes to give up whom nobody hears.
        await Task.Delay(TimeSpan.FromSeconds(8));
        Assert.All(nodes.Running, n => Assert.Equal((FleetStage.Member, 0, 3), (n.Standing.Stage, n.Standing.Restarts, n.Standing.Members!.All.Length)));
        Assert.False(nodes.Hears(0, 1) || nodes.Hears(1, 0));
        Assert.True(nodes.Hears(2, 0) && nodes.Hears(2, 1) && nodes.Hears(0, 2) && nodes.Hears(1, 2));

        await nodes.CutAsync(0, 1, isCut: false);
        await nodes.FormedAsync(0, 1, 2);
        Assert.All(nodes.Running, n => Assert.Equal(0, n.Standing.Restarts));
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
    public async Task Node_WithoutTheOthers_IsAFleetAloneAfterAWhile_WhichTheOthersJoin()
    {
        await using var nodes = new FleetNodes(3);
        nodes.Start(1);
        await nodes.FormedAsync(1);

        nodes.Start(0, 2);
        await nodes.FormedAsync(0, 1, 2);
        Assert.Equal(0, nodes[1].Standing.Restarts);
    }

    [Fact]
    public async Task Node_OutsideOfTheSeeds_Joins()
    {
        await using var nodes = new FleetNodes(4, seeds: 3);
        nodes.StartAll();

        await nodes.FormedAsync(0, 1, 2, 3);
    }

    [Theory]
    [InlineData("[::1]", "[::1]", null)]
    [InlineData("0.0.0.0", "localhost", "127.0.0.1")]
    [InlineData("[::]", "[::1]", "::1")]
    public async Task Nodes_ByOtherAddresses_FormAFleet(string bind, string seed, string? advertise)
    {
        int[] ports = [Ports.Free(), Ports.Free()];
        await using var nodes = new FleetNodes(2)
        {
            Seeds = [.. ports.Select(p => new DnsEndPoint(seed.Trim('[', ']'), p))],
            Adapt = (n, s) => s with
            {
                Bind = IPEndPoint.Parse($"{bind}:{ports[n]}"), Advertise = advertise is null ? null : new DnsEndPoint(advertise, ports[n]),
            },
        };
        nodes.StartAll();
        // By the majority that two seeds have together, and not one after the other.
        await nodes.FormedAsync(0, 1);
        Assert.Equal(1, Enumerable.Range(0, 2).Sum(n => nodes.Heard(n, "fleet_formed", "")));
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
        // Its new system has links of its own, which are whole at this end: the others' ends are cut.
        await nodes.FormedAsync(0);
        await CutOffAsync(nodes, 0, isCut: false);
        await nodes.FormedAsync(0, 1, 2);

        // One for the loss of its membership and one for the larger side; on a machine without time it may try once more to join.
        Assert.InRange(nodes[0].Standing.Restarts, 2, 4);
        Assert.Equal((0, 0), (nodes[1].Standing.Restarts, nodes[2].Standing.Restarts));
    }

    [Fact]
    public async Task Node_Leaving_IsGoneAtOnceAndStopped()
    {
        await using var nodes = new FleetNodes(3);
        nodes.StartAll();
        await nodes.FormedAsync(0, 1, 2);

        await nodes[0].LeaveAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(FleetStage.Stopped, nodes[0].Standing.Stage);
        // The process has it leave, as part of its own drain.
        Assert.False(nodes[0].Left.IsCompleted);
        await nodes.FormedAsync(1, 2);
        Assert.DoesNotContain(nodes.Log.Lines, l => l.Text.StartsWith("Fleet: ", StringComparison.Ordinal) && l.Text.EndsWith("is unreachable", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Node_ThatHasLeft_RejoinsWhenItsDrainIsTakenBack()
    {
        await using var nodes = new FleetNodes(3);
        nodes.StartAll();
        await nodes.FormedAsync(0, 1, 2);

        for (int i = 0; i < 2; i++)
        {
            await nodes[0].LeaveAsync(TimeSpan.FromSeconds(10));
            await nodes.FormedAsync(1, 2);
            nodes[0].Rejoin();
            await nodes.FormedAsync(0, 1, 2);
        }
        // One that never left goes on as it is.
        nodes[1].Rejoin();
        Assert.Equal(FleetStage.Member, nodes[1].Standing.Stage);
        Assert.False(nodes[0].Left.IsCompleted);
    }

    [Fact]
    public async Task Node_ThatAnotherOneMakesLeave_Stops()
    {
        await using var nodes = new FleetNodes(2);
        nodes.StartAll();
        await nodes.FormedAsync(0, 1);

        nodes[0].System!.Cluster.Leave(nodes[1].System!.Cluster.SelfAddress);
        await nodes.FormedAsync(0);
        await Wait.UntilAsync(() => nodes[1].Standing is { Stage: FleetStage.Stopped, Restarts: 0 }, () => nodes.LogText());
        // Its process is told, so that it drains and ends.
        await nodes[1].Left.WaitAsync(Wait.Patience);
        Assert.False(nodes[0].Left.IsCompleted);
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

    [Fact]
    public async Task Block_ForAkka_ThatIsNotUsable_LeavesTheNodeDetachedWithTheReason()
    {
        await using var nodes = new FleetNodes(1)
        {
            Adapt = (_, s) => s with { Akka = "akka.cluster.gossip-interval = soon" },
        };
        nodes.Start(0);
        await nodes.DetachedAsync(0);

        Assert.StartsWith("the fleet system does not start: ", nodes[0].Standing.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Address_ThatIsTaken_IsAnErrorOfTheStart()
    {
        await using var nodes = new FleetNodes(1);
        using var taken = new System.Net.Sockets.TcpListener(nodes.SettingsOf(0).Bind);
        taken.Start();

        var error = Assert.Throws<IOException>(() => nodes.Start(0));
        Assert.StartsWith($"cluster.bind {nodes.SettingsOf(0).Bind}: ", error.Message, StringComparison.Ordinal);
    }

    private static async Task CutOffAsync(FleetNodes nodes, int node, bool isCut)
    {
        foreach (int other in Enumerable.Range(0, nodes.Count).Where(n => n != node)) await nodes.CutAsync(node, other, isCut);
    }
}
