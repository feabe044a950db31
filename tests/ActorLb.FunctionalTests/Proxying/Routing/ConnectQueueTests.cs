using System.Collections.Concurrent;
using System.Text;
using ActorLb.Balancing;
using ActorLb.FunctionalTests.Harness;
using ActorLb.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Routing;

/// <summary>connects-per-second of a pool: who waits, in which order, how long, and for whom.</summary>
public sealed class ConnectQueueTests
{
    private static long Waiting(TestNode node) => node.Node.Reactors.Sum(r => (long)r.Queue.Count);

    private static Task UntilWaitingAsync(TestNode node, int count) => node.UntilAsync(() => Waiting(node) == count, () => $"{Waiting(node)} of {count} wait.");

    private static FakeBrokerScript Recording(ConcurrentQueue<string> ids) => async (connection, stop) =>
    {
        byte[] connect = await connection.ReadPacketAsync(stop);
        ids.Enqueue(IdIn(connect));
        await connection.SendAsync(FakeBroker.ConnackBytes(0, ConnectBytes.LevelOf(connect)), stop);
        await FakeBroker.Echo(connection, stop);
    };

    /// <summary>The ids of these tests end the packet.</summary>
    private static string IdIn(byte[] connect) => Encoding.UTF8.GetString(connect)[^4..];

    [Fact]
    public async Task Clients_MoreThanTheRate_ComeInTheOrderOfArrivalOverAllReactors()
    {
        var ids = new ConcurrentQueue<string>();
        await using var broker = FakeBroker.Start(Recording(ids));
        await using var node = await TestNode.StartTextAsync(
            TestNode.Text(TestNode.Backends(broker) + "connects-per-second = 20").Replace("workers = 1", "workers = 3", StringComparison.Ordinal));
        var clients = new List<RawClient>();
        for (int i = 0; i < 16; i++)
        {
            var client = await node.DialAsync();
            clients.Add(client);
            await client.SendAsync(ConnectBytes.V311($"c-{i:00}"));
            int sent = i + 1;
            await node.UntilAsync(() => node.Sum(c => Volatile.Read(ref c.Requests)) == sent);
        }

        foreach (var client in clients)
            Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        Assert.Equal(Enumerable.Range(0, 16).Select(i => $"c-{i:00}"), ids);
        Assert.Equal(0, Waiting(node));
        Assert.Equal(0, node.Backend(broker).Pace.Line.Count + node.Node.Pools.Single().Pool.Line.Count);
        clients.ForEach(c => c.Dispose());
    }

