using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Proxying;
using ActorLb.Testing;

namespace ActorLb.FunctionalTests.Proxying;

public sealed class BalancingTests
{
    [Fact]
    public async Task RoundRobin_Weights_SpreadConnectionsByThem()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(brokers.Backends("weight = 3", "weight = 2", ""));
        using var clients = await OpenAsync(node, 12);
        Assert.Equal([6, 4, 2], brokers.Accepted);
    }

    [Fact]
    public async Task RoundRobin_ManyReactors_SpreadEvenly()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(brokers.Backends("", "", ""), more: "node.workers = 3");
        using var clients = await OpenAsync(node, 30);
        Assert.Equal([10, 10, 10], brokers.Accepted);
    }

    [Fact]
    public async Task LeastConnections_AfterOneBackendLostItsClients_GivesItTheNext()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync("balance = least-connections\n" + brokers.Backends("", ""));
        using var clients = await OpenAsync(node, 4);
        Assert.Equal([2, 2], brokers.Accepted);
        var first = node.Backend(brokers[0]);
        (await brokers[0].NextConnectionAsync()).Abort();
        (await brokers[0].NextConnectionAsync()).Abort();
        await node.UntilAsync(() => first.Active == 0);
        using var next = await OpenAsync(node, 2);
        Assert.Equal([4, 2], brokers.Accepted);
    }

    [Fact]
    public async Task LeastConnections_Weights_CountsPerWeight()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync("balance = least-connections\n" + brokers.Backends("weight = 3", ""));
        using var clients = await OpenAsync(node, 8);
        Assert.Equal([6, 2], brokers.Accepted);
    }

    [Fact]
    public async Task Random_ManyClients_UsesAllAndStaysNearEven()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync("balance = random\n" + brokers.Backends("", "", ""));
        using var clients = await OpenAsync(node, 60);
        Assert.All(brokers.Accepted, n => Assert.InRange(n, 10, 30));
    }

    [Fact]
    public async Task IpHash_SameNetwork_AlwaysTheSameBackend()
    {
        await using var brokers = new Brokers(4);
        await using var node = await TestNode.StartAsync("balance = ip-hash\n" + brokers.Backends("", "", "", ""));
        for (var network = 1; network <= 20; network++)
        {
            var before = brokers.Accepted;
            // As NGINX does, by the first three octets.
            for (var last = 1; last <= 3; last++)
                using (await node.OpenAsync("x", from: IPAddress.Parse($"127.0.{network}.{last}")))
                {
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
        for (var id = 0; id < 20; id++)
        {
            var before = brokers.Accepted;
            for (var time = 0; time < 3; time++)
                using (await node.OpenAsync($"client-{id}", from: IPAddress.Parse($"127.0.0.{time + 1}")))
                {
                }

            Assert.Equal([0, 0, 0, 3], brokers.Accepted.Zip(before, (now, then) => now - then).Order());
        }

        Assert.All(brokers.Accepted, n => Assert.NotEqual(0, n));
    }

    [Fact]
    public async Task Hash_BackendLeaves_OnlyItsClientsMove()
    {
        await using var brokers = new Brokers(4);
        var text = TestNode.Text("balance = hash\n" + brokers.Backends("", "", "", ""));
        await using var node = await TestNode.StartTextAsync(text);
        var before = await HomesAsync(node, brokers, 40);
        await node.ReloadAsync(TestNode.Text("balance = hash\n" + brokers.Backends("", "", "", "down = true")));
        var after = await HomesAsync(node, brokers, 40);
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
        var first = await HomesAsync(node, brokers, 12);
        Assert.Equal([4, 4, 4], Enumerable.Range(0, 3).Select(b => first.Count(home => home == b)));
        Assert.Equal(first, await HomesAsync(node, brokers, 12));
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
        for (var time = 0; time < 4; time++)
            using (await node.OpenAsync("mover"))
            {
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

        for (var time = 0; time < 3; time++)
        {
            using var back = await node.DialAsync();
            await back.SendAsync(ConnectBytes.V5("given"));
            Assert.Equal(0, (await back.ReadAsync(5))[3]);
        }

        Assert.Equal((4, 0), (broker.Accepted, other.Accepted));
    }

    [Fact]
    public async Task Down_Backend_GetsNoClient()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(brokers.Backends("down = true", ""));
        using var clients = await OpenAsync(node, 4);
        Assert.Equal([0, 4], brokers.Accepted);
    }

    [Fact]
    public async Task Backup_Backend_GetsClientsOnlyWhenTheOthersAreOut()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(brokers.Backends("", "", "backup = true"));
        using var clients = await OpenAsync(node, 4);
        Assert.Equal([2, 2, 0], brokers.Accepted);
        await brokers[0].DisposeAsync();
        await brokers[1].DisposeAsync();
        using var late = await OpenAsync(node, 3, "late");
        Assert.Equal(3, brokers.Accepted[2]);
    }

    [Fact]
    public async Task MaxConnections_FullBackend_IsPassedOver()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(brokers.Backends("max-connections = 2", "max-connections = 3"));
        using var clients = await OpenAsync(node, 5);
        Assert.Equal([2, 3], brokers.Accepted);
        Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("too many")));
        Assert.Equal(FakeBroker.ConnackBytes(0x88, 5), await node.AskAsync(ConnectBytes.V5("too many")));
        await node.UntilClosedAsync(CloseReason.NoBackend, 2);
        // One leaves: its place is free again.
        clients.All[0].Abort();
        await node.UntilClosedAsync(CloseReason.ClientReset);
        using var next = await node.OpenAsync("next");
        Assert.Equal(6, brokers.Accepted.Sum());
    }

    [Fact]
    public async Task MaxFails_FailuresInTheWindow_TakeTheBackendOutForTheWindow()
    {
        await using var bad = FakeBroker.Start(FakeBroker.CloseAtOnce);
        await using var good = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            $"backends = [{{ address = \"{bad.EndPoint}\", max-fails = 2, fail-timeout = 400ms }}, \"{good.EndPoint}\"]");
        var backend = node.Backend(bad);
        using var clients = await OpenAsync(node, 10);
        Assert.Equal((2, 10), (bad.Accepted, good.Accepted));
        Assert.Equal(BackendBlocks.Out, backend.Blocks);

        // After the window one client tries it; it answers now and is back.
        bad.Script = FakeBroker.Accepting;
        await node.UntilAsync(() => backend.IsEligible(Environment.TickCount64, newClient: true));
        using var later = await OpenAsync(node, 4, "later");
        Assert.Equal(BackendBlocks.None, backend.Blocks);
        Assert.InRange(bad.Accepted, 3, 6);
        Assert.Contains(node.Log.Lines, l => l.Text.Contains(nameof(PoolEventKind.BackendIn), StringComparison.Ordinal));
    }

    [Fact]
    public async Task MaxFails_SoleBackend_IsNeverTakenOut()
    {
        await using var broker = FakeBroker.Start(FakeBroker.CloseAtOnce);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        for (var i = 0; i < 3; i++)
            Assert.Equal(FakeBroker.ConnackBytes(3), await node.AskAsync(ConnectBytes.V311("x")));
        broker.Script = FakeBroker.Accepting;
        using var client = await node.OpenAsync("y");
        Assert.Equal(BackendBlocks.None, node.Backend(broker).Blocks);
    }

    [Theory]
    [InlineData(3, "20020003")]
    [InlineData(4, "20020003")]
    [InlineData(5, "2003008800")]
    public async Task AllBackends_Down_ClientIsToldSo(int version, string answer)
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(brokers.Backends("down = true", "down = true"));
        Assert.Equal(answer, Convert.ToHexString(await node.AskAsync(ConnectBytes.Of(version, "nobody"))));
        await node.UntilClosedAsync(CloseReason.NoBackend);
    }

    [Fact]
    public async Task SlowStart_BackendThatComesBack_GetsFewAtFirst()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync("balance = round-robin\n" + brokers.Backends("", "slow-start = 1h"));
        var second = node.Backend(brokers[1]);
        second.SetAdminState(AdminState.Down);
        second.SetAdminState(AdminState.Up);
        using var clients = await OpenAsync(node, 30);
        Assert.InRange(brokers.Accepted[1], 0, 3);
    }

    [Fact]
    public async Task BackendName_UnknownHost_OthersTakeTheClients()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync($"backends = [\"no-such-host.invalid:1883\", \"{broker.EndPoint}\"]");
        using var clients = await OpenAsync(node, 3);
        Assert.Equal(3, broker.Accepted);
        Assert.Contains(node.Log.Lines, l => l.Text.Contains("no-such-host.invalid", StringComparison.Ordinal));
    }

    private static async Task<int[]> HomesAsync(TestNode node, Brokers brokers, int clients)
    {
        var homes = new int[clients];
        for (var i = 0; i < clients; i++)
        {
            var before = brokers.Accepted;
            using var client = await node.OpenAsync($"client-{i}");
            homes[i] = Array.FindIndex(brokers.Accepted.Zip(before, (now, then) => now - then).ToArray(), n => n == 1);
        }

        return homes;
    }

    private static async Task<Clients> OpenAsync(TestNode node, int count, string prefix = "client", IPAddress? from = null)
    {
        var clients = new List<RawClient>();
        for (var i = 0; i < count; i++)
            clients.Add(await node.OpenAsync($"{prefix}-{i}", from: from));
        return new Clients(clients);
    }

    private sealed record Clients(IReadOnlyList<RawClient> All) : IDisposable
    {
        public void Dispose()
        {
            foreach (var client in All)
                client.Dispose();
        }
    }
}
