using System.Net;
using System.Text.Json;
using ActorLb.Protocol.Admin;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Admin;

public sealed class BanApiTests
{
    [Fact]
    public async Task Ban_IsAddedListedAndRemoved()
    {
        await using var node = await AdminNode.StartAsync();
        var added = await node.SendAsync(
            HttpMethod.Post, "bans", """{"address":"192.0.2.0/24","seconds":3600,"reason":"a flood"}""", AdminJson.Wire.BanInfo);
        Assert.Equal(("address", "192.0.2.0/24", "a flood", false), (added.Kind, added.Subject, added.Reason, added.Local));
        Assert.InRange(added.Left!.Value, 3500, 3600);
        Assert.Contains("127.0.0.1:", added.By, StringComparison.Ordinal);
        Assert.EndsWith(" on lb-1", added.By, StringComparison.Ordinal);
        await node.SendAsync(HttpMethod.Post, "bans", """{"clientId":"a/b c"}""", AdminJson.Wire.BanInfo);
        var all = (await node.GetAsync("bans", AdminJson.Wire.BanPage)).Bans;
        Assert.Equal([("address", "192.0.2.0/24"), ("client-id", "a/b c")], all.Select(b => (b.Kind, b.Subject)));
        Assert.Null(all[1].Expires);

        // Another time for the same subject takes the place of the first.
        await node.SendAsync(HttpMethod.Post, "bans", """{"clientId":"a/b c","seconds":5}""", AdminJson.Wire.BanInfo);
        Assert.Equal(2, (await node.GetAsync("bans", AdminJson.Wire.BanPage)).Bans.Length);
        await node.SendAsync(HttpMethod.Delete, "bans?client=a%2Fb%20c", null, AdminJson.Wire.Done);
        Assert.Single((await node.GetAsync("bans", AdminJson.Wire.BanPage)).Bans);
        var error = await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Delete, "bans?client=a%2Fb%20c"));
        Assert.Contains("there is no ban of client-id a/b c", error.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "exactly one")]
    [InlineData("""{"clientId":""}""", "exactly one")]
    [InlineData("""{"clientId":"a","username":"b"}""", "exactly one")]
    [InlineData("""{"address":"10.0.0.7/8"}""", "10.0.0.0/8")]
    [InlineData("""{"address":"example.com"}""", "is not an address or network")]
    [InlineData("""{"clientId":"a","seconds":0}""", "seconds")]
    [InlineData("""{"clientId":"a","seconds":-1}""", "seconds")]
    [InlineData("""{"clientId":"a","seconds":1e300}""", "seconds")]
    [InlineData("""{"clientId":"a\u0000"}""", "U+0000")]
    [InlineData("""{"clientId":"a","colour":"red"}""", "line 1, byte")]
    public async Task Request_Bad_IsRefusedWithTheReason(string body, string detail)
    {
        await using var node = await AdminNode.StartAsync();
        var error = await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Post, "bans", body));
        Assert.Contains(detail, error.Detail, StringComparison.Ordinal);
        Assert.Empty((await node.GetAsync("bans", AdminJson.Wire.BanPage)).Bans);
    }

    [Fact]
    public async Task Ban_OfALongIdOrReason_IsRefused()
    {
        await using var node = await AdminNode.StartAsync();
        var error = await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Post, "bans", JsonSerializer.Serialize(new { clientId = new string('ü', 241) })));
        Assert.Contains("480 bytes", error.Detail, StringComparison.Ordinal);
        error = await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Post, "bans", JsonSerializer.Serialize(new { clientId = "a", reason = new string('r', 201) })));
        Assert.Contains("reason", error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bans_TooMany_AreRefusedAndThoseThereStay()
    {
        await using var node = await AdminNode.StartAsync();
        string? refused = null;
        int added = 0;
        for (; added < 400 && refused is null; added++)
        {
            var answer = await node.SendAsync(HttpMethod.Post, "bans", JsonSerializer.Serialize(new { username = new string('u', 470) + added }));
            if (!answer.IsSuccessStatusCode) refused = (await AdminNode.ErrorAsync(HttpStatusCode.Conflict, answer)).Detail;
        }

        Assert.Contains("is reached", refused, StringComparison.Ordinal);
        // Other orders have room still.
        Assert.Null((await node.Node.Orders.SetAsync("rebalance/emqx", new byte[4096])).Refused);
        Assert.Equal(added - 1, (await node.GetAsync("bans", AdminJson.Wire.BanPage)).Bans.Length);
    }

    [Fact]
    public async Task Ban_OfAConnectedClient_EndsItsConnection()
    {
        await using var node = await AdminNode.StartAsync();
        using var client = await node.ConnectAsync("bad", version: 5);
        await node.SendAsync(HttpMethod.Post, "bans", """{"clientId":"bad"}""", AdminJson.Wire.BanInfo);
        Assert.Equal(0xE0, (await client.ReadToEndAsync()).Bytes[0]);
    }
}