    [Theory]
    [InlineData(3, 3)]
    [InlineData(4, 3)]
    [InlineData(5, 0x9F)]
    public async Task Client_NoTurnWithinTheTime_IsRefused(int version, int code)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "connects-per-second = 1, connect-queue { timeout = 300ms, length = 10 }");
        using var first = await node.OpenAsync("first");
        Assert.Equal(FakeBroker.ConnackBytes((byte)code, version), await node.AskAsync(ConnectBytes.Of(version, "late", 60)));
        await node.UntilClosedAsync(CloseReason.QueueTimeout);
        await node.Log.OnlyLineAsync(l => l.Text.EndsWith("on listener mqtt: refused: queue_timeout", StringComparison.Ordinal));
        Assert.Equal(1, broker.Accepted);
        Assert.Equal(0, Waiting(node));
    }

    [Theory]
    [InlineData(4, 3)]
    [InlineData(5, 0x9F)]
    public async Task Client_QueueIsFull_IsRefusedAtOnce(int version, int code)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "connects-per-second = 1, connect-queue { timeout = 1h, length = 1 }");
        using var first = await node.OpenAsync("first");
        using var waits = await node.DialAsync();
        await waits.SendAsync(ConnectBytes.V311("waits"));
        await UntilWaitingAsync(node, 1);
        Assert.Equal(FakeBroker.ConnackBytes((byte)code, version), await node.AskAsync(ConnectBytes.Of(version, "third", 60)));
        await node.UntilClosedAsync(CloseReason.QueueFull);
        Assert.Equal(FakeBroker.ConnackBytes(0), await waits.ReadAsync(4));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Client_LeavesWhileItWaits_FreesItsPlaceAndTakesNoToken(bool resets)
    {
        var ids = new ConcurrentQueue<string>();
        await using var broker = FakeBroker.Start(Recording(ids));
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "connects-per-second = 2, connect-queue { timeout = 1h, length = 1 }");
        using var first = await node.OpenAsync("id-1");
        var leaves = await node.DialAsync();
        await leaves.SendAsync(ConnectBytes.V311("id-2"));
        await UntilWaitingAsync(node, 1);
        if (resets) leaves.Abort();
        else leaves.Dispose();
        await node.UntilClosedAsync(CloseReason.ClientGone);
        Assert.Equal(0, Waiting(node));
        using var third = await node.OpenAsync("id-3");
        Assert.Equal(["id-1", "id-3"], ids);
    }

    [Fact]
    public async Task Client_SaysAllItHasToSayAndLeaves_IsHeardInItsTurn()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "connects-per-second = 5");
        using var first = await node.OpenAsync("first");
        await broker.NextConnectionAsync();
        using (var publisher = await node.DialAsync())
        {
            // QoS 0 needs no answer: PUBLISH and DISCONNECT come right behind the CONNECT.
            await publisher.SendAsync((byte[])[.. ConnectBytes.V311("pub"), 0x30, 5, 0, 1, (byte)'t', (byte)'h', (byte)'i', 0xE0, 0]);
            await UntilWaitingAsync(node, 1);
            publisher.HalfClose();
            var heard = await broker.NextConnectionAsync();
            Assert.EndsWith("3005000174686" + "9E000", Convert.ToHexString(await heard.WaitForReceivedAsync(ConnectBytes.V311("pub").Length + 9)), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Sticky_ItsBackendHasNoToken_WaitsForItThoughAnotherHasRoom()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All) + "balance = sticky, connects-per-second = 2");
        using (await node.OpenAsync("mine"))
        {
        }

        int home = Array.IndexOf(brokers.Accepted, 1);
        using (await node.OpenAsync("mine"))
        {
        }

        using var third = await node.OpenAsync("mine");
        Assert.Equal(3, brokers.Accepted[home]);
        Assert.Equal(0, brokers.Accepted[1 - home]);
        Assert.True(node.Node.Reactors.Sum(r => r.Queue.Entered) >= 1);
    }

    [Fact]
    public async Task Sticky_ItsBackendGoesDownMeanwhile_GoesElsewhere()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(brokers.All) + "balance = sticky, connects-per-second = 1, connect-queue { timeout = 1h, length = 10 }");
        using (await node.OpenAsync("mine"))
        {
        }

        int home = Array.IndexOf(brokers.Accepted, 1);
        using var back = await node.DialAsync();
        await back.SendAsync(ConnectBytes.V311("mine"));
        await UntilWaitingAsync(node, 1);
        string page = MetricsText.Of(node.Node);
        Assert.Contains($"actorlb_connect_queue_length{{pool=\"p\",backend=\"{brokers[home].EndPoint}\"}} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("actorlb_connect_queue_length{pool=\"p\",backend=\"any\"} 0\n", page, StringComparison.Ordinal);
        Assert.Contains($"actorlb_connect_rate_limit{{pool=\"p\",backend=\"{brokers[home].EndPoint}\"}} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("actorlb_connect_queue_entered_total 1\n", page, StringComparison.Ordinal);
        node.Backend(brokers[home]).SetAdminState(AdminState.Down);
        Assert.Equal(FakeBroker.ConnackBytes(0), await back.ReadAsync(4));
        Assert.Equal(1, brokers.Accepted[1 - home]);
    }

    [Fact]
    public async Task Hash_ItsBackendHasNoToken_WaitsForIt()
    {
        await using var brokers = new Brokers(2);
        await using var node = await TestNode.StartAsync(TestNode.Backends(brokers.All) + "balance = hash, connects-per-second = 2");
        for (int i = 0; i < 3; i++)
        {
            using (await node.OpenAsync("mine"))
            {
            }
        }

        Assert.Equal([0, 3], brokers.Accepted.Order());
    }

    [Fact]
    public async Task RoundRobin_FirstChoiceHasNoToken_AnotherTakesTheClientButNoBackup()
    {
        await using var brokers = new Brokers(3);
        await using var node = await TestNode.StartAsync(
            brokers.Backends("weight = 100", "weight = 1", "backup = on") + "connects-per-second = 1, connect-queue { timeout = 1h, length = 10 }");
        using var first = await node.OpenAsync("first");
        using var second = await node.OpenAsync("second");
        Assert.Equal([1, 1, 0], brokers.Accepted);
        using var third = await node.DialAsync();
        await third.SendAsync(ConnectBytes.V311("third"));
        await UntilWaitingAsync(node, 1);
        Assert.Equal([1, 1, 0], brokers.Accepted);
        Assert.Equal(FakeBroker.ConnackBytes(0), await third.ReadAsync(4));
        Assert.Equal(0, brokers.Accepted[2]);
    }

    [Fact]
    public async Task Retry_TakesATokenToo()
    {
        await using var refuses = FakeBroker.Start(FakeBroker.Answering(3));
        await using var takes = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            $"backends = [{{ address = \"{refuses.EndPoint}\", weight = 100 }}, \"{takes.EndPoint}\"]\nconnects-per-second = 1, connect-queue {{ timeout = 1h, length = 10 }}");
        using var first = await node.OpenAsync("first");
        using var second = await node.DialAsync();
        await second.SendAsync(ConnectBytes.V311("second"));
        await UntilWaitingAsync(node, 1);
        Assert.Equal((1, 1), (refuses.Accepted, takes.Accepted));
        Assert.Equal(FakeBroker.ConnackBytes(0), await second.ReadAsync(4));
    }

    [Fact]
    public async Task Retry_WaitIsNotOfItsTime()
    {
        await using var refuses = FakeBroker.Start(FakeBroker.Answering(3));
        await using var takes = FakeBroker.Start(FakeBroker.Accepting);
        string text = TestNode.Backends(takes) + "connects-per-second = 1, retry { tries = 2, timeout = 100ms }, connect-timeout = 90ms";
        await using var node = await TestNode.StartAsync(text);
        using var first = await node.OpenAsync("first");
        await node.ReloadAsync(TestNode.Text($"backends = [{{ address = \"{refuses.EndPoint}\", weight = 100 }}, \"{takes.EndPoint}\"]\n"
            + "connects-per-second = 1, retry { tries = 2, timeout = 900ms }, connect-timeout = 900ms"));
        // The first try is refused; the second waits most of a second for its token, longer than the time for retries.
        using var second = await node.OpenAsync("second");
        Assert.Equal(1, refuses.Accepted);
    }

    [Theory]
    [InlineData("connects-per-second = 0")]
    [InlineData("connects-per-second = 1000")]
    public async Task Reload_FasterOrOff_ThoseThatWaitGoOn(string rate)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        string backends = TestNode.Backends(broker);
        await using var node = await TestNode.StartAsync(backends + "connects-per-second = 1, connect-queue { timeout = 1h, length = 100 }");
        using var first = await node.OpenAsync("first");
        var waiting = new List<RawClient>();
        for (int i = 0; i < 20; i++)
        {
            waiting.Add(await node.DialAsync());
            await waiting[i].SendAsync(ConnectBytes.V311($"w-{i}"));
        }

        await node.UntilAsync(() => Waiting(node) >= 15);
        await node.ReloadAsync(TestNode.Text(backends + rate));
        foreach (var client in waiting)
        {
            Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
            client.Dispose();
        }
    }

    [Fact]
    public async Task Drain_ThoseThatWait_AreRefused()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "connects-per-second = 1, connect-queue { timeout = 1h, length = 100 }");
        using var first = await node.OpenAsync("first");
        using var waits = await node.DialAsync();
        await waits.SendAsync(ConnectBytes.V5("waits"));
        await UntilWaitingAsync(node, 1);
        await node.Node.DrainAsync(TimeSpan.FromMilliseconds(400), CancellationToken.None);
        Assert.Equal(FakeBroker.ConnackBytes(0x88, 5), (await waits.ReadToEndAsync()).Bytes);
        Assert.Equal(0, node.Backend(broker).Pace.Line.Count + node.Node.Pools.Single().Pool.Line.Count);
    }
}
