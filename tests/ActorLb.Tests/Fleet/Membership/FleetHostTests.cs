using System.Net;
using ActorLb.Fleet.Membership;
using ActorLb.Testing;

namespace ActorLb.Tests.Fleet.Membership;

/// <summary>Fleets of hosts in this process: forming, joining and leaving.</summary>
[Trait("place", "beside")]
[Trait("speed", "slow")]
public sealed class FleetHostTests
{
    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 4)]
    public async Task Nodes_StartedTogether_FormOneFleetEachTime(bool isSecured, int times)
    {
        string secret = Path.Combine(Directory.CreateTempSubdirectory("actorlb-fleet-").FullName, "secret");
        await File.WriteAllTextAsync(secret, "0123456789abcdef0123456789abcdef");
        for (int i = 0; i < times; i++)
        {
            // Several fleets in parallel: most of the time that forming takes is spent waiting.
            await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
            {
                await using var nodes = new FleetNodes(3) { Adapt = (_, s) => s with { SecretFile = isSecured ? secret : null, Akka = "" } };
                nodes.StartAll();
                await nodes.FormedAsync(0, 1, 2);
            }));
        }
        Directory.Delete(Path.GetDirectoryName(secret)!, recursive: true);
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
                Bind = IPEndPoint.Parse($"{bind}:{ports[n]}"),
                Advertise = advertise is null ? null : new DnsEndPoint(advertise, ports[n]),
            },
        };
        nodes.StartAll();
        // The two seeds must form it together, because only both are a majority.
        await nodes.FormedAsync(0, 1);
        Assert.Equal(1, Enumerable.Range(0, 2).Sum(n => nodes.Heard(n, "fleet_formed", "")));
    }

    [Fact]
    public async Task Node_Leaving_IsGoneAtOnceAndStopped()
    {
        await using var nodes = new FleetNodes(3);
        nodes.StartAll();
        await nodes.FormedAsync(0, 1, 2);

        await nodes[0].LeaveAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(FleetStage.Stopped, nodes[0].Standing.Stage);
        // The process makes it leave, as part of its own drain.
        Assert.False(nodes[0].Left.IsCompleted);
        await nodes.FormedAsync(1, 2);
        Assert.DoesNotContain(nodes.Log.Lines, l => l.Text.StartsWith("fleet: ", StringComparison.Ordinal) && l.Text.EndsWith("is unreachable", StringComparison.Ordinal));
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
        // A node that has not left is unaffected.
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
        // Its process is notified, so that it drains and exits.
        await nodes[1].Left.WaitAsync(Wait.Patience);
        Assert.False(nodes[0].Left.IsCompleted);
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

        Assert.StartsWith("the fleet system failed to start: ", nodes[0].Standing.Reason, StringComparison.Ordinal);
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
}
