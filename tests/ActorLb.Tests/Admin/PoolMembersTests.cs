using System.Net;
using ActorLb.Balancing;
using ActorLb.Configuration;
using ActorLb.Protocol.Admin;
using ActorLb.Testing;
using ActorLb.Testing.Peers;

namespace ActorLb.Tests.Admin;

/// <summary>Backends that operators add to a node by itself: checked as those of the file, kept by reloads and restarts.</summary>
public sealed class PoolMembersTests
{
    [Fact]
    public async Task Backend_Added_ServesAndIsShown_UntilItIsRemoved()
    {
        await using var third = FakeBroker.Start(Accept);
        await using var node = await AdminNode.StartAsync();
        string id = third.EndPoint.ToString();

        var added = await node.SendAsync(
            HttpMethod.Post, "pools/plain/backends", $$"""{"address":"{{id}}","weight":7,"backup":true}""", AdminJson.Wire.BackendAdded);
        Assert.Equal((id, 7, true, true, false), (added.Backend.Backend, added.Backend.Weight, added.Backend.Backup, added.Backend.Added, added.Backend.Local));
        Assert.Empty(added.Silent);
        var pool = await node.GetAsync("pools/plain", AdminJson.Wire.PoolInfo);
        Assert.Equal([false, true], pool.Backends.Select(b => b.Added));
        string running = (await node.GetAsync("config", AdminJson.Wire.ConfigText)).Text;
        Assert.Matches($@"# added at run time \(pbm pool add\), not by the file\n +address = ""{id}""", running);
        // What is shown is a configuration still.
        Assert.Empty(ConfigurationLoader.LoadText(running, "shown.conf").Errors);

        // Takes clients as any other: the file's one is taken out.
        await node.SendAsync(HttpMethod.Post, $"backends/{node.One.EndPoint}/down?pool=plain");
        var twice = await AdminNode.ErrorAsync(
            HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "pools/plain/backends", $$"""{"address":"{{id}}"}"""));
        Assert.Contains("was already added to pool plain", twice.Detail, StringComparison.Ordinal);

