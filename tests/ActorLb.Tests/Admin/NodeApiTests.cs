using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using ActorLb.Configuration;
using ActorLb.Configuration.Readers;
using ActorLb.Protocol.Admin;
using ActorLb.Telemetry;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Admin;

public sealed class NodeApiTests
{
    [Fact]
    public async Task LogLevel_Changed_Holds_UnknownIsRefused()
    {
        await using var node = await AdminNode.StartAsync();
        await node.SendAsync(HttpMethod.Put, "node/log-level", """{"level":"off"}""", AdminJson.Wire.NodeLogLevel);
        Assert.Equal(LogLevelName.Off, node.Control.Level);
        var error = await AdminNode.ErrorAsync(
            HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Put, "node/log-level", """{"level":"loud"}"""));
        Assert.Contains("trace, debug, info, warning, error, off", error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Listener_Paused_RefusesConnects_KeepsClients_AndOpensWhereItWas()
    {
        await using var node = await AdminNode.StartAsync();
        var mqtt = node.Mqtt;
        using var stays = await node.ConnectAsync("stays");
        var paused = await node.SendAsync(HttpMethod.Post, "listeners/mqtt/pause", null, AdminJson.Wire.ListenerInfo);
        Assert.Equal(("paused", mqtt.ToString()), (paused.State, paused.Bind));

        // Who connects learns at once that nobody is there, over a reload too.
        await RefusedAsync(mqtt);
        await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
        await RefusedAsync(mqtt);
        Assert.Equal(1, (await node.GetAsync("sessions/count", AdminJson.Wire.SessionCount)).Total);

        var open = await node.SendAsync(HttpMethod.Post, "listeners/mqtt/resume", null, AdminJson.Wire.ListenerInfo);
        Assert.Equal(("open", mqtt.ToString()), (open.State, open.Bind));
        using var again = await node.ConnectAsync("again");
        Assert.Equal(2, (await node.GetAsync("sessions/count", AdminJson.Wire.SessionCount)).Total);

        var error = await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Post, "listeners/mqtts/pause"));
        Assert.Contains("Known: mqtt", error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Listener_WhosePortIsTakenWhilePaused_StaysPausedAndSaysWhy()
    {
        await using var node = await AdminNode.StartAsync();
        var mqtt = node.Mqtt;
        await node.SendAsync(HttpMethod.Post, "listeners/mqtt/pause", null, AdminJson.Wire.ListenerInfo);
        using (var other = new TcpListener(mqtt))
        {
            other.Start();
            var error = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "listeners/mqtt/resume"));
            Assert.Contains(mqtt.ToString(), error.Detail, StringComparison.Ordinal);
            Assert.Equal("paused", (await node.GetAsync("listeners", AdminJson.Wire.ListenerList)).Listeners[0].State);
        }
        await node.SendAsync(HttpMethod.Post, "listeners/mqtt/resume", null, AdminJson.Wire.ListenerInfo);
        using var client = await node.ConnectAsync("c");
    }

    [Fact]
    public async Task Drain_TakenBack_KeepsWhoIsLeft_AndTakesClientsAgain()
    {
        await using var node = await AdminNode.StartAsync();
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "node/resume"));
        var mqtt = node.Mqtt;
        using RawClient one = await node.ConnectAsync("one"), two = await node.ConnectAsync("two");
        await node.SendAsync(HttpMethod.Post, "node/drain", """{"seconds":3600}""", AdminJson.Wire.NodeDrain);
        // The first is closed at once, the second in half an hour.
        await EstablishedAsync(node, 1);
        await RefusedAsync(mqtt);
        Assert.Equal("draining", (await node.GetAsync("node", AdminJson.Wire.NodeInfo)).State);
        Assert.Equal("closed", (await node.GetAsync("listeners", AdminJson.Wire.ListenerList)).Listeners[0].State);

        await node.SendAsync(HttpMethod.Post, "node/resume", null, AdminJson.Wire.Done);

        Assert.Equal("ready", (await node.GetAsync("node", AdminJson.Wire.NodeInfo)).State);
        using var ready = await node.Http.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
        using var again = await node.ConnectAsync("again");
        Assert.Equal(mqtt, node.Mqtt);
        await EstablishedAsync(node, 2);
        // Nothing of the drain is left: the node may be changed, and drained again.
        await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
        await node.SendAsync(HttpMethod.Post, "node/drain", """{"seconds":0}""", AdminJson.Wire.NodeDrain);
        Assert.Empty((await again.ReadToEndAsync()).Bytes);
        await node.SendAsync(HttpMethod.Post, "node/resume", null, AdminJson.Wire.Done);
        using var third = await node.ConnectAsync("third");
    }

    [Fact]
    public async Task Drain_ToTheEndOfTheProcess_IsNotTakenBack()
    {
        await using var node = await AdminNode.StartAsync();
        await node.Control.DrainAsync(TimeSpan.Zero, toEnd: true);
        var error = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "node/resume"));
        Assert.Contains("exiting", error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Config_Check_TellsErrorsWithoutApplying()
    {
        await using var node = await AdminNode.StartAsync();
        string text = await File.ReadAllTextAsync(node.Configuration);
        var good = await node.SendAsync(HttpMethod.Post, "config/check", text, AdminJson.Wire.ConfigCheck);
        Assert.Equal((true, 1, 2, 0), (good.Valid, good.Listeners, good.Pools, good.Errors.Length));

        var bad = await node.SendAsync(
            HttpMethod.Post, "config/check?file=/etc/new.conf", text.Replace("pool = emqx", "pool = emxq", StringComparison.Ordinal), AdminJson.Wire.ConfigCheck);
        Assert.False(bad.Valid);
        Assert.Contains("emxq", Assert.Single(bad.Errors), StringComparison.Ordinal);
        Assert.StartsWith("/etc/new.conf:", bad.Errors[0], StringComparison.Ordinal);
        var empty = await node.SendAsync(HttpMethod.Post, "config/check", "", AdminJson.Wire.ConfigCheck);
        Assert.False(empty.Valid);
    }

    [Fact]
    public async Task Config_Reload_AppliesOrRejectsWhole()
    {
        await using var node = await AdminNode.StartAsync();
        await File.WriteAllTextAsync(node.Configuration, AdminNode.Text(node.One, node.Two, more: "pools.more { backends = [\"127.0.0.1:1\"], health.probe = none }"));
        await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
        Assert.Equal(["emqx", "more", "plain"], (await node.GetAsync("pools", AdminJson.Wire.PoolList)).Pools.Select(p => p.Name));

        await File.WriteAllTextAsync(node.Configuration, "actorlb { nodes {} }");
        var error = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "config/reload"));
        Assert.Contains("nodes", error.Detail, StringComparison.Ordinal);
        Assert.Equal(3, (await node.GetAsync("pools", AdminJson.Wire.PoolList)).Pools.Length);
        var shown = await node.GetAsync("config", AdminJson.Wire.ConfigText);
        Assert.Contains("more {", shown.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Drain_ClosesAndRefusesFurtherChanges()
    {
        await using var node = await AdminNode.StartAsync();
        using var client = await node.ConnectAsync("c", version: 5);
        var bad = await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Post, "node/drain", """{"seconds":-1}"""));
        Assert.Contains("seconds", bad.Detail, StringComparison.Ordinal);

        var drain = await node.SendAsync(HttpMethod.Post, "node/drain", """{"seconds":0.2}""", AdminJson.Wire.NodeDrain);

        Assert.Equal(new NodeDrain("lb-1", 1, 0.2), drain);
        // Server shutting down (MQTT 5 section 3.14.2.1).
        Assert.Equal([0xE0, 0x01, 0x8B], (await client.ReadToEndAsync()).Bytes);
        Assert.Equal("draining", (await node.GetAsync("node", AdminJson.Wire.NodeInfo)).State);
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "node/drain"));
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "config/reload"));
        using var ready = await node.Http.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        // What is left of the time, without the figures that nobody reads.
        using var events = await node.Http.GetAsync("cluster/events?last=256", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await events.Content.ReadAsStreamAsync());
        NodeEvent? draining = null;
        while (draining?.Kind != "node_draining")
            draining = JsonSerializer.Deserialize((await reader.ReadLineAsync().WaitAsync(Wait.Patience))!, AdminJson.Wire.NodeEvent);
        Assert.Matches(@"^1 connections close within \d(\.\d)? s$", draining.Text);
    }

    private static Task EstablishedAsync(AdminNode node, int count) => Wait.UntilAsync(
        async () => (await node.GetAsync("sessions/count", AdminJson.Wire.SessionCount)).Established == count);

    private static async Task RefusedAsync(IPEndPoint place) => Assert.False(await IsOpenAsync(place));

    private static async Task<bool> IsOpenAsync(IPEndPoint place)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(place);
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return false;
        }
    }

    [Fact]
    public async Task Cluster_NodeByItself_IsItsOnlyMember()
    {
        await using var node = await AdminNode.StartAsync();
        var member = Assert.Single((await node.GetAsync("cluster", AdminJson.Wire.ClusterMembers)).Members);
        Assert.Equal(("lb-1", "up", true, true, 64), (member.Name, member.State, member.Self, member.Coordinator, member.Shards));
        var status = await node.GetAsync("cluster/status", AdminJson.Wire.ClusterStatus);
        Assert.Equal((64, 64), (status.Shards, status.ShardsOwned));
        var shards = await node.GetAsync("cluster-sharding/shards?node=lb-1", AdminJson.Wire.ShardList);
        Assert.Equal(Enumerable.Range(0, 64), shards.Shards.Select(s => s.Shard));
        Assert.All(shards.Shards, s => Assert.Equal("lb-1", s.Owner));
        using var client = await node.ConnectAsync("c");
        Assert.Equal(1, (await node.GetAsync("cluster-sharding/stats", AdminJson.Wire.ShardingStats)).Entries);
        Assert.Equal(1, Assert.Single((await node.GetAsync("cluster-sharding/regions", AdminJson.Wire.ShardRegions)).Regions).Entries);
        await node.SendAsync(HttpMethod.Post, "cluster-sharding/rebalance", null, AdminJson.Wire.Done);

        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "cluster/leave"));
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "cluster/down", """{"node":"lb-1"}"""));
        await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Post, "cluster/down", "{}"));
        var error = await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Post, "cluster/down", """{"node":"lb-9"}"""));
        Assert.Contains("lb-1", error.Detail, StringComparison.Ordinal);
        await AdminNode.ErrorAsync(HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Get, "cluster-sharding/shards?node=lb-9"));
    }

    [Fact]
    public async Task Events_PastOnesThenAsTheyCome_NumberedWithoutGaps()
    {
        await using var node = await AdminNode.StartAsync();
        node.Node.Events.Publish("first", "before");
        using var response = await node.Http.GetAsync("cluster/events?last=1", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var first = await NextAsync();
        Assert.Equal(("first", "before", "lb-1"), (first.Kind, first.Text, first.Node));

        await node.SendAsync(HttpMethod.Post, $"backends/{node.Two.EndPoint}/drain", null, AdminJson.Wire.BackendInfo);
        var second = await NextAsync();
        Assert.Equal((first.Number + 1, "admin_state_changed"), (second.Number, second.Kind));
        Assert.Contains(node.Two.EndPoint.ToString(), second.Text, StringComparison.Ordinal);

        async Task<NodeEvent> NextAsync() =>
            JsonSerializer.Deserialize((await reader.ReadLineAsync().WaitAsync(Wait.Patience))!, AdminJson.Wire.NodeEvent)!;
    }

    [Fact]
    public async Task Events_TooManyWatchers_IsRefused_AndOneThatGoesMakesRoom()
    {
        await using var node = await AdminNode.StartAsync();
        EventFeed.Watch[] watches = [.. Enumerable.Range(0, EventFeed.MaxWatchers).Select(_ => node.Node.Events.TryWatch(0)!)];
        await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Get, "cluster/events"));
        await AdminNode.ErrorAsync(HttpStatusCode.BadRequest, await node.SendAsync(HttpMethod.Get, "cluster/events?last=257"));
        watches[0].Dispose();
        using var response = await node.Http.GetAsync("cluster/events", HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Actors_AreTheControlPlanes()
    {
        await using var node = await AdminNode.StartAsync();
        var list = await node.GetAsync("actors", AdminJson.Wire.ActorList);
        string[] expected =
        [
            "node/user", "node/user/bans", "node/user/certificates", "node/user/downed-backends", "node/user/drains", "node/user/log", "node/user/paced-closings",
            "node/user/pool-emqx",
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
