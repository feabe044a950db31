using System.Net;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Routing;

public sealed class BalancingTests
{
    [Fact]
    public async Task RoundRobin_Weights_SpreadConnectionsByThem()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(brokers.Backends("weight = 3", "weight = 2", ""));
        using var clients = await Clients.OpenAsync(node, 12);
        Assert.Equal([6, 4, 2], brokers.Accepted);
    }

    [Fact]
    public async Task RoundRobin_ManyReactors_SpreadEvenly()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(brokers.Backends("", "", ""), more: "node.workers = 3");
        using var clients = await Clients.OpenAsync(node, 30);
        Assert.Equal([10, 10, 10], brokers.Accepted);
    }

    [Fact]
    public async Task LeastConnections_AfterOneBackendLostItsClients_GivesItTheNext()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync("balance = least-connections\n" + brokers.Backends("", ""));
        using var clients = await Clients.OpenAsync(node, 4);
        Assert.Equal([2, 2], brokers.Accepted);
        var first = node.Backend(brokers[0]);
        (await brokers[0].NextConnectionAsync()).Abort();
        (await brokers[0].NextConnectionAsync()).Abort();
        await node.UntilAsync(() => first.Active == 0);
        using var next = await Clients.OpenAsync(node, 2);
        Assert.Equal([4, 2], brokers.Accepted);
    }

    [Fact]
    public async Task LeastConnections_Weights_CountsPerWeight()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync("balance = least-connections\n" + brokers.Backends("weight = 3", ""));
        using var clients = await Clients.OpenAsync(node, 8);
        Assert.Equal([6, 2], brokers.Accepted);
    }

    [Fact]
    public async Task Random_ManyClients_UsesAllAndStaysNearEven()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync("balance = random\n" + brokers.Backends("", "", ""));
        using var clients = await Clients.OpenAsync(node, 60);
        Assert.All(brokers.Accepted, n => Assert.InRange(n, 10, 30));
    }

    [Fact]
    public async Task IpHash_SameNetwork_AlwaysTheSameBackend()
    {
        await using var brokers = new Brokers(4);
        await using var node = await TestNode.StartAsync("balance = ip-hash\n" + brokers.Backends("", "", "", ""));
        for (int network = 1; network <= 60; network++)
        {
            int[] before = brokers.Accepted;
            // As NGINX does, by the first three octets.
            for (int last = 1; last <= 3; last++)
            {
                using (await node.OpenAsync("x", from: IPAddress.Parse($"127.0.{network}.{last}")))
                {
                }
            }

            Assert.Equal([0, 0, 0, 3], brokers.Accepted.Zip(before, (now, then) => now - then).Order());
        }

        Assert.All(brokers.Accepted, n => Assert.NotEqual(0, n));
    }

    [Fact]
    public async Task Hash_SameClientId_AlwaysTheSameBackend()
    {
        await using var brokers = new Brokers(4);
        await using var node = await TestNode.StartAsync("balance = hash\n" + brokers.Backends("", "", "", ""));
        for (int id = 0; id < 60; id++)
        {
            int[] before = brokers.Accepted;
            for (int time = 0; time < 3; time++)
            {
                using (await node.OpenAsync($"client-{id}", from: IPAddress.Parse($"127.0.0.{time + 1}")))
                {
                }
            }

            Assert.Equal([0, 0, 0, 3], brokers.Accepted.Zip(before, (now, then) => now - then).Order());
        }

        Assert.All(brokers.Accepted, n => Assert.NotEqual(0, n));
    }

    [Fact]
    public async Task Hash_ClientsWithoutId_GoInTurn()
    {
        await using var brokers = new Brokers(4);
        await using var node = await TestNode.StartAsync("balance = hash\n" + brokers.Backends("", "", "", ""));
        using var clients = await Clients.OpenAsync(node, 12, ids: _ => "");
        Assert.Equal([3, 3, 3, 3], brokers.Accepted);
    }

    [Fact]
    public async Task Hash_ByUserName_TellsNothingElseApart()
    {
        await using var brokers = new Brokers(4);
        await using var node = await TestNode.StartAsync(
            "balance = hash, hash-key = \"$mqtt_preread_username\"\n" + brokers.Backends("", "", "", ""));
        for (int user = 0; user < 60; user++)
        {
            int[] before = brokers.Accepted;
            for (int time = 0; time < 3; time++)
                await ComeAsync(node, $"client-{user}-{time}", $"user-{user}", time + 1);
            Assert.Equal([0, 0, 0, 3], brokers.Accepted.Zip(before, (now, then) => now - then).Order());
        }

        Assert.All(brokers.Accepted, n => Assert.NotEqual(0, n));
        // Clients without a user name have no key.
        int[] keyed = brokers.Accepted;
        using var clients = await Clients.OpenAsync(node, 12);
        Assert.Equal([3, 3, 3, 3], brokers.Accepted.Zip(keyed, (now, then) => now - then));
    }

    [Fact]
    public async Task Hash_ByTextOfTwoVariables_TellsBothApartAndNothingElse()
    {
        await using var brokers = new Brokers(4);
        await using var node = await TestNode.StartAsync(
            "balance = hash, hash-key = \"user $mqtt_preread_username at ${remote_addr}!\"\n" + brokers.Backends("", "", "", ""));
        // By user and address.
        int[,] homes = new int[8, 8];
        for (int user = 0; user < 8; user++)
        {
            for (int host = 0; host < 8; host++)
            {
                int[] before = brokers.Accepted;
                for (int time = 0; time < 3; time++)
                    await ComeAsync(node, $"client-{time}", $"user-{user}", host + 1);
                int[] came = brokers.Accepted.Zip(before, (now, then) => now - then).ToArray();
                Assert.Equal([0, 0, 0, 3], came.Order());
                homes[user, host] = Array.IndexOf(came, 3);
            }
        }

        int[] all = Enumerable.Range(0, 8).ToArray();
        Assert.All(all, user => Assert.NotEqual(1, all.Select(host => homes[user, host]).Distinct().Count()));
        Assert.All(all, host => Assert.NotEqual(1, all.Select(user => homes[user, host]).Distinct().Count()));
    }

    [Fact]
    public async Task Sticky_PlacedByHash_NewClientsGoWhereTheirKeySays()
    {
        await using var brokers = new Brokers(4);
        await using var hashing = await TestNode.StartAsync("balance = hash\n" + brokers.Backends("", "", "", ""));
        await using var sticky = await TestNode.StartAsync("balance = sticky, place = hash\n" + brokers.Backends("", "", "", ""));
        int[] homes = await brokers.HomesAsync(hashing, 40);
        Assert.Equal(homes, await brokers.HomesAsync(sticky, 40));
        Assert.Equal([0, 1, 2, 3], homes.Distinct().Order());
    }

    [Fact]
    public async Task Hash_BackendLeaves_OnlyItsClientsMove()
    {
        await using var brokers = new Brokers(4);
        string text = TestNode.Text("balance = hash\n" + brokers.Backends("", "", "", ""));
        await using var node = await TestNode.StartTextAsync(text);
        int[] before = await brokers.HomesAsync(node, 80);
        await node.ReloadAsync(TestNode.Text("balance = hash\n" + brokers.Backends("", "", "", "down = true")));
        int[] after = await brokers.HomesAsync(node, 80);
        Assert.Contains(3, before);
        Assert.DoesNotContain(3, after);
        Assert.All(before.Zip(after), pair => Assert.True(pair.First == pair.Second || pair.First == 3));
    }

    [Fact]
    public async Task Sticky_SameClientId_ReturnsToItsBackend()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(
            "balance = sticky, place = round-robin\n" + brokers.Backends("", "", ""), more: "node.workers = 2");
        int[] first = await brokers.HomesAsync(node, 12);
        Assert.Equal([4, 4, 4], Enumerable.Range(0, 3).Select(b => first.Count(home => home == b)));
        Assert.Equal(first, await brokers.HomesAsync(node, 12));
        Assert.Equal(12, node.Node.Sticky.Count);
    }

    [Fact]
    public async Task Sticky_ItsBackendIsGone_MovesAndStaysWhereItMoved()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(
            "balance = sticky, place = round-robin\n" + brokers.Backends("", "", "") + "connect-timeout = 1s\n");
        using (await node.OpenAsync("mover"))
        {
        }

        Assert.Equal([1, 0, 0], brokers.Accepted);
        await brokers[0].DisposeAsync();
        for (int time = 0; time < 4; time++)
        {
            using (await node.OpenAsync("mover"))
            {
            }
        }

        Assert.Equal([0, 4], brokers.Accepted[1..].Order());
    }

    [Fact]
    public async Task Sticky_ClientWithoutId_IsKnownByTheIdThatTheBrokerGives()
    {
        byte[] given = [0x12, .. ConnectBytes.Text("given")];
        await using var broker = FakeBroker.Start(async (connection, stop) =>
        {
            await connection.ReadPacketAsync(stop);
            await connection.SendAsync(new byte[] { 0x20, (byte)(3 + given.Length), 0, 0, (byte)given.Length }.Concat(given).ToArray(), stop);
            await connection.ReadToEndAsync(stop);
        });
        await using var other = FakeBroker.Start(FakeBroker.Answering(0x87));
        await using var node = await TestNode.StartAsync("balance = sticky, place = round-robin\n" + TestNode.Backends(broker, other));
        using (var client = await node.DialAsync())
        {
            await client.SendAsync(ConnectBytes.V5(""));
            Assert.Equal(0, (await client.ReadAsync(5 + given.Length))[3]);
        }

        for (int time = 0; time < 3; time++)
        {
            using var back = await node.DialAsync();
            await back.SendAsync(ConnectBytes.V5("given"));
            Assert.Equal(0, (await back.ReadAsync(5))[3]);
        }

        Assert.Equal((4, 0), (broker.Accepted, other.Accepted));
    }

    /// <summary>A client that is accepted and leaves.</summary>
    private static async Task ComeAsync(TestNode node, string id, string user, int host)
    {
        using var client = await node.DialAsync(IPAddress.Parse($"127.0.0.{host}"));
        await client.SendAsync(ConnectBytes.Of(4, id, user: user));
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
    }
}
