using ActorLb.Balancing;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Routing;

/// <summary>Backends that take no clients, or few: down, backup, full, failing, coming back.</summary>
public sealed class BackendStateTests
{
    [Fact]
    public async Task Down_Backend_GetsNoClient()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(brokers.Backends("down = true", ""));
        using var clients = await Clients.OpenAsync(node, 4);
        Assert.Equal([0, 4], brokers.Accepted);
    }

    [Fact]
    public async Task Backup_Backend_GetsClientsOnlyWhenTheOthersAreOut()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(brokers.Backends("", "", "backup = true"));
        using var clients = await Clients.OpenAsync(node, 4);
        Assert.Equal([2, 2, 0], brokers.Accepted);
        await brokers[0].DisposeAsync();
        await brokers[1].DisposeAsync();
        using var late = await Clients.OpenAsync(node, 3, "late");
        Assert.Equal(3, brokers.Accepted[2]);
    }

    [Fact]
    public async Task MaxConnections_FullBackend_IsPassedOver()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(brokers.Backends("max-connections = 2", "max-connections = 3"));
        using var clients = await Clients.OpenAsync(node, 5);
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
        using var clients = await Clients.OpenAsync(node, 10);
        Assert.Equal((2, 10), (bad.Accepted, good.Accepted));
        Assert.Equal(BackendBlocks.Out, backend.Blocks);

        // After the window one client tries it; it answers now and is back.
        bad.Script = FakeBroker.Accepting;
        await node.UntilAsync(() => backend.IsEligible(Environment.TickCount64, newClient: true));
        using var later = await Clients.OpenAsync(node, 4, "later");
        Assert.Equal(BackendBlocks.None, backend.Blocks);
        Assert.InRange(bad.Accepted, 3, 6);
        await node.Log.LineAsync(l => l.Text == $"pool p, backend {bad.EndPoint} gets no clients for its fail-timeout: max-fails is reached");
        await node.Log.LineAsync(l => l.Text == $"pool p, backend {bad.EndPoint} gets clients again after a failure");
    }

    [Fact]
    public async Task MaxFails_SoleBackend_IsNeverTakenOut()
    {
        await using var broker = FakeBroker.Start(FakeBroker.CloseAtOnce);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        for (int i = 0; i < 3; i++)
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
        using var clients = await Clients.OpenAsync(node, 30);
        Assert.InRange(brokers.Accepted[1], 0, 3);
    }

    [Fact]
    public async Task BackendName_UnknownHost_OthersTakeTheClients()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync($"backends = [\"no-such-host.invalid:1883\", \"{broker.EndPoint}\"]");
        using var clients = await Clients.OpenAsync(node, 3);
        Assert.Equal(3, broker.Accepted);
        await node.Log.LineAsync(l => l.Text.Contains("no-such-host.invalid", StringComparison.Ordinal));
    }
}