        var done = await node.SendAsync(HttpMethod.Delete, $"backends/{id}?pool=plain", null, AdminJson.Wire.Done);
        Assert.Equal($"backend {id} is removed from pool plain", done.Message);
        Assert.Single((await node.GetAsync("pools/plain", AdminJson.Wire.PoolInfo)).Backends);
    }

    [Fact]
    public async Task Clients_OfAStickyPool_GoToTheAddedBackend_AndAreThereWhenItIsGone()
    {
        await using var third = FakeBroker.Start(Accept);
        await using var node = await AdminNode.StartAsync();
        string id = third.EndPoint.ToString();
        await node.SendAsync(HttpMethod.Post, "pools/emqx/backends", $$"""{"address":"{{id}}","weight":100}""", AdminJson.Wire.BackendAdded);
        foreach (var other in new[] { node.One, node.Two }) (await node.SendAsync(HttpMethod.Post, $"backends/{other.EndPoint}/down?pool=emqx")).Dispose();

        using var client = await node.ConnectAsync("meter-1");
        var entries = await node.GetAsync("sticky?client=meter-1", AdminJson.Wire.StickyEntries);
        Assert.Equal(id, Assert.Single(entries.Entries).Backend);

        (await node.SendAsync(HttpMethod.Post, $"backends/{node.One.EndPoint}/up?pool=emqx")).Dispose();
        await node.SendAsync(HttpMethod.Delete, $"backends/{id}", null, AdminJson.Wire.Done);
        // As with a backend that a reload takes out: what is open stays, and the client's next CONNECT goes elsewhere.
        Assert.Null(Assert.Single((await node.GetAsync("sticky?client=meter-1", AdminJson.Wire.StickyEntries)).Entries).Backend);
        using var again = await node.ConnectAsync("meter-1");
        Assert.Equal(node.One.EndPoint.ToString(), Assert.Single((await node.GetAsync("sticky?client=meter-1", AdminJson.Wire.StickyEntries)).Entries).Backend);
    }

    [Theory]
    [InlineData("""{"address":"broker"}""", 400, "address: 'broker' lacks a port")]
    [InlineData("""{"address":"mqtt://broker:1883"}""", 400, "is a URL")]
    [InlineData("""{"address":"10.0.0.300:1883"}""", 400, "is not a host name or address")]
    [InlineData("""{"address":"10.0.0.1:70000"}""", 400, "has no port from 1 to 65535")]
    [InlineData("""{"address":"10.0.0.1:1883","weight":0}""", 400, "weight: 0 is not between 1 and 65535")]
    [InlineData("""{"weight":2}""", 400, "\"address\": text, \"weight\": number, \"backup\": true or false")]
    [InlineData("", 400, "the body is empty")]
    [InlineData("""{"address":"{own}"}""", 409, "is node lb-1 itself (listener mqtt)")]
    [InlineData("""{"address":"localhost:{port}"}""", 409, "is node lb-1 itself (listener mqtt)")]
    [InlineData("""{"address":"{one}"}""", 409, "is already in the configuration file of pool emqx")]
    public async Task Backend_ThatAFileMayNotHave_IsNotAdded(string body, int status, string reason)
    {
        await using var node = await AdminNode.StartAsync();
        body = body.Replace("{own}", node.Mqtt.ToString(), StringComparison.Ordinal).Replace("{one}", node.One.EndPoint.ToString(), StringComparison.Ordinal)
            .Replace("{port}", $"{node.Mqtt.Port}", StringComparison.Ordinal);
        var error = await AdminNode.ErrorAsync((HttpStatusCode)status, await node.SendAsync(HttpMethod.Post, "pools/emqx/backends", body));
        Assert.Contains(reason, error.Detail, StringComparison.Ordinal);
        Assert.Equal(2, (await node.GetAsync("pools/emqx", AdminJson.Wire.PoolInfo)).Backends.Length);
    }

    [Fact]
    public async Task Backend_OfTheFile_OrOfDns_IsNotRemoved_AndTheWayIsSaid()
    {
        await using var node = await AdminNode.StartAsync(more: """pools.found { backends { dns = "localhost", port = 9 }, health.probe = none }""");
        var file = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Delete, $"backends/{node.Two.EndPoint}"));
        Assert.Equal(
            $"backend {node.Two.EndPoint} of pool emqx is in the configuration file and was not added at run time: remove it there and reload; until then, pool down keeps clients away from it",
            file.Detail);
        var found = await AdminNode.ErrorAsync(HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Delete, "backends/127.0.0.1:9"));
        Assert.Contains("was found by DNS (localhost): remove it from that name", found.Detail, StringComparison.Ordinal);
        var mixed = await AdminNode.ErrorAsync(
            HttpStatusCode.Conflict, await node.SendAsync(HttpMethod.Post, "pools/found/backends", """{"address":"10.0.0.1:1883"}"""));
        Assert.Contains("pool found finds its backends by DNS (localhost)", mixed.Detail, StringComparison.Ordinal);
        var nowhere = await AdminNode.ErrorAsync(
            HttpStatusCode.NotFound, await node.SendAsync(HttpMethod.Post, "pools/emqq/backends", """{"address":"10.0.0.1:1883"}"""));
        Assert.Contains("did you mean 'emqx'", nowhere.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Added_SurvivesReloadAndRestart_AndGivesWayToTheFile()
    {
        using var data = new TempFolder();
        string more = $"node.data-dir = \"{data["data"]}\"";
        const string Id = "127.0.0.1:9";
        await using (var node = await AdminNode.StartAsync(more: more))
        {
            await node.SendAsync(HttpMethod.Post, "pools/plain/backends", $$"""{"address":"{{Id}}","weight":3}""", AdminJson.Wire.BackendAdded);
            var before = BackendOf(node)!;
            await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
            Assert.Same(before, BackendOf(node));
        }
        await using (var node = await AdminNode.StartAsync(more: more))
        {
            Assert.Equal((3, true), BackendOf(node) is { } kept ? (kept.Weight, kept.Options.Added) : default);
            // The file gets it, too: what the file says holds, and the order is gone for good.
            string file = await File.ReadAllTextAsync(node.Configuration);
            await File.WriteAllTextAsync(node.Configuration, file.Replace(
                "pools.plain { backends = [", $"pools.plain {{ backends = [{{ address = \"{Id}\", weight = 5 }}, ", StringComparison.Ordinal));
            await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
            Assert.Equal((5, false), BackendOf(node) is { } own ? (own.Weight, own.Options.Added) : default);
            Assert.Empty(node.Node.Orders.All("added/"));
            await File.WriteAllTextAsync(node.Configuration, file);
            await node.SendAsync(HttpMethod.Post, "config/reload", null, AdminJson.Wire.ConfigReload);
            Assert.Null(BackendOf(node));
        }

        static Backend? BackendOf(AdminNode node) => node.Node.Pools.Single(p => p.Name == "plain").Pool.Snapshot.Find(Id);
    }

    private static async Task Accept(FakeBrokerConnection connection, CancellationToken stop)
    {
        byte[] connect = await connection.ReadPacketAsync(stop);
        await connection.SendAsync(FakeBroker.ConnackBytes(0, ConnectBytes.LevelOf(connect)), stop);
        await connection.ReadToEndAsync(stop);
    }
}
