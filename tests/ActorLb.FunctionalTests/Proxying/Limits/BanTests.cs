using System.Net;
using ActorLb.Proxying;
using ActorLb.Proxying.Limits;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.FunctionalTests.Proxying.Limits;

/// <summary>Bans on a node: who is refused how, who is disconnected, and for how long.</summary>
public sealed class BanTests
{
    private static Ban Of(BanKind kind, string subject, double? seconds = null) => new(
        kind, subject, DateTimeOffset.UtcNow, seconds is { } s ? DateTimeOffset.UtcNow.AddSeconds(s) : null, "a test", "");

    private static async Task BanAsync(TestNode node, Ban ban)
    {
        Assert.Null((await node.Node.Bans.AddAsync(ban)).Refused);
        await node.UntilAsync(() => node.Node.Places.Bans.Bans.Any(b => b.Subject == ban.Subject));
    }

    /// <summary>A CONNECT of MQTT 3.1.1 with a user name.</summary>
    private static byte[] As(string id, string user) =>
        [0x10, (byte)(14 + id.Length + user.Length), 0, 4, .. "MQTT"u8, 4, 0x82, 0, 60, 0, (byte)id.Length, .. System.Text.Encoding.UTF8.GetBytes(id),
            0, (byte)user.Length, .. System.Text.Encoding.UTF8.GetBytes(user)];

    private static async Task<RawClient> OpenAsync(TestNode node, byte[] connect)
    {
        var client = await node.DialAsync();
        await client.SendAsync(connect);
        Assert.Equal(FakeBroker.ConnackBytes(0), await client.ReadAsync(4));
        return client;
    }

    [Theory]
    [InlineData(3, 5)]
    [InlineData(4, 5)]
    [InlineData(5, 0x8A)]
    public async Task ClientId_IsBanned_RefusedAndDisconnected(int version, int code)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var bad = await node.OpenAsync("bad", version);
        using var good = await node.OpenAsync("good");
        await BanAsync(node, Of(BanKind.ClientId, "bad"));
        byte[] farewell = (await bad.ReadToEndAsync()).Bytes;
        if (version == 5) Assert.Equal([0xE0, 0x98], new[] { farewell[0], farewell[2] });
        await node.UntilClosedAsync(CloseReason.ClosedByBan);
        Assert.Equal(FakeBroker.ConnackBytes((byte)code, version), await node.AskAsync(ConnectBytes.Of(version, "bad", 60)));
        await node.UntilClosedAsync(CloseReason.Banned);
        Assert.Equal(1, node.Node.Places.BannedNames);
        Assert.Equal(2, broker.Accepted);
        await good.SendAsync(new byte[] { 0xC0, 0 });
        Assert.Equal([0xC0, 0], await good.ReadAsync(2));
        await node.Node.Bans.RemoveAsync(BanKind.ClientId, "bad");
        await node.UntilAsync(() => node.Node.Places.Bans.Bans.IsEmpty);
        using var again = await node.OpenAsync("bad", version);
    }

    [Fact]
    public async Task UserName_IsBanned_RefusedAndDisconnected()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        using var bad = await OpenAsync(node, As("a", "mallory"));
        using var good = await OpenAsync(node, As("b", "alice"));
        using var anonymous = await node.OpenAsync("c");
        await BanAsync(node, Of(BanKind.UserName, "mallory"));
        await bad.ReadToEndAsync();
        await node.UntilClosedAsync(CloseReason.ClosedByBan);
        Assert.Equal(FakeBroker.ConnackBytes(5), await node.AskAsync(As("d", "mallory")));
        Assert.Equal(1, node.Closed(CloseReason.ClosedByBan));
        Assert.Equal(2, node.Sum(c => c.Relaying));
    }

    [Theory]
    [InlineData("rewrite.username = \"device-$mqtt_preread_clientid\"", "own")]
    [InlineData("rewrite.username = \"device-$mqtt_preread_clientid\"", "device-a")]
    [InlineData("rewrite.username = remove", "own")]
    public async Task UserName_IsRewritten_BothAreRefused(string rewrite, string banned)
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), rewrite);
        await BanAsync(node, Of(BanKind.UserName, banned));
        Assert.Equal(FakeBroker.ConnackBytes(5), await node.AskAsync(As("a", "own")));
        Assert.Equal(0, broker.Accepted);
    }

    [Fact]
    public async Task Address_IsBanned_ClosedAtOnceAndDisconnected()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        var here = IPAddress.Parse("127.0.1.7");
        using var bad = await node.OpenAsync("bad", from: here);
        using var silent = await node.DialAsync(IPAddress.Parse("127.0.1.8"));
        using var good = await node.OpenAsync("good");
        await BanAsync(node, Of(BanKind.Address, "127.0.1.0/24"));
        await bad.ReadToEndAsync();
        Assert.Empty((await silent.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.ClosedByBan);
        using var refused = await node.DialAsync(here);
        Assert.Empty((await refused.ReadToEndAsync()).Bytes);
        await node.UntilClosedAsync(CloseReason.Banned, 2);
        Assert.Equal(1, node.Sum(c => c.Relaying));
    }

    [Fact]
    public async Task Address_OfAProxyHeader_IsTheOneThatIsBanned()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker), "accept-proxy-protocol { from = [\"127.0.0.0/8\"] }");
        await BanAsync(node, Of(BanKind.Address, "192.0.2.0/24"));
        byte[] Proxied(string client) => [.. System.Text.Encoding.ASCII.GetBytes($"PROXY TCP4 {client} 127.0.0.1 1000 1883\r\n"), .. ConnectBytes.V311("c")];
        Assert.Empty(await node.AskAsync(Proxied("192.0.2.9")));
        using var other = await OpenAsync(node, Proxied("192.0.3.9"));
    }

    [Fact]
    public async Task Ban_Expires_ClientComesInAgain()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker));
        await BanAsync(node, Of(BanKind.ClientId, "bad", seconds: 3));
        Assert.Equal(FakeBroker.ConnackBytes(5), await node.AskAsync(ConnectBytes.V311("bad")));
        await node.UntilAsync(() => node.Node.Bans.All().IsEmpty);
        using var again = await node.OpenAsync("bad");
        await node.Node.Bans.AddAsync(Of(BanKind.ClientId, "else"));
        Assert.Single(node.Node.Orders.All(Operations.BanOrders.Prefix));
    }

    [Fact]
    public async Task Waiting_ClientIsBannedInTheQueue_IsRefused()
    {
        await using var broker = FakeBroker.Start(FakeBroker.Accepting);
        await using var node = await TestNode.StartAsync(TestNode.Backends(broker) + "connects-per-second = 1, connect-queue { timeout = 1h, length = 9 }");
        using var first = await node.OpenAsync("first");
        using var waits = await node.DialAsync();
        await waits.SendAsync(ConnectBytes.V5("bad"));
        await node.UntilAsync(() => node.Node.Reactors.Sum(r => r.Queue.Count) == 1);
        await BanAsync(node, Of(BanKind.ClientId, "bad"));
        Assert.Equal(FakeBroker.ConnackBytes(0x8A, 5), (await waits.ReadToEndAsync()).Bytes);
        Assert.Equal(0, node.Backend(broker).Pace.Line.Count + node.Node.Pools.Single().Pool.Line.Count);
    }
}
