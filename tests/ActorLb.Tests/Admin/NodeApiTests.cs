using System.Net;
using System.Text.Json;
using ActorLb.Configuration;
using ActorLb.Protocol.Admin;
using ActorLb.Telemetry;
using ActorLb.Testing;

namespace ActorLb.Tests.Admin;

public sealed class NodeApiTests
{
    [Fact]
    public async Task LogLevel_Changed_Holds_UnknownIsRefused()
    {
        await using AdminNode node = await AdminNode.StartAsync();
        await node.SendAsync(HttpMethod.Put, "node/log-level", """{"level":"off"}""", AdminJson.Wire.NodeLogLevel);
        Assert.Equal(LogLevelName.Off, node.Control.Level);
        AdminError error = await AdminNode.ErrorAsync(
            HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Put, "node/log-level", """{"level":"loud"}"""));
        Assert.Contains("trace, debug, info, warning, error, off", error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Listener_Paused_TakesNobodyUntilResumed()
    {
        await using AdminNode node = await AdminNode.StartAsync();
        ListenerInfo paused = await node.SendAsync(HttpMethod.Post, "listeners/mqtt/pause", null, AdminJson.Wire.ListenerInfo);
        Assert.Equal("paused", paused.State);

        // The kernel takes the connection; the node does not, over a reload too.
        using RawClient waiting = await RawClient.ConnectAsync(node.Mqtt);
        await waiting.SendAsync(ConnectBytes.V311("waiting"));
        await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
        SessionCount count = await node.GetAsync("sessions/count", AdminJson.Wire.SessionCount);
        Assert.Equal(0, count.Total);

        ListenerInfo open = await node.SendAsync(HttpMethod.Post, "listeners/mqtt/resume", null, AdminJson.Wire.ListenerInfo);
        Assert.Equal("open", open.State);
        Assert.Equal([0x20, 2, 0, 0], await waiting.ReadAsync(4));

        AdminError error = await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Post, "listeners/mqtts/pause"));
        Assert.Contains("Known: mqtt", error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Config_Check_TellsErrorsWithoutApplying()
    {
        await using AdminNode node = await AdminNode.StartAsync();
        string text = await File.ReadAllTextAsync(node.Configuration);
        ConfigCheck good = await node.SendAsync(HttpMethod.Post, "config/check", text, AdminJson.Wire.ConfigCheck);
        Assert.Equal((true, 1, 2, 0), (good.Valid, good.Listeners, good.Pools, good.Errors.Length));

        ConfigCheck bad = await node.SendAsync(
            HttpMethod.Post, "config/check?file=/etc/new.conf", text.Replace("pool = emqx", "pool = emxq", StringComparison.Ordinal), AdminJson.Wire.ConfigCheck);
        Assert.False(bad.Valid);
        Assert.Contains("emxq", Assert.Single(bad.Errors), StringComparison.Ordinal);
        Assert.StartsWith("/etc/new.conf:", bad.Errors[0], StringComparison.Ordinal);
        ConfigCheck empty = await node.SendAsync(HttpMethod.Post, "config/check", "", AdminJson.Wire.ConfigCheck);
        Assert.False(empty.Valid);
    }

    [Fact]
    public async Task Config_Reload_AppliesOrRejectsWhole()
    {
        await using AdminNode node = await AdminNode.StartAsync();
        await File.WriteAllTextAsync(node.Configuration, AdminNode.Text(node.One, node.Two, more: "pools.more { backends = [\"127.0.0.1:1\"], health.probe = none }"));
        await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
        Assert.Equal(["emqx", "more", "plain"], (await node.GetAsync("pools", AdminJson.Wire.PoolList)).Pools.Select(p => p.Name));

        await File.WriteAllTextAsync(node.Configuration, "actorlb { nodes {} }");
        AdminError error = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "config/reload"));
        Assert.Contains("nodes", error.Detail, StringComparison.Ordinal);
        Assert.Equal(3, (await node.GetAsync("pools", AdminJson.Wire.PoolList)).Pools.Length);
        ConfigText shown = await node.GetAsync("config", AdminJson.Wire.ConfigText);
        Assert.Contains("more {", shown.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Drain_ClosesAndRefusesFurtherChanges()
    {
        await using AdminNode node = await AdminNode.StartAsync();
        using RawClient client = await node.ConnectAsync("c", version: 5);
        AdminError bad = await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Post, "node/drain", """{"seconds":-1}"""));
        Assert.Contains("seconds", bad.Detail, StringComparison.Ordinal);

        NodeDrain drain = await node.SendAsync(HttpMethod.Post, "node/drain", """{"seconds":0.2}""", AdminJson.Wire.NodeDrain);

