using System.Net;
using ActorLb.Protocol.Admin;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Admin;

public sealed class SessionApiTests
{
    [Fact]
    public async Task List_InPages_TellsEverySessionOnce()
    {
        await using var node = await AdminNode.StartAsync();
        string[] ids = [.. Enumerable.Range(0, 11).Select(i => $"client-{i}")];
        var clients = await Task.WhenAll(ids.Select(id => node.ConnectAsync(id)));
        var seen = new List<string>();
        string? after = null;
        do
        {
            var page = await node.GetAsync($"sessions?limit=3{(after is null ? "" : $"&after={after}")}", AdminJson.Wire.SessionPage);
            Assert.InRange(page.Sessions.Length, 0, 3);
            seen.AddRange(page.Sessions.Select(s => s.ClientId!));
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal(ids.Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
        foreach (var client in clients) client.Dispose();
    }

    [Fact]
    public async Task Filter_TermsAllHold()
    {
        await using var node = await AdminNode.StartAsync();
        using var a = await node.ConnectAsync("meter-1", version: 5);
        using var b = await node.ConnectAsync("meter-2");
        using var c = await node.ConnectAsync("lamp=1");

        Assert.Equal(["meter-1", "meter-2"], await ListAsync("meter"));
        Assert.Equal(["meter-1"], await ListAsync($"meter address={a.Local}"));
        Assert.Equal(["lamp=1"], await ListAsync("client=lamp=1"));
        Assert.Equal(["lamp=1", "meter-1", "meter-2"], await ListAsync("address=127.0.0.1 listener=mqtt pool=emqx state=established"));
        Assert.Equal(["lamp=1", "meter-1", "meter-2"], await ListAsync("address=127.0.0.0/8"));
        Assert.Empty(await ListAsync("address=198.51.100.0/24"));
        Assert.Empty(await ListAsync("client=meter"));
        Assert.Empty(await ListAsync("meter pool=plain"));
        var one = await node.GetAsync("sessions?filter=client=meter-1", AdminJson.Wire.SessionPage);
        Assert.Equal(("5", "established", "lb-1"), (one.Sessions[0].Protocol, one.Sessions[0].State, one.Sessions[0].Node));

        async Task<string[]> ListAsync(string filter)
        {
            var page = await node.GetAsync($"sessions?filter={Uri.EscapeDataString(filter)}", AdminJson.Wire.SessionPage);
            return [.. page.Sessions.Select(s => s.ClientId!).Order(StringComparer.Ordinal)];
        }
    }

    [Theory]
    [InlineData("sessions?filter=colour=red", "unknown key 'colour'")]
    [InlineData("sessions?filter=address=198.51.100.", "'198.51.100.' is not an address, with or without a port, or a network such as 198.51.100.0/24")]
    [InlineData("sessions?filter=address=198.51.100.7/24", "the network is 198.51.100.0/24")]
    [InlineData("sessions?limit=0", "limit")]
    [InlineData("sessions?limit=1001", "limit")]
    [InlineData("sessions?limit=x", "limit")]
    [InlineData("sessions?after=x", "after")]
    [InlineData("sessions?after=9.0", "after")]
    [InlineData("sessions?after=lb-1/0.-1", "after")]
    [InlineData("sessions?after=/0.1", "after")]
    [InlineData("sessions/top?by=age", "bytes, packets, connects")]
    [InlineData("sessions/top?limit=101", "limit")]
    [InlineData("sessions?after=0.-1", "after")]
    [InlineData("sessions/find", "client")]
    public async Task Query_Bad_IsRefusedWithTheReason(string path, string detail)
    {
        await using var node = await AdminNode.StartAsync();
        var error = await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Get, path));
        Assert.Contains(detail, error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kick_Mqtt5_IsToldWhyAndGone()
    {
        await using var node = await AdminNode.StartAsync();
        using var five = await node.ConnectAsync("c", version: 5);
        using var other = await node.ConnectAsync("other");

        var kick = await node.SendAsync(HttpMethod.Post, "sessions/kick?client=c", null, AdminJson.Wire.SessionKick);

        Assert.Equal(("c", 1), (kick.ClientId, kick.Kicked));
        Assert.Equal([new NamedCount("lb-1", 1)], kick.Nodes);
        Assert.Empty(kick.Silent);
        // DISCONNECT with Administrative action (MQTT 5 section 3.14.2.1).
        Assert.Equal([0xE0, 0x01, 0x98], (await five.ReadToEndAsync()).Bytes);
        await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Post, "sessions/kick?client=nobody"));
        var count = await node.GetAsync("sessions/count", AdminJson.Wire.SessionCount);
        Assert.Equal(1, count.Established);
    }

    [Fact]
    public async Task Count_ByListenerAndBackend_AddsUp()
    {
        await using var node = await AdminNode.StartAsync();
        var clients = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => node.ConnectAsync($"c{i}")));

        var count = await node.GetAsync("sessions/count", AdminJson.Wire.SessionCount);

        Assert.Equal((6, 6), (count.Total, count.Established));
        Assert.Equal([new NamedCount("mqtt", 6)], count.Listeners);
        Assert.Equal(6, count.Backends.Sum(b => b.Count));
        foreach (var client in clients) client.Dispose();
    }
}
