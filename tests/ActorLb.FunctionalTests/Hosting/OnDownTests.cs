using System.Runtime.CompilerServices;
using ActorLb.Balancing;
using ActorLb.FunctionalTests.Proxying;
using ActorLb.Hosting;
using ActorLb.Proxying;
using ActorLb.Supervision;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Hosting;

/// <summary>What becomes of the sessions of a backend that its probes find down.</summary>
public sealed class OnDownTests
{
    private const string Probes = "health { probe = http, port = PORT, interval = 100ms, rise = 1, fall = 1 }\n";

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public async Task Close_SilentBroker_ItsSessionsEndAtAPaceAndOthersStay(int version)
    {
        await using var world = await World.StartAsync("on-down = close\n", within: "1s");
        using var clients = await world.OpenAsync(20, version);
        world.Say("503 Service Unavailable");

        var endings = await Task.WhenAll(clients.All.Select(c => c.ReadToEndAsync()));
        Assert.All(endings, e => Assert.Equal(version == 5 ? [0xE0, 1, 0x8B] : (byte[])[], e.Bytes));
        foreach (var client in clients.All)
            client.HalfClose();
        await world.Node.UntilClosedAsync(CloseReason.BackendDown, 20);
        Assert.Equal(0, world.Node.Backend(world.Broker).Active);
        await world.Node.Log.LineAsync(l => l.Text == $"closing the 20 sessions of backend {world.Broker.EndPoint} of pool p, which is down, within 1 s");
    }

    [Fact]
    public async Task Close_BrokerBackBeforeAllAreClosed_RestStays()
    {
        await using var world = await World.StartAsync("on-down = close\n", within: "10m");
        using var clients = await world.OpenAsync(20, 4);
        world.Say("503 Service Unavailable");
        await world.Node.UntilClosedAsync(CloseReason.BackendDown, 1);
        world.Say("200 OK");
        await world.Node.UntilAsync(() => world.Node.Backend(world.Broker).Health == HealthState.Up);
        // Seen at the next step: a fall before that is the same one.
        await world.Node.UntilAsync(() => ActorTree.Read(world.Node.Node.ActorSystems).All(a => a.Type != "ActorGraphInterpreter"));
        // The next fall counts again.
        world.Say("503 Service Unavailable");
        await world.Node.UntilAsync(() => world.Node.Log.Lines.Count(l => l.Text.StartsWith("closing the ", StringComparison.Ordinal)) == 2);
        Assert.InRange(world.Node.Backend(world.Broker).Active, 15, 19);
    }

    [Fact]
    public async Task Keep_SilentBroker_SessionsStay()
    {
        await using var world = await World.StartAsync("", within: "50ms");
        using var clients = await world.OpenAsync(3, 4);
        world.Say("503 Service Unavailable");
        await world.Node.UntilAsync(() => world.Node.Backend(world.Broker).Health == HealthState.Down);
        await clients.All[0].SendAsync(ConnectBytes.Publish("t", "on"u8));
        Assert.NotEmpty(await clients.All[0].ReadAsync(1));
        Assert.Equal(3, world.Node.Backend(world.Broker).Active);
    }

    private sealed class World(TestNode node, FakeBroker broker, FakeBroker status, StrongBox<string> said) : IAsyncDisposable
    {
        public TestNode Node => node;

        public FakeBroker Broker => broker;

        public static async Task<World> StartAsync(string pool, string within)
        {
            var said = new StrongBox<string>("200 OK");
            var status = FakeBroker.Start(async (connection, stop) =>
            {
                await connection.ReadSomeAsync(stop);
                await connection.SendAsync(System.Text.Encoding.ASCII.GetBytes($"HTTP/1.1 {Volatile.Read(ref said.Value!)}\r\n\r\n"), stop);
            });
            var broker = FakeBroker.Start(FakeBroker.Accepting);
            string probes = Probes.Replace("PORT", $"{status.EndPoint.Port}", StringComparison.Ordinal);
            var node = await TestNode.StartAsync(TestNode.Backends(broker) + pool + probes, more: $"node.drain-timeout = {within}");
            await node.UntilAsync(() => node.Backend(broker).Health == HealthState.Up);
            return new World(node, broker, status, said);
        }

        public void Say(string line) => Volatile.Write(ref said.Value!, line);

        public async Task<Clients> OpenAsync(int count, int version)
        {
            var clients = new List<RawClient>();
            for (int i = 0; i < count; i++)
                clients.Add(await node.OpenAsync($"client-{i}", version));
            return new Clients(clients);
        }

        public async ValueTask DisposeAsync()
        {
            await node.DisposeAsync();
            await broker.DisposeAsync();
            await status.DisposeAsync();
        }
    }
}
