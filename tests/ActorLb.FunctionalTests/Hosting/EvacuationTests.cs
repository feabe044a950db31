using System.Net;
using System.Text;
using ActorLb.Balancing;
using ActorLb.FunctionalTests.Proxying;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Hosting;

/// <summary>A broker whose availability check says 503 while it lets its clients go, as a node of EMQX that is evacuated.</summary>
public sealed class EvacuationTests
{
    private const string Check = "/api/v5/load_rebalance/availability_check";

    [Fact]
    public async Task Availability_503_KeepsThoseThatBelong_AndGetsNoOthers()
    {
        await using var one = FakeBroker.Start(FakeBroker.Accepting);
        await using var two = FakeBroker.Start(FakeBroker.Accepting, new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
        string status = "200 OK";
        FakeBrokerScript answer(Func<string> said) => async (connection, stop) =>
        {
            string asked = Encoding.ASCII.GetString((await connection.ReadSomeAsync(stop)).Span);
            await connection.SendAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {(asked.StartsWith($"GET {Check} ", StringComparison.Ordinal) ? said() : "404 Not Found")}\r\n\r\n"), stop);
        };
        await using var apiOfOne = FakeBroker.Start(answer(() => Volatile.Read(ref status)));
        await using var apiOfTwo = FakeBroker.Start(answer(() => "200 OK"), new IPEndPoint(IPAddress.Parse("127.0.0.2"), apiOfOne.EndPoint.Port));
        await using var node = await TestNode.StartAsync($$"""
            balance = sticky, place = round-robin
            {{TestNode.Backends(one, two)}}
            health { probe = http, path = "{{Check}}", port = {{apiOfOne.EndPoint.Port}}, on-503 = drain, interval = 100ms, rise = 1 }
            """);
        await node.UntilAsync(() => node.Backend(one).Health == HealthState.Up && node.Backend(two).Health == HealthState.Up);
        using var clients = await Clients.OpenAsync(node, 4);
        Assert.Equal((2, 2), (one.Accepted, two.Accepted));

        Volatile.Write(ref status, "503 Service Unavailable");
        await node.UntilAsync(() => node.Backend(one).Blocks == BackendBlocks.DrainingByProbe);
        Assert.Equal(2, one.Open);
        using var others = await Clients.OpenAsync(node, 4, "new");
        Assert.Equal((2, 6), (one.Accepted, two.Accepted));
        // Its own come back to it: it tells them itself where to go.
        using var again = await Clients.OpenAsync(node, 4);
        Assert.Equal((4, 8), (one.Accepted, two.Accepted));

        Volatile.Write(ref status, "200 OK");
        await node.UntilAsync(() => node.Backend(one).Blocks == BackendBlocks.None);
        using var last = await Clients.OpenAsync(node, 2, "last");
        Assert.InRange(one.Accepted, 5, 6);
    }
}
