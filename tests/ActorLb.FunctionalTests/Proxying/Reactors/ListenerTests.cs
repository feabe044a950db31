using System.Globalization;
using System.Net;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Reactors;

public sealed class ListenerTests
{
    [Theory]
    [InlineData("[::]", "0.0.0.0")]
    [InlineData("0.0.0.0", "[::]")]
    public async Task Bind_BothFamiliesOfOnePort_EachTakesItsOwn(string first, string second)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        int port = Ports.Free();
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: $$"""
            listeners.one { bind = "{{first}}:{{port}}", pool = p }
            listeners.two { bind = "{{second}}:{{port}}", pool = p }
            """);
        foreach (var address in new[] { IPAddress.Loopback, IPAddress.IPv6Loopback })
        {
            using var client = await RawClient.ConnectAsync(new IPEndPoint(address, port));
            await client.SendAsync(ConnectBytes.V311("x"));
            Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
            var taken = node.Node.Listeners.Single(l => l.Active == 1);
            Assert.Equal(address.AddressFamily, taken.BoundTo!.AddressFamily);
            client.Dispose();
            await node.UntilAsync(() => node.Node.Admission.Active == 0);
        }
    }

    [Fact]
    public async Task Reload_IPv4BesideAllIPv6OfOnePort_BothTakeClients()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        int port = Ports.Free();
        string six = $"listeners.six {{ bind = \"[::]:{port}\", pool = p }}\n";
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: six);
        await node.ReloadAsync(TestNode.Text(TestNode.Backends(broker), more: six + $"listeners.four {{ bind = \"0.0.0.0:{port}\", pool = p }}"));
        using var four = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        using var other = await RawClient.ConnectAsync(new IPEndPoint(IPAddress.IPv6Loopback, port));
        await node.UntilAsync(() => node.Node.Listeners.Where(l => l.Name is "four" or "six").All(l => l.Active == 1));
    }

    [Fact]
    public async Task Bind_AllIPv6Alone_TakesIPv4Too()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(
            TestNode.Backends(broker), more: "listeners.all { bind = \"[::]:0\", pool = p }");
        foreach (var address in new[] { IPAddress.Loopback, IPAddress.IPv6Loopback })
        {
            using var client = await RawClient.ConnectAsync(new IPEndPoint(address, node.Of("all").Port));
            await client.SendAsync(ConnectBytes.V311("x"));
            Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
            // An IPv4 client stays one, for ip-hash and limits.
            Assert.Equal(address, await node.Node.Reactors[0].AskAsync(r => r.Sessions.Single().Remote.Address));
            client.Dispose();
            await node.UntilAsync(() => node.Node.Admission.Active == 0);
        }
    }

    [Fact]
    public async Task Listeners_MoreThanAThousand_AllTakeClients()
    {
        const int Count = 1100;
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), more: string.Join('\n', Enumerable.Range(0, Count)
            .Select(i => string.Create(CultureInfo.InvariantCulture, $"listeners.l{i} {{ bind = \"127.0.0.1:0\", pool = p }}"))));
        foreach (int i in new[] { 0, 500, Count - 1 })
        {
            using var client = await RawClient.ConnectAsync(node.Of($"l{i}"));
            await client.SendAsync(ConnectBytes.V311("x"));
            Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        }
    }
}
