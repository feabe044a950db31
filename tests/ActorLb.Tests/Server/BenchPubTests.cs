using System.Net;
using System.Net.Sockets;
using ActorLb.Protocol.Mqtt;
using ActorLb.Server.Bench;
using ActorLb.Server.Commands;
using ActorLb.Testing;

namespace ActorLb.Tests.Server;

public sealed class BenchPubTests(BenchMosquitto broker) : IClassFixture<BenchMosquitto>
{
    private readonly StringWriter _output = new();

    private Task<int> RunAsync(BenchTarget target, PublishPlan plan) =>
        BenchPubCommand.RunAsync(target, 3, TimeSpan.Zero, plan, new BenchConsole(_output, false, TimeProvider.System), TimeProvider.System,
            CancellationToken.None);

    private static PublishPlan Plan(int qos, int size = 64) =>
        new($"pub/{Guid.NewGuid():N}/%c", size, qos, 300, TimeSpan.FromMilliseconds(300), 20, Subscribe: true);

    [Theory]
    [InlineData(0, MqttVersion.V311)]
    [InlineData(1, MqttVersion.V311)]
    [InlineData(2, MqttVersion.V311)]
    [InlineData(0, MqttVersion.V5)]
    [InlineData(1, MqttVersion.V5)]
    [InlineData(2, MqttVersion.V5)]
    internal async Task Pub_EveryQos_DeliversAll(int qos, MqttVersion version)
    {
        Assert.Equal(0, await RunAsync(broker.Target(broker.Port, version), Plan(qos)));
        string output = _output.ToString();
        Assert.Contains("end to end   p50", output, StringComparison.Ordinal);
        if (qos > 0) Assert.Contains(qos == 1 ? "PUBACK       p50" : "PUBCOMP      p50", output, StringComparison.Ordinal);
        string delivered = output.Split('\n').Single(line => line.StartsWith("delivered", StringComparison.Ordinal));
        string[] numbers = delivered["delivered".Length..].Split("of");
        Assert.Equal(numbers[0].Trim(), numbers[1].Trim());
        // On a busy machine the run ends late; the rate holds over the time that it took.
        string[] published = output.Split('\n').Single(line => line.StartsWith("published", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.InRange(int.Parse(published[1]), 1, 300 * (double.Parse(published[3]) + 0.01) + 3);
    }

    [Fact]
    public async Task Pub_LargePayload_ArrivesWhole() => Assert.Equal(0, await RunAsync(broker.Target(broker.Port), Plan(1, 300_000)));

    [Fact]
    public async Task Pub_OverWebSocket_DeliversAll() =>
        Assert.Equal(0, await RunAsync(broker.Target(broker.WebSocketPort) with { WebSocketPath = "/mqtt" }, Plan(1)));

    [Fact]
    public async Task Pub_NoRate_GoesAsFastAsTheWindowAllows()
    {
        Assert.Equal(0, await RunAsync(broker.Target(broker.Port), Plan(1) with { Rate = 0 }));
        string line = _output.ToString().Split('\n').Single(text => text.StartsWith("published", StringComparison.Ordinal));
        Assert.True(int.Parse(line["published".Length..].Split(" in ")[0]) > 100, line);
    }

    /// <summary>The rate is that of the time in which messages were sent; what is owed then has a line of its own.</summary>
    [Fact]
    public async Task Pub_AcknowledgementsAreLate_SaysWhatItWaitsFor()
    {
        using var slow = new TcpListener(IPAddress.Loopback, 0);
        slow.Start();
        var output = new WatchedWriter("waiting for acknowledgements: 2 of 2 messages left");
        var answering = Task.Run(async () =>
        {
            using var accepted = await slow.AcceptSocketAsync();
            await accepted.ReceiveAsync(new byte[256]);
            await accepted.SendAsync((byte[])[0x20, 2, 0, 0]);
            await output.Seen;
            await accepted.SendAsync((byte[])[0x40, 2, 0, 1, 0x40, 2, 0, 2]);
            while (await accepted.ReceiveAsync(new byte[256]) > 0) { }
        });
        var target = broker.Target(((IPEndPoint)slow.LocalEndpoint).Port) with { Host = "127.0.0.1" };
        var plan = Plan(1) with { Subscribe = false, Rate = 0, InFlight = 2 };
        Assert.Equal(0, await BenchPubCommand.RunAsync(
            target, 1, TimeSpan.Zero, plan, new BenchConsole(output, false, TimeProvider.System), TimeProvider.System, CancellationToken.None));
        await answering;
        Assert.Contains("published    2 in 0.3", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("acknowledged 2, 0 of them refused", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pub_AllPublishersLost_EndsAtOnce()
    {
        await using var own = new BenchMosquitto();
        await own.InitializeAsync();
        var output = new WatchedWriter("publishing: 1 sent");
        // The next message is due in an hour.
        var plan = Plan(0) with { Subscribe = false, Rate = 1.0 / 3600, Duration = TimeSpan.FromHours(9) };
        var bench = BenchPubCommand.RunAsync(own.Target(own.Port), 3, TimeSpan.Zero, plan,
            new BenchConsole(output, false, TimeProvider.System), TimeProvider.System, CancellationToken.None);
        await output.Seen;
        own.Kill();
        Assert.Equal(1, await bench.WaitAsync(Wait.Patience));
    }

    [Fact]
    public async Task Pub_NotConnected_PublishesNothing()
    {
        Assert.Equal(1, await RunAsync(broker.Target(broker.PasswordPort), Plan(1)));
        Assert.DoesNotContain("published", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("subscriber   CONNACK 0x05 not authorized", _output.ToString(), StringComparison.Ordinal);
    }
}
