using System.Text;
using System.Text.Json.Nodes;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.SystemTests.Peers;

/// <summary>Real clients through a node to a real mosquitto.</summary>
public sealed class BrokerTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task MqttJs_EveryQosAndRetained_EndToEnd(int version)
    {
        await using var broker = await Mosquitto.StartAsync();
        await using var node = await StartAsync(broker);
        await using var js = await MqttJs.StartAsync();
        var publisher = await js.ConnectAsync(Connect(node, "publisher", version));
        await publisher.PublishAsync("kept/1", "kept ☂", qos: 2, retain: true);
        var subscriber = await js.ConnectAsync(Connect(node, "subscriber", version));
        Assert.Equal(2, await subscriber.SubscribeAsync("#", qos: 2));
        var kept = await subscriber.NextMessageAsync();
        Assert.Equal(("kept/1", "kept ☂", 2, true), (kept.Topic, kept.Text, kept.Qos, kept.Retain));

        for (int qos = 0; qos <= 2; qos++)
        {
            byte[] payload = Encoding.UTF8.GetBytes(new string((char)('a' + qos), 200_000));
            await publisher.PublishAsync($"q/{qos}", payload, qos);
            var message = await subscriber.NextMessageAsync();
            Assert.Equal(($"q/{qos}", qos, false), (message.Topic, message.Qos, message.Retain));
            Assert.Equal(payload, message.Payload);
        }

        Assert.Equal(version, (await broker.WaitForClientAsync("publisher")).Version);
        await publisher.EndAsync();
        await broker.WaitForGoneAsync("publisher");
        await node.UntilClosedAsync(Proxying.CloseReason.ClientClosed);
    }

    [Theory]
    [InlineData("mqttv31", 3)]
    [InlineData("mqttv311", 4)]
    [InlineData("mqttv5", 5)]
    public async Task MosquittoClients_EveryQosAndRetained_EndToEnd(string version, int level)
    {
        await using var broker = await Mosquitto.StartAsync();
        await using var node = await StartAsync(broker);
        await MosquittoClients.PublishAsync(node.EndPoint, "x/kept", "kept", 1, retain: true, version, "-i", "keeper");
        await using var subscriber = await MosquittoClients.SubscribeAsync(node.EndPoint, "x/+", 2, version, "-i", "sub");
        Assert.Equal(new MosquittoMessage(true, 1, "x/kept", "kept"), await subscriber.NextMessageAsync());
        for (int qos = 0; qos <= 2; qos++)
        {
            await MosquittoClients.PublishAsync(node.EndPoint, "x/1", $"words {qos}", qos, retain: false, version, "-i", $"pub{qos}");
            Assert.Equal(new MosquittoMessage(false, qos, "x/1", $"words {qos}"), await subscriber.NextMessageAsync());
        }

        Assert.Equal(level, (await broker.WaitForClientAsync("pub2")).Version);
    }

    [Fact]
    public async Task Session_ClientReturnsToStickyBroker_FindsItsSubscriptions()
    {
        await using var one = await Mosquitto.StartAsync();
        await using var two = await Mosquitto.StartAsync();
        await using var node = await TestNode.StartAsync(
            $"balance = sticky, place = round-robin, backends = [\"{one.EndPoint}\", \"{two.EndPoint}\"]");
        await using var js = await MqttJs.StartAsync();
        var filler = await js.ConnectAsync(Connect(node, "filler", 4));
        for (int visit = 0; visit < 3; visit++)
        {
            var client = await js.ConnectAsync(Connect(node, "durable", 4) with { Clean = false });
            Assert.Equal(visit > 0, client.SessionPresent);
            if (visit == 0)
                await client.SubscribeAsync("t", qos: 1);
            await client.EndAsync();
        }

        Assert.Equal(3, two.Accepted.Count(c => c.Id == "durable"));
        await filler.EndAsync();
    }

    [Theory]
    [InlineData(4, "5")]
    [InlineData(5, "135")]
    public async Task Credentials_Wrong_AreRefusedByTheFirstBrokerAlone(int version, string code)
    {
        var options = new MosquittoOptions { Users = new Dictionary<string, string>(StringComparer.Ordinal) { ["ann"] = "secret" } };
        await using var one = await Mosquitto.StartAsync(options);
        await using var two = await Mosquitto.StartAsync(options);
        await using var node = await TestNode.StartAsync($"backends = [\"{one.EndPoint}\", \"{two.EndPoint}\"]");
        await using var js = await MqttJs.StartAsync();
        var refused = await Assert.ThrowsAsync<MqttJsException>(() => js.ConnectAsync(
            Connect(node, "x", version) with { UserName = "ann", Password = "wrong" }));
        Assert.Equal(code, refused.Code);
        Assert.Equal(0, node.Sum(c => c.Retries));
        await js.ConnectAsync(Connect(node, "y", version) with { UserName = "ann", Password = "secret" });
        Assert.Equal("y", (await two.WaitForClientAsync("y")).Id);
    }

    [Fact]
    public async Task Will_NodeSuppresses_IsNotPublishedByADrainButByADeath()
    {
        await using var broker = await Mosquitto.StartAsync();
        await using var watcher = await MosquittoClients.SubscribeAsync(broker.EndPoint, "will/+", 0, "mqttv311", "-i", "watcher");
        await using var js = await MqttJs.StartAsync();
        JsonObject With(string topic) => new()
        {
            ["reconnectPeriod"] = 0,
            ["will"] = new JsonObject { ["topic"] = topic, ["payload"] = "gone", ["qos"] = 0, ["retain"] = false },
        };
        await using (var node = await TestNode.StartAsync($"backends = [\"{broker.EndPoint}\"]", more: "node.will = suppress"))
        {
            var dies = await js.ConnectAsync(Connect(node, "dies", 4) with { Options = With("will/died") });
            await js.ConnectAsync(Connect(node, "drained", 5) with { Options = With("will/suppressed") });
            await dies.EndAsync(force: true);
            Assert.Equal("will/died", (await watcher.NextMessageAsync()).Topic);
            await node.Node.DrainAsync(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
            await broker.WaitForGoneAsync("drained");
        }

        await using (var node = await TestNode.StartAsync($"backends = [\"{broker.EndPoint}\"]"))
        {
            await js.ConnectAsync(Connect(node, "kept", 5) with { Options = With("will/kept") });
            await node.Node.DrainAsync(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        }

        // The next Will after the first is the kept one: the suppressed never came.
        Assert.Equal("will/kept", (await watcher.NextMessageAsync()).Topic);
    }

    [Fact]
    public async Task Broker_StopsAndComesBack_ClientsGoToTheOtherMeanwhile()
    {
        await using var one = await Mosquitto.StartAsync();
        await using var two = await Mosquitto.StartAsync();
        await using var node = await TestNode.StartAsync(
            $"backends = [{{ address = \"{one.EndPoint}\", fail-timeout = 300ms }}, \"{two.EndPoint}\"]");
        await one.DisposeAsync();
        for (int i = 0; i < 4; i++)
        {
            using (await node.OpenAsync($"c{i}"))
                await two.WaitForClientAsync($"c{i}");
        }

        await using var again = await Mosquitto.StartAsync(new MosquittoOptions { Listeners = [new(EndPoint: one.EndPoint)] });
        var backend = node.Node.Pools.Single().Pool.Snapshot.Find(one.EndPoint.ToString())!;
        await node.UntilAsync(() => backend.IsEligible(Environment.TickCount64, newClient: true));
        for (int i = 0; i < 4; i++)
        {
            using (await node.OpenAsync($"d{i}"))
            {
            }
        }

        await again.Process.WaitForLineAsync("New client connected");
    }

    [Fact]
    public async Task HealthProbe_MqttBrokerDies_IsOutUntilItLivesAgain()
    {
        await using var one = await Mosquitto.StartAsync();
        await using var two = await Mosquitto.StartAsync();
        await using var node = await TestNode.StartAsync(
            $"backends = [\"{one.EndPoint}\", \"{two.EndPoint}\"], health {{ probe = mqtt, interval = 100ms, timeout = 1s, rise = 1, fall = 2 }}");
        await one.Process.WaitForLineAsync("New client connected");
        var backend = node.Node.Pools.Single().Pool.Snapshot.Find(one.EndPoint.ToString())!;
        await one.DisposeAsync();
        await node.UntilAsync(() => backend.Blocks != Balancing.BackendBlocks.None);
        using var client = await node.OpenAsync("c");
        await two.WaitForClientAsync("c");
        await using var again = await Mosquitto.StartAsync(new MosquittoOptions { Listeners = [new(EndPoint: one.EndPoint)] });
        await node.UntilAsync(() => backend.Blocks == Balancing.BackendBlocks.None);
    }

    /// <summary>What a broker logs of a probe is one client that came and left as it should.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task HealthProbe_OfABroker_IsACleanSession(bool webSocket, bool tls)
    {
        using var ca = new TestCertificates();
        var certificate = ca.Server(["127.0.0.1"]);
        await using var broker = await Mosquitto.StartAsync(new MosquittoOptions
        {
            // With no plain listener mosquitto does not start.
            Listeners = [new(), new(WebSocket: webSocket, Tls: tls ? new MosquittoTls(certificate.CertificatePath, certificate.KeyPath) : null)],
        });
        await using var node = await TestNode.StartAsync(
            $"backends = [\"{broker.EndPoints[1]}\"], health {{ probe = mqtt, interval = 100ms }}{(webSocket ? ", websocket = on" : "")}{(tls ? ", tls { verify = off }" : "")}");
        await broker.WaitForGoneAsync(id => id.StartsWith("actorlb-probe-test-", StringComparison.Ordinal));
        await node.UntilAsync(() => node.Node.Pools.Single().Pool.Snapshot.Backends[0].Health == Balancing.HealthState.Up);
        await broker.Process.WaitUntilAsync(() => Task.FromResult(broker.Accepted.Count >= 3));
        Assert.DoesNotContain(broker.Process.Lines, l => l.Contains("error", StringComparison.OrdinalIgnoreCase) || l.Contains("reset", StringComparison.Ordinal));
    }

    private static Task<TestNode> StartAsync(Mosquitto broker) => TestNode.StartAsync($"backends = [\"{broker.EndPoint}\"]");

    private static MqttJsConnect Connect(TestNode node, string id, int version) =>
        new() { Url = MqttJsConnect.Address("mqtt", node.EndPoint), ClientId = id, Version = version };
}
