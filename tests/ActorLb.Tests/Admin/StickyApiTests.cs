using System.Net;
using ActorLb.Protocol.Admin;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Admin;

public sealed class StickyApiTests
{
    [Fact]
    public async Task Set_ThenConnect_TheClientGoesThere()
    {
        await using var node = await AdminNode.StartAsync();
        foreach (var broker in new[] { node.One, node.Two, node.One })
        {
            int before = broker.Accepted;
            await node.SendAsync(HttpMethod.Put, "sticky?client=c1", $$"""{"backend":"{{broker.EndPoint}}"}""", AdminJson.Wire.StickyEntries);
            using var client = await node.ConnectAsync("c1");
            Assert.Equal(before + 1, broker.Accepted);
            var found = await node.GetAsync("sticky?client=c1", AdminJson.Wire.StickyEntries);
            var entry = Assert.Single(found.Entries);
            Assert.Equal(("emqx", broker.EndPoint.ToString(), "lb-1"), (entry.Pool, entry.Backend, entry.Owner));
        }
    }

    [Fact]
    public async Task Clear_ForgetsOneClient_FlushAllOfABroker()
    {
        await using var node = await AdminNode.StartAsync();
        string id = node.Two.EndPoint.ToString();
        foreach (string client in new[] { "a", "b", "c" })
        {
            await node.SendAsync(HttpMethod.Put, $"sticky?client={client}", $$"""{"backend":"{{id}}"}""", AdminJson.Wire.StickyEntries);
        }

        await node.SendAsync(HttpMethod.Delete, "sticky?client=a", null, AdminJson.Wire.Done);
        Assert.Equal(["-", id, id], await BackendsOf("a", "b", "c"));
        await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Delete, "sticky?client=a"));

        var flush = await node.SendAsync(HttpMethod.Post, $"backends/{id}/flush", null, AdminJson.Wire.StickyFlush);
        Assert.Equal(new StickyFlush("emqx", id), flush);
        Assert.Equal(["-", "-", "-"], await BackendsOf("a", "b", "c"));
        await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Delete, "sticky?client=b"));

        async Task<string[]> BackendsOf(params string[] clients)
        {
            var backends = new List<string>();
            foreach (string client in clients)
            {
                backends.Add((await node.GetAsync($"sticky?client={client}", AdminJson.Wire.StickyEntries)).Entries[0].Backend ?? "-");
            }
            return [.. backends];
        }
    }

    [Fact]
    public async Task Set_BackendTakesNobody_IsRefused()
    {
        await using var node = await AdminNode.StartAsync();
        string id = node.Two.EndPoint.ToString();
        await node.SendAsync(HttpMethod.Post, $"backends/{id}/drain", null, AdminJson.Wire.BackendInfo);
        var error = await AdminNode.ErrorAsync(
            HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Put, "sticky?client=c", $$"""{"backend":"{{id}}"}"""));
        Assert.Contains(id, error.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("a b&c=d/e?f#g%h+i")]
    [InlineData("größe-\u2603-\U0001F600")]
    public async Task ClientId_AnyCharacters_IsTheOneThatConnects(string clientId)
    {
        await using var node = await AdminNode.StartAsync();
        await Pinned(node, clientId);
    }

    [Fact]
    public async Task ClientId_OfFullLength_IsTheOneThatConnects()
    {
        await using var node = await AdminNode.StartAsync();
        await Pinned(node, new string('\u00e4', 32_767) + "x");
        string query = $"sticky?client={new string('x', 65_536)}";
        await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Get, query));
    }

    [Theory]
    [InlineData("GET", "sticky", null, HttpStatusCode.BadRequest, "client")]
    [InlineData("GET", "sticky?client=", null, HttpStatusCode.BadRequest, "client")]
    [InlineData("GET", "sticky?client=c&pool=plain", null, HttpStatusCode.NotFound, "no sticky pool 'plain'")]
    [InlineData("PUT", "sticky?client=c", """{"backend":"x:1"}""", HttpStatusCode.NotFound, "no backend 'x:1'")]
    [InlineData("PUT", "sticky?client=c", """{"backend":null}""", HttpStatusCode.BadRequest, "backend")]
    [InlineData("PUT", "sticky?client=c", "", HttpStatusCode.BadRequest, "backend")]
    public async Task Request_Bad_IsRefusedWithTheReason(string method, string path, string? body, HttpStatusCode status, string detail)
    {
        await using var node = await AdminNode.StartAsync();
        var error = await AdminNode.ErrorAsync(status, await node.SendAsync(new HttpMethod(method), path, body));
        Assert.Contains(detail, error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flush_PoolRemembersNobody_IsRefused()
    {
        await using var node = await AdminNode.StartAsync();
        await AdminNode.ErrorAsync(
            HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, $"backends/{node.One.EndPoint}/flush?pool=plain"));
    }

    [Fact]
    public async Task Stats_CountEntries()
    {
        await using var node = await AdminNode.StartAsync();
        using var a = await node.ConnectAsync("a");
        using var b = await node.ConnectAsync("b");
        var stats = await node.GetAsync("sticky/stats", AdminJson.Wire.StickyStats);
        Assert.Equal((2, 86_400), (stats.Entries, stats.TtlSeconds));
        Assert.Equal(["emqx"], stats.StickyPools);
    }

    private static async Task Pinned(AdminNode node, string clientId)
    {
        string path = $"sticky?client={Uri.EscapeDataString(clientId)}";
        foreach (var broker in new[] { node.One, node.Two })
        {
            int before = broker.Accepted;
            await node.SendAsync(HttpMethod.Put, path, $$"""{"backend":"{{broker.EndPoint}}"}""", AdminJson.Wire.StickyEntries);
            using var client = await node.ConnectAsync(clientId);
            Assert.Equal(before + 1, broker.Accepted);
            var page = await node.GetAsync($"sessions/find?client={Uri.EscapeDataString(clientId)}", AdminJson.Wire.SessionPage);
            Assert.Contains(page.Sessions, s => s.ClientId == clientId && s.Backend == broker.EndPoint.ToString());
        }
    }
}