        Assert.Equal(new NodeDrain("lb-1", 1, 0.2), drain);
        // Server shutting down (MQTT 5 section 3.14.2.1).
        Assert.Equal([0xE0, 0x01, 0x8B], (await client.ReadToEndAsync()).Bytes);
        Assert.Equal("draining", (await node.GetAsync("node", AdminJson.Wire.NodeInfo)).State);
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "node/drain"));
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "config/reload"));
        using HttpResponseMessage ready = await node.Http.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
    }

    [Fact]
    public async Task Cluster_NodeByItself_IsItsOnlyMember()
    {
        await using AdminNode node = await AdminNode.StartAsync();
        ClusterMember member = Assert.Single((await node.GetAsync("cluster", AdminJson.Wire.ClusterMembers)).Members);
        Assert.Equal(("lb-1", "up", true, true, 64), (member.Name, member.State, member.Self, member.Coordinator, member.Shards));
        ClusterStatus status = await node.GetAsync("cluster/status", AdminJson.Wire.ClusterStatus);
        Assert.Equal((64, 64), (status.Shards, status.ShardsOwned));
        ShardList shards = await node.GetAsync("cluster-sharding/shards?node=lb-1", AdminJson.Wire.ShardList);
        Assert.Equal(Enumerable.Range(0, 64), shards.Shards.Select(s => s.Shard));
        Assert.All(shards.Shards, s => Assert.Equal("lb-1", s.Owner));
        using RawClient client = await node.ConnectAsync("c");
        Assert.Equal(1, (await node.GetAsync("cluster-sharding/stats", AdminJson.Wire.ShardingStats)).Entries);
        Assert.Equal(1, Assert.Single((await node.GetAsync("cluster-sharding/regions", AdminJson.Wire.ShardRegions)).Regions).Entries);
        await node.SendAsync(HttpMethod.Post, "cluster-sharding/rebalance", null, AdminJson.Wire.Done);

        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "cluster/leave"));
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "cluster/down", """{"node":"lb-1"}"""));
        await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Post, "cluster/down", "{}"));
        AdminError error = await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Post, "cluster/down", """{"node":"lb-9"}"""));
        Assert.Contains("lb-1", error.Detail, StringComparison.Ordinal);
        await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Get, "cluster-sharding/shards?node=lb-9"));
    }

    [Fact]
    public async Task Events_PastOnesThenAsTheyCome_NumberedWithoutGaps()
    {
        await using AdminNode node = await AdminNode.StartAsync();
        node.Node.Events.Publish("first", "before");
        using HttpResponseMessage response = await node.Http.GetAsync("cluster/events?last=1", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        NodeEvent first = await NextAsync();
        Assert.Equal(("first", "before", "lb-1"), (first.Kind, first.Text, first.Node));

        await node.SendAsync(HttpMethod.Post, $"backends/{node.Two.EndPoint}/drain", null, AdminJson.Wire.BackendInfo);
        NodeEvent second = await NextAsync();
        Assert.Equal((first.Number + 1, "admin_state_changed"), (second.Number, second.Kind));
        Assert.Contains(node.Two.EndPoint.ToString(), second.Text, StringComparison.Ordinal);

        async Task<NodeEvent> NextAsync() =>
            JsonSerializer.Deserialize((await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)))!, AdminJson.Wire.NodeEvent)!;
    }

    [Fact]
    public async Task Events_TooManyWatchers_IsRefused_AndOneThatGoesMakesRoom()
    {
        await using AdminNode node = await AdminNode.StartAsync();
        EventFeed.Watch[] watches = [.. Enumerable.Range(0, EventFeed.MaxWatchers).Select(_ => node.Node.Events.TryWatch(0)!)];
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Get, "cluster/events"));
        await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Get, "cluster/events?last=257"));
        watches[0].Dispose();
        using HttpResponseMessage response = await node.Http.GetAsync("cluster/events", HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Actors_AreTheControlPlanes()
    {
        await using AdminNode node = await AdminNode.StartAsync();
        ActorList list = await node.GetAsync("actors", AdminJson.Wire.ActorList);
        string[] expected =
        [
            "node/user", "node/user/certificates", "node/user/downed-backends", "node/user/drains", "node/user/log", "node/user/pool-emqx",
            .. new[] { node.One, node.Two }.Select(b => $"node/user/pool-emqx/{b.EndPoint}").Order(StringComparer.Ordinal),
            "node/user/pool-plain", $"node/user/pool-plain/{node.One.EndPoint}", "node/system",
        ];
        Assert.Equal("lb-1", list.Node);
        Assert.Equal(expected, list.Actors.Select(a => a.Path).Take(expected.Length));
        Assert.Equal((2, "BackendActor", 0L), list.Actors.Where(a => a.Depth == 2).Select(a => (a.Depth, a.Type, a.Restarts)).First());
        string metrics = await node.Http.GetStringAsync(new Uri($"http://{node.Address}/metrics"));
        Assert.Contains("\nactorlb_actor_mailbox_messages{actor=\"node/user/pool-emqx\"} 0\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"\nactorlb_actor_restarts_total{{actor=\"node/user/pool-plain/{node.One.EndPoint}\"}} 0\n", metrics, StringComparison.Ordinal);
    }
}
